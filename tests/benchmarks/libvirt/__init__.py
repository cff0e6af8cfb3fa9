# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt beside community.libvirt, on the lab's hosts."""

from tests.benchmarks.libvirt import inventory, migration, page, power


def measure(load: float) -> None:
    """Take some twenty minutes; the lab must be up."""
    costs = power.costs()
    print(page.power_table(costs), flush=True)
    silences, fleets = migration.silences(), migration.fleets()
    print(page.silence_table(silences), page.fleet_table(fleets), sep="\n", flush=True)
    rows = inventory.rows()
    print(page.inventory_table(rows))
    page.write(load, page.Measured(rows, costs, silences, fleets))
