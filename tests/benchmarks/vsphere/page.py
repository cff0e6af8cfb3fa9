# SPDX-License-Identifier: GPL-3.0-or-later
"""The page on vSphere."""

from collections.abc import Sequence

from tests.benchmarks import page, rivals
from tests.benchmarks.vsphere import inventory, power
from tests.benchmarks.vsphere.sources import OURS

PAGE = rivals.ROOT / "docs" / "benchmarks-vsphere.md"
HOW = """
All run in one environment, with the same Python, ansible-core and pyvmomi, in turn, one warm-up and then several
rounds; medians. CPU is user and system time of the whole process tree of the command. The vCenter is govmomi's
simulator on the same machine: its CPU is not counted, but waited for, and it counts the calls. Ours verifies the
certificate, the others know no certificate authority of one's own and verify nothing.
"""
INVENTORY = """
## Inventory

`ansible-inventory --list`. "Tuned" is community.vmware with the properties of which ours makes its variables, valid
names of variables, and no Jinja. "Ansible alone" lists the same hosts, variables and groups from a local file: the part
of the figures that no plugin can save; with Ansible's method for a variable, and without it, as ours does. The wait
"at 5 ms" is one where every call takes 5 ms longer, measured once. Memory is that of the largest process.

"""
POWER = """
## Starting VMs

`ansible-playbook` with one play, on a vCenter with 1,224 VMs, where starting takes no time. The CPU "of the task" is
what is above that of a play without one. Most of it is Ansible's: for every task it packs the code of the collection
anew, and there is more of ours than of a module that does one thing on one hypervisor.

"""


def write(load: float, rows: Sequence[inventory.Row], ways: Sequence[power.Row]) -> None:
    """Write the whole page."""
    versions = {
        "hypervisor": "govmomi's simulator of a vCenter",
        **rivals.versions("pyvmomi", "community.vmware", "vmware.vmware"),
    }
    head = page.head("vSphere", "vsphere", load, versions)
    PAGE.write_text(head + HOW + INVENTORY + inventory_table(rows) + POWER + power_table(ways))


def inventory_table(rows: Sequence[inventory.Row]) -> str:
    """Return one line per fleet and plugin."""
    cells = []
    for row in rows:
        ours = next(other for other in rows if (other.vms, other.name) == (row.vms, OURS))
        delayed = ["-", "-"]
        if row.delayed and ours.delayed:
            wall = row.delayed.wall_seconds
            delayed = [f"{wall:.2f}", f"{wall / ours.delayed.wall_seconds:.2f}"]
        memory, calls = f"{row.cost.peak_bytes / 1024**2:.0f}", f"{row.calls:,}" if row.calls else "-"
        cells.append([f"{row.vms:,}", row.name, *page.figures(row.cost, ours.cost), *delayed, calls, memory])
    titles = ["VMs", "plugin", "CPU s", "times ours", "wait s", "times ours"]
    titles += ["wait s at 5 ms", "times ours", "calls", "MiB"]
    return page.table(titles, ["---:", "---", *["---:"] * 8], cells)


def power_table(rows: Sequence[power.Row]) -> str:
    """Return one line per way to start 50 VMs, then per way to start one."""
    costs = {row.name: row.cost for row in rows}
    empty = costs[power.NO_TASK].cpu_seconds
    cells = []
    for row in rows:
        ours = costs[power.ONE_TASK if row.vms > 1 else power.ONE_NAME]
        above = f"{row.cost.cpu_seconds - empty:.2f}" if row.name != power.NO_TASK else "-"
        cells.append([f"{row.vms}", row.name, *page.figures(row.cost, ours), above, f"{row.calls:,}", f"{row.logins}"])
    titles = ["VMs", "way", "CPU s", "times ours", "wait s", "times ours", "CPU s of the task", "calls", "logins"]
    return page.table(titles, ["---:", "---", *["---:"] * 7], cells)
