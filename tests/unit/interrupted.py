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

SECOND = {"applying": "suspend", "moving": "migrate"}  # what the second VM takes a minute for
CALLS = {"connecting": 1, "reading": 3}  # which call is the one that is interrupted
WRITES = {"applying": 2, "moving": 2, "reading back": 3}


def world_for(where: str) -> World:
    """Return a hypervisor that is slow there."""
    world = World()
    for name in ("vm0", "vm1", "vm2"):
        world.add(name, state="running")
    world.machine("vm1").seconds = {SECOND[where]: 60} if where in SECOND else {}
    world.sites["kvm1"].connect_seconds = 60 if where == "connecting" else 0
    world.sites["kvm1"].read_seconds = 60 if where == "reading" else 0
    world.machine("vm2").seconds = {"suspend": 0.2} if where == "reading back" else {}
    return world


def main(where: str) -> None:
    """Suspend or move three VMs, one after the other; `where` it is to be interrupted."""
    world = world_for(where)

    def watch() -> None:
        while len(world.calls) < CALLS.get(where, 0) or len(world.writes) < WRITES.get(where, 0):
            time.sleep(0.01)
        if where == "reading back":
            world.sites["kvm1"].read_seconds = 1
            while not world.calls.count("get_vms"):
                time.sleep(0.01)
        sys.stderr.write("begun\n")
        sys.stderr.flush()

    Thread(target=watch, daemon=True).start()
    hypervisor = keys_of(world) | {"connect_timeout_seconds": 30}
    options = {"hypervisor": hypervisor, "vms": ["vm0", "vm1", "vm2"]}
    if where == "moving":
        start("vm_migrate", {**options, "target": {"host": "kvm2"}, "per_host": 1}, drivers=drivers_of(world))
    start("vm_state", {**options, "state": "suspended", "parallel": 1}, drivers=drivers_of(world))


if __name__ == "__main__":
    main(sys.argv[1])
