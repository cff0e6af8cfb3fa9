# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt beside community.libvirt, on the lab's hosts."""

from tests.benchmarks.libvirt import inventory, page, power


def measure(load: float) -> None:
    """Take some twelve minutes; the lab must be up."""
    costs = power.costs()
    print(page.power_table(costs), flush=True)
    rows = inventory.rows()
    print(page.inventory_table(rows))
    page.write(load, rows, costs)
