# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor in memory: its world is the witness, and counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Nic, PowerState, Snapshot

from tests.conformance.bed import PREFIX, Bed, Start
from tests.unit.harness import keys_of
from tests.unit.machines import Volume
from tests.unit.memory import drivers_of, new_mac
from tests.unit.world import World


class MemoryBed(Bed):
    """Two hosts in memory."""

    name = "memory"
    column = None

    def __init__(self) -> None:
        self.world = World("kvm1", "kvm2")
        self.world.sites["kvm1"].volumes["default"]["image.qcow2"] = Volume(1024 * 1024, "an image")
        self.world.share("shared")
        self.world.sites["kvm1"].volumes["fast"] = {}
        for site in self.world.sites.values():
            site.networks = ("default", "lan")
        self.hosts = tuple(self.world.sites)
        self.drivers = drivers_of(self.world)
        self._numbers = count(1)

    def hypervisor(self, host: str | None = None) -> dict[str, Any]:
        return keys_of(self.world) | ({"hosts": [host]} if host else {})

    def connect(self, host: str) -> Driver:
        return drivers_of(self.world)("memory").connect({}, host)

    def vm(self, start: Start, host: str | None = None) -> str:
        name = f"{PREFIX}{next(self._numbers)}"
        nics = [Nic(network="default", mac=new_mac())]
        machine = self.world.add(
            name, host, start.state, cpus=1, deaf=start.kind == "empty", hears=start.kind != "deaf", nics=nics
        )
        if start.shared:
            shared = self.world.sites[machine.host].volumes
            shared["shared"][f"{name}.qcow2"] = shared["default"].pop(f"{name}.qcow2")
            machine.drives[0].storage = "shared"
        machine.agent = start.kind == "agent"
        for snapshot in start.snapshots:
            self.world.snap(machine, snapshot)
        return name

    def sightings(self, vm: str) -> dict[str, str]:
        return {one.host: one.state.value for one in self.world.now() if one.name == vm}

    def exists(self, vm: str) -> bool:
        return any(machine.name == vm for machine in self.world.now())

    def state(self, vm: str) -> str:
        self.world.now()
        return PowerState(self.world.machine(vm).state).value

    def snapshots(self, vm: str) -> list[list[str]]:
        return paths(self.world.machine(vm).tree())

    def write(self, vm: str, text: str) -> None:
        machine = self.world.machine(vm)
        self.world.volume(machine, machine.drives[0]).data = text

    def content(self, vm: str) -> str:
        machine = self.world.machine(vm)
        return self.world.volume(machine, machine.drives[0]).data

    def content_of_image(self) -> str:
        return self.world.sites["kvm1"].volumes["default"]["image.qcow2"].data

    def words(self) -> dict[str, str]:
        return {"host": "kvm1", "storage": "default", "volume": "image.qcow2", "network": "default"}

    def road(self) -> dict[str, str]:
        return {"target": "kvm2", "fast": "fast", "lan": "lan"}

    def in_maintenance(self, host: str) -> bool:
        return self.world.sites[host].maintenance

    def volumes(self) -> set[str]:
        return {name for site in self.world.sites.values() for store in site.volumes.values() for name in store}

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        self.world.calls.clear()
        writes: list[str] = []
        yield writes
        writes += self.world.writes

    def forget(self, vm: str) -> None:
        self.world.machines = [machine for machine in self.world.machines if machine.name != vm]

    def close(self) -> None:
        self.world.machines.clear()


def paths(trees: tuple[Snapshot, ...], above: tuple[str, ...] = ()) -> list[list[str]]:
    """Return the path of every snapshot, sorted."""
    found = []
    for one in trees:
        found += [[*above, one.name], *paths(one.children, (*above, one.name))]
    return sorted(found)
