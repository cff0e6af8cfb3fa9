# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures as Markdown, with what one has to know to judge them."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import libvirt
import yaml

from tests.benchmarks import inventory, power, rivals
from tests.benchmarks.measuring import Cost
from tests.lab.client import Lab

PAGE = rivals.ROOT / "docs" / "benchmarks.md"
HEAD = """\
# Benchmarks

Written by `make bench` on {date}, with a load of {load} before. Other machines have other figures: the ratios tell more
than the seconds.

| | |
| --- | --- |
{facts}

Both sides run in one environment, with the same Python, ansible-core and libvirt-python, in turn, one warm-up and then
several rounds; medians. CPU is user and system time of the whole process tree of the command, without the daemon's.
libvirtd is on the same machine, in a network namespace of its own, and reached by tcp: a real network makes every call
dearer. A proxy between client and daemon counts the calls, in a run of its own.
"""
INVENTORY = """
## Inventory

`ansible-inventory --list` of a libvirt host with so many stopped VMs. community.libvirt's plugin always reads the
definition of every VM; the second line of ours does so, too. "Ansible alone" lists as many hosts without variables from
a file: the part of the figures that no plugin can save.

"""
POWER = """
## Starting 50 VMs

`ansible-playbook` with one play: 50 VMs without disks, 32 MiB each, started on one host under emulation. In one task
the wait is for QEMU; in 50 it is for Ansible as well.

"""


def page(load: float, rows: Sequence[inventory.Row], costs: dict[str, Cost]) -> str:
    """Return the whole page."""
    head = HEAD.format(
        date=datetime.now(UTC).date(),
        load=f"{load:.1f}",
        facts="\n".join(f"| {name} | {value} |" for name, value in facts().items()),
    )
    return head + INVENTORY + inventory_table(rows) + POWER + power_table(costs)


def facts() -> dict[str, str]:
    """Return machine and versions."""
    model = next(line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    host = libvirt.open(rivals.plain(Lab().connection("kvm1")))
    try:
        daemon, qemu = (
            ".".join(str(number // unit % 1000) for unit in (1_000_000, 1000, 1))
            for number in (host.getLibVersion(), host.getVersion())
        )
    finally:
        host.close()
    version = yaml.safe_load((rivals.ROOT / "galaxy.yml").read_text())["version"]
    return {
        "machine": f"{model}, {os.cpu_count()} CPUs, {gigabytes:.0f} GiB, Linux {platform.release()}",
        "hypervisor": f"libvirt {daemon}, QEMU {qemu}, emulated guests",
        "crossvirt.lifecycle": version,
        **rivals.versions(),
    }


def inventory_table(rows: Sequence[inventory.Row]) -> str:
    """Return one line per size and plugin; how many times more than ours, in front of nothing else."""
    lines = [
        "| VMs | plugin | CPU s | times ours | wait s | times ours | calls | once connected |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        ours = next(other.cost for other in rows if (other.vms, other.name) == (row.vms, inventory.OURS))
        calls = "- | -" if row.calls is None else f"{row.calls:,} | {row.calls_when_connected:,}"
        lines.append(f"| {row.vms:,} | {row.name} | {figures(row.cost, ours)} | {calls} |")
    return "\n".join(lines) + "\n"


def power_table(costs: dict[str, Cost]) -> str:
    """Return one line per way."""
    lines = ["| way | CPU s | times ours | wait s | times ours |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [f"| {name} | {figures(cost, costs[power.ONE])} |" for name, cost in costs.items()]
    return "\n".join(lines) + "\n"


def figures(cost: Cost, ours: Cost) -> str:
    """Return four cells: both costs, each with its ratio to ours."""
    cpu, wall = cost.cpu_seconds, cost.wall_seconds
    return f"{cpu:.2f} | {cpu / ours.cpu_seconds:.2f} | {wall:.2f} | {wall / ours.wall_seconds:.2f}"
