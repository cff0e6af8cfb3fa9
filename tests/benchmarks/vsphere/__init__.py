# SPDX-License-Identifier: GPL-3.0-or-later
"""vSphere beside community.vmware and vmware.vmware, on simulated vCenters of its own."""

from tests.benchmarks.vsphere import inventory, page, power


def measure(load: float) -> None:
    """Take some twenty-five minutes."""
    costs = power.rows()
    print(page.power_table(costs), flush=True)
    rows = inventory.rows()
    print(page.inventory_table(rows))
    page.write(load, rows, costs)
