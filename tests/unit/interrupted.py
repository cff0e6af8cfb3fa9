# SPDX-License-Identifier: GPL-3.0-or-later
"""A module on a slow hypervisor in memory, as a process of its own that can be sent signals.

Says on standard error when it has begun; ends as a module does, its result on standard output.
"""

import sys
import time
from threading import Thread

from tests.unit.harness import keys_of, start
from tests.unit.memory import drivers_of
from tests.unit.world import World


def main(where: str) -> None:
    """Suspend three VMs, one after the other, of which the second takes a minute; `where` it is to be interrupted."""
    world = World()
    for name in ("vm0", "vm1", "vm2"):
        world.add(name, state="running")
    world.machine("vm1").seconds["suspend"] = 60
    if where == "connecting":
        world.sites["kvm1"].connect_seconds = 60
    if where == "reading":
        world.sites["kvm1"].read_seconds = 60
    if where == "reading back":
        world.machine("vm1").seconds["suspend"] = 0
        world.machine("vm2").seconds["suspend"] = 0.2

    def watch() -> None:
        done = {"connecting": 1, "reading": 3, "applying": 2, "reading back": 3}[where]
        while len(world.writes if where.startswith(("app", "reading b")) else world.calls) < done:
            time.sleep(0.01)
        if where == "reading back":
            world.sites["kvm1"].read_seconds = 1
            while not world.calls.count("get_vms"):
                time.sleep(0.01)
        sys.stderr.write("begun\n")
        sys.stderr.flush()

    Thread(target=watch, daemon=True).start()
    hypervisor = keys_of(world) | {"connect_timeout_seconds": 30}
    options = {"hypervisor": hypervisor, "vms": ["vm0", "vm1", "vm2"], "state": "suspended", "parallel": 1}
    start("vm_state", options, drivers=drivers_of(world))


if __name__ == "__main__":
    main(sys.argv[1])
