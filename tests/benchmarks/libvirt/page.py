# SPDX-License-Identifier: GPL-3.0-or-later
"""The page on libvirt."""

from collections.abc import Sequence

import libvirt
from tests.benchmarks import page, rivals
from tests.benchmarks.libvirt import inventory, power
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


def write(load: float, rows: Sequence[inventory.Row], costs: dict[str, Cost]) -> None:
    """Write the whole page."""
    head = page.head("libvirt", "libvirt", load, versions())
    PAGE.write_text(head + HOW + INVENTORY + inventory_table(rows) + POWER + power_table(costs))


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
