# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of a move in the reference hypervisor, all of it at once; else the move, worked out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    AlreadyExists,
    CapacityExceeded,
    CrossvirtError,
    InvalidOption,
    InvalidState,
    NotFound,
    Unsupported,
    all_of,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import MoveSpec, PowerState, Volume

from tests.unit.machines import Drive, Journey, Machine, Site
from tests.unit.moving import ACTIVE, Leaving, Way, rightful
from tests.unit.world import World


@dataclass
class Room:
    """What moves that were worked out before, for the same task, have taken."""

    memory: Counter[str] = field(default_factory=Counter)
    space: Counter[str] = field(default_factory=Counter)
    names: set[tuple[str, str]] = field(default_factory=set)
    volumes: set[tuple[str, str, str]] = field(default_factory=set)


def receive(
    world: World, here: Site, arrivals: Sequence[tuple[Leaving, MoveSpec]], reach: set[str]
) -> list[Way | CrossvirtError]:
    """Work out moves; `reach` are the identities of all hosts that can be talked to."""
    room = Room()
    return [Arrival(world, here, leaving, spec).worked_out(room, reach) for leaving, spec in arrivals]


class Arrival:
    """One VM that is to come."""

    def __init__(self, world: World, here: Site, leaving: Leaving, spec: MoveSpec) -> None:
        self.world, self.spec, self.name = world, spec, leaving.vm.name
        self.machine = rightful(world, leaving.machine) if leaving.machine else None
        stays = self.machine and world.sites[self.machine.host].identity == here.identity
        self.site = world.sites[spec.host or (self.machine.host if self.machine and stays else here.name)]

    def worked_out(self, room: Room, reach: set[str]) -> Way | CrossvirtError:
        """Return the move, or every reason why it cannot be."""
        if self.machine is None:
            return NotFound(f"{self.name} went away")
        machine, journey = self.machine, self.machine.journey
        drives = tuple(replace(drive, storage=self.storage_for(drive)) for drive in machine.drives)
        nics = tuple(replace(nic, network=self.network_for(nic.network)) for nic in machine.nics)
        state = journey.state if journey else machine.state
        after: dict[str, Any] = {"name": self.spec.name or machine.name, "host": self.site.name, "state": state.value}
        if self.spec.storage or self.spec.storage_map:
            after |= {"storage": [drive.storage for drive in drives]}
        if self.spec.network_map:
            after |= {"networks": [nic.network for nic in nics]}
        differs = (machine.host, machine.name, tuple(machine.drives), tuple(machine.nics)) != (
            self.site.name,
            after["name"],
            drives,
            nics,
        )
        reasons = [*self.unreachable(journey, reach), *(self.reasons(machine, drives, state, room) if differs else ())]
        if reasons:
            return all_of(reasons)
        copied = self.copied(machine, drives)
        return Way(
            spec=self.spec,
            after=after,
            mode="live" if state in ACTIVE else "cold",
            copied=tuple(
                Volume(storage=new.storage, volume=new.volume, size_bytes=self.world.volume(machine, old).size_bytes)
                for old, new in copied
            ),
            needed=differs or journey is not None,
            to=self.site.name,
            drives=drives,
            nics=nics,
        )

    def storage_for(self, drive: Drive) -> str:
        """Return where a drive is to be."""
        return self.spec.storage_for(drive.storage) or drive.storage

    def network_for(self, network: str | None) -> str | None:
        """Return what a NIC is to be plugged into."""
        return network and self.spec.network_map.get(network, network)

    def copied(self, machine: Machine, drives: Sequence[Drive]) -> list[tuple[Drive, Drive]]:
        """Return the drives that are copied, as they are and as they will be."""
        here = self.world.sites[machine.host].volumes
        pairs = zip(machine.drives, drives, strict=True)
        return [(old, new) for old, new in pairs if here[old.storage] is not self.site.volumes.get(new.storage)]

    def unreachable(self, journey: Journey | None, reach: set[str]) -> Iterator[CrossvirtError]:
        """Refuse to tidy up where nobody can."""
        for host in (journey.source, journey.target) if journey else ():
            if self.world.sites[host].identity not in reach:
                yield InvalidState(f"a move of {self.name} was interrupted, and {host} has what it left")

    def reasons(
        self, machine: Machine, drives: Sequence[Drive], state: PowerState, room: Room
    ) -> Iterator[CrossvirtError]:
        """Yield everything that stands in the way."""
        yield from self.of_state(state)
        if (closed := self.site.closed()) and machine.host != self.site.name:
            yield InvalidState(closed)
        yield from self.of_maps(machine)
        yield from self.of_machine(machine)
        yield from self.of_names(machine, room)
        yield from self.of_networks(machine)
        yield from self.of_disks(machine, drives, room)
        if state in ACTIVE and machine.host != self.site.name:
            room.memory[self.site.name] += machine.memory_bytes
            if room.memory[self.site.name] > self.site.memory_free_bytes:
                yield CapacityExceeded(f"{self.site.name} has too little memory for {self.name}")

    def of_state(self, state: PowerState) -> Iterator[CrossvirtError]:
        """Refuse what the mode does not fit, and VMs that are neither on nor off."""
        if state not in (*ACTIVE, PowerState.STOPPED):
            yield InvalidState(f"{self.name} is {state}, and its memory does not move with it")
        elif self.spec.mode == ("cold" if state in ACTIVE else "live"):
            yield InvalidState(f"{self.name} is {state}, and mode is {self.spec.mode}")

    def of_maps(self, machine: Machine) -> Iterator[CrossvirtError]:
        """Refuse to map what the VM does not have."""
        used: dict[str, set[str | None]] = {
            "storage": {one.storage for one in machine.drives},
            "network": {one.network for one in machine.nics},
        }
        for what, mapped in (("storage", self.spec.storage_map), ("network", self.spec.network_map)):
            for old, new in mapped.items():
                if not {old, new} & used[what]:
                    yield InvalidOption(f"target.{what}_map: {self.name} has nothing in {old!r}")

    def of_machine(self, machine: Machine) -> Iterator[CrossvirtError]:
        """Refuse what the VM is, and what cannot be asked for here."""
        for key in ("cluster", "folder", "pool"):
            if getattr(self.spec, key) is not None:
                yield Unsupported(f"there is no {key} here")
        if machine.bound:
            yield Unsupported(f"{self.name} has {machine.bound}, which cannot move with it")
        if machine.cpu not in self.site.cpus:
            yield Unsupported(f"the CPU of {self.site.name} is not {machine.cpu}, which {self.name} needs")
        if machine.snapshots:
            yield InvalidState(f"{self.name} has snapshots: {', '.join(one.name for one in machine.snapshots)}")
        ends = (self.world.sites[machine.host], self.site)
        if self.spec.encryption == "required" and not all(one.encrypts for one in ends):
            yield Unsupported(f"nothing is encrypted between {machine.host} and {self.site.name}")

    def of_names(self, machine: Machine, room: Room) -> Iterator[CrossvirtError]:
        """Refuse what is there already."""
        name = self.spec.name or machine.name
        theirs = [one for one in self.world.now() if self.world.sites[one.host].identity == self.site.identity]
        others = [one for one in theirs if one is not machine and not (one.journey and one.journey is machine.journey)]
        if any(one.uuid == machine.uuid for one in others):
            yield InvalidState(f"{self.site.name} has {machine.name} already, and no record of a move")
        elif any(one.name == name for one in others) or (self.site.identity, name) in room.names:
            yield AlreadyExists(f"{self.site.name} has a VM {name}")
        room.names.add((self.site.identity, name))
        taken = {nic.mac for one in others for nic in one.nics}
        for nic in machine.nics:
            if nic.mac in taken:
                yield AlreadyExists(f"the address {nic.mac} is in use on {self.site.name}")

    def of_networks(self, machine: Machine) -> Iterator[CrossvirtError]:
        """Refuse networks that are not there."""
        for network in dict.fromkeys(self.network_for(nic.network) for nic in machine.nics):
            if network and network not in self.site.networks:
                yield NotFound(f"{self.site.name} has no network {network}")

    def of_disks(self, machine: Machine, drives: Sequence[Drive], room: Room) -> Iterator[CrossvirtError]:
        """Refuse storage that is not there, or full, and volumes that must stay or that others have."""
        for missing in dict.fromkeys(drive.storage for drive in drives if drive.storage not in self.site.volumes):
            yield NotFound(f"{self.site.name} has no storage {missing}")
        copied = self.copied(machine, drives)
        for old, new in copied:
            yield from self.of_copy(machine, old, new, room)
        if self.spec.copy_storage == "always":
            for drive in machine.drives:
                if drive not in [old for old, _new in copied]:
                    yield Unsupported(f"{drive.volume} of {self.name} would be copied onto itself")

    def of_copy(self, machine: Machine, old: Drive, new: Drive, room: Room) -> Iterator[CrossvirtError]:
        """Refuse one copy."""
        volume = self.world.volume(machine, old)
        if self.spec.copy_storage == "never":
            yield InvalidState(f"{self.site.name} does not reach {old.volume}, and copy_storage is never")
        if users := self.world.users(machine, old):
            yield InvalidState(f"{old.volume} is used by {', '.join(users)}")
        if volume.backing:
            yield Unsupported(f"{old.volume} builds on {volume.backing}")
        if new.storage not in self.site.volumes:
            return
        place = (self.site.identity, new.storage, new.volume)
        if (new.volume in self.site.volumes[new.storage] and not self.is_left(machine, new)) or place in room.volumes:
            yield AlreadyExists(f"{self.site.name} has a volume {new.volume} in {new.storage}")
        room.volumes.add(place)
        room.space[self.site.name] += volume.size_bytes
        if room.space[self.site.name] > self.site.free_bytes:
            yield CapacityExceeded(f"{new.storage} of {self.site.name} has too little space for {old.volume}")

    def is_left(self, machine: Machine, drive: Drive) -> bool:
        """Say whether an interrupted move left a volume here, which goes before the next one begins."""
        journey = machine.journey
        if not journey or self.site.name != (journey.source if journey.whole else journey.target):
            return False
        return drive in [old if journey.whole else new for old, new in journey.copies]
