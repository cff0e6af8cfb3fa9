# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.benchmarks`: measures beside community.libvirt, prints the figures and writes docs/benchmarks.md."""

import os

from tests.benchmarks import inventory, page, power, rivals


def main() -> None:
    """Take some twelve minutes; the lab must be up."""
    rivals.prepare()
    load = os.getloadavg()[0]
    print(f"load before: {load:.1f}; measuring 50 VMs, then inventories of {', '.join(map(str, inventory.FLEETS))} VMs")
    costs = power.costs()
    print(page.power_table(costs), flush=True)
    rows = inventory.rows()
    print(page.inventory_table(rows))
    page.PAGE.write_text(page.page(load, rows, costs))
    print(f"written to {page.PAGE.relative_to(rivals.ROOT)}")


if __name__ == "__main__":
    main()
