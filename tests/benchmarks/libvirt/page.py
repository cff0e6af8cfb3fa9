# SPDX-License-Identifier: GPL-3.0-or-later
"""The page on libvirt."""

from collections.abc import Sequence
from dataclasses import dataclass

import libvirt
from tests.benchmarks import page, rivals
from tests.benchmarks.libvirt import inventory, migration, power
from tests.benchmarks.libvirt.plaintext import plain
from tests.benchmarks.measuring import Cost
from tests.lab.client import Lab

PAGE = rivals.ROOT / "docs" / "benchmarks.md"
HOW = """
Both sides run in one environment, with the same Python, ansible-core and libvirt-python, in turn, one warm-up and then
several rounds; medians. CPU is user and system time of the whole process tree of the command, without the daemon's.
libvirtd is on the same machine, in a network namespace of its own, and reached by tcp: a real network makes every call
dearer. A proxy between client and daemon counts the calls, in a run of its own.
"""
INVENTORY = """
## Inventory

`ansible-inventory --list` of a libvirt host with so many stopped VMs. community.libvirt's plugin always reads the
definition of every VM; the second line of ours does so, too. "Ansible alone" lists the same hosts, variables and groups
as our first line from a local file: the part of the figures that no plugin can save; with Ansible's method for a
variable, and without it, as ours does.

"""
POWER = """
## Starting 50 VMs

`ansible-playbook` with one play: 50 VMs without disks, 32 MiB each, started on one host under emulation. In one task
the wait is for QEMU; in 50 it is for Ansible as well.

"""
SILENCE = """
## Moving a running VM

A guest of 128 MiB with one disk, moved to and fro by a task each. It is asked by ICMP echo a hundred times a second;
what counts is the longest time between two answers, from the beginning of the task to its end. Without a move it is
10 to 30 ms here. Of several, the worst is told as well.

"""
FLEET = """
## Moving 10 VMs

Running VMs without disks, 32 MiB each, from one host to the other, two at a time. Calls are those of one way.

"""


@dataclass(frozen=True)
class Measured:
    """Everything that the page tells."""

    inventories: Sequence[inventory.Row]
    power: dict[str, Cost]
    silences: dict[str, migration.Silences]
    fleets: dict[str, migration.Fleet]


def write(load: float, measured: Measured) -> None:
    """Write the whole page."""
    sections = (
        page.head("libvirt", "libvirt", load, versions()) + HOW,
        INVENTORY + inventory_table(measured.inventories),
        POWER + power_table(measured.power),
        SILENCE + silence_table(measured.silences),
        FLEET + fleet_table(measured.fleets),
    )
    PAGE.write_text("".join(sections))


def versions() -> dict[str, str]:
    """Return what was measured with."""
    host = libvirt.open(plain(Lab().connection("kvm1")))
    try:
        daemon, qemu = (
            ".".join(str(number // unit % 1000) for unit in (1_000_000, 1000, 1))
            for number in (host.getLibVersion(), host.getVersion())
        )
    finally:
        host.close()
    hypervisor = f"libvirt {daemon}, QEMU {qemu}, emulated guests"
    return {"hypervisor": hypervisor, **rivals.versions("libvirt-python", "community.libvirt")}


def inventory_table(rows: Sequence[inventory.Row]) -> str:
    """Return one line per size and plugin; how many times more than ours, in front of nothing else."""
    cells = []
    for row in rows:
        ours = next(other.cost for other in rows if (other.vms, other.name) == (row.vms, inventory.OURS))
        calls = ["-", "-"] if row.calls is None else [f"{row.calls:,}", f"{row.calls_when_connected:,}"]
        cells.append([f"{row.vms:,}", row.name, *page.figures(row.cost, ours), *calls])
    titles = ["VMs", "plugin", "CPU s", "times ours", "wait s", "times ours", "calls", "once connected"]
    return page.table(titles, ["---:", "---", *["---:"] * 6], cells)


def power_table(costs: dict[str, Cost]) -> str:
    """Return one line per way."""
    cells = [[name, *page.figures(cost, costs[power.ONE])] for name, cost in costs.items()]
    return page.table(["way", "CPU s", "times ours", "wait s", "times ours"], ["---", *["---:"] * 4], cells)


def silence_table(silences: dict[str, migration.Silences]) -> str:
    """Return one line per kind of storage."""
    cells = [
        [what, str(len(found.milliseconds)), f"{found.median:.0f}", f"{found.worst:.0f}"]
        for what, found in silences.items()
    ]
    return page.table(["", "moves", "silence, median ms", "worst ms"], ["---", *["---:"] * 3], cells)


def fleet_table(fleets: dict[str, migration.Fleet]) -> str:
    """Return one line per way."""
    ours = fleets[migration.ONE].cost
    cells = [[name, *page.figures(fleet.cost, ours), f"{fleet.calls:,}"] for name, fleet in fleets.items()]
    titles = ["way", "CPU s", "times ours", "wait s", "times ours", "calls"]
    return page.table(titles, ["---", *["---:"] * 5], cells)
