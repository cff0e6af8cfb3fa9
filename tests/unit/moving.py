# SPDX-License-Identifier: GPL-3.0-or-later
"""How VMs move in the reference hypervisor: every point of the way, and what is left where a move ends there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Operation
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Departure, Move, Nic, PowerState

from tests.unit.machines import Drive, Journey, Machine, Volume
from tests.unit.world import World

POINTS = ("begun", "copying", "copied", "defined", "between", "whole", "forgotten", "done")
ACTIVE = (PowerState.RUNNING, PowerState.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving(Departure):
    """A VM about to move; None where it is gone meanwhile."""

    machine: Machine | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way(Move):
    """A move worked out: to which host, and what drives and NICs will be there."""

    to: str
    drives: tuple[Drive, ...]
    nics: tuple[Nic, ...]


def rightful(world: World, machine: Machine) -> Machine:
    """Return the VM that counts, of what an interrupted move may have left on two hosts."""
    journey = machine.journey
    if not journey:
        return machine
    host = journey.target if journey.whole else journey.source
    return next(one for one in world.machines if one.journey is journey and one.host == host)


def settle(world: World, machine: Machine) -> Machine:
    """Finish an interrupted move, or take it back; return the VM that stays."""
    journey, stays = machine.journey, rightful(world, machine)
    if not journey:
        return stays
    for one in list(world.machines):
        if one.journey is journey and one is not stays:
            world.machines.remove(one)
    if journey.whole:
        touch(stays, "forgotten")
    host, ends = (journey.source, 0) if journey.whole else (journey.target, 1)
    for pair in journey.copies:
        world.sites[host].volumes[pair[ends].storage].pop(pair[ends].volume, None)
    stays.state, stays.journey = journey.state, None
    if journey.whole:
        touch(stays, "done")
    return stays


def touch(machine: Machine, point: str) -> None:
    """Let happen what a test wants to happen at this point, once."""
    if meanwhile := machine.at.pop(point, None):
        meanwhile()


class Mover:
    """One move of a VM."""

    def __init__(self, world: World, machine: Machine, way: Way) -> None:
        self.world, self.machine, self.way = world, machine, way
        self.journey: Journey | None = None

    def begin(self) -> Operation:
        """Move; the hosts count it as long as it lasts."""
        hosts = {self.machine.host, self.way.to}
        operation = self.world.begin(
            self.machine,
            "migrate",
            self.arrive,
            before=self.set_out,
            undo=self.turn_back,
            size_bytes=self.machine.memory_bytes + sum(one.size_bytes or 0 for one in self.way.copied),
        )
        with self.world.lock:
            self.world.moving.update(hosts)
            self.world.peaks |= self.world.moving
        operation.add_done_callback(lambda _ended: self.world.moving.subtract(hosts))
        encrypts = all(self.world.sites[host].encrypts for host in hosts)
        operation.facts["encrypted"] = encrypts and self.way.spec.encryption != "disabled"
        return operation

    def set_out(self) -> None:
        """Tidy up after an interrupted move, write this one down, and begin to copy."""
        self.machine = settle(self.world, self.machine)
        if self.is_there():
            return
        pairs = [
            (old, new) for old, new in zip(self.machine.drives, self.way.drives, strict=True) if self.copies(old, new)
        ]
        self.journey = Journey(self.machine.host, self.way.to, self.machine.state, pairs)
        self.machine.journey = self.journey
        touch(self.machine, "begun")
        for old, new in pairs:
            self.world.sites[self.way.to].volumes[new.storage][new.volume] = Volume(self.size(old), "half of it")
        touch(self.machine, "copying")

    def arrive(self) -> str:
        """Be whole at the target, and only then leave nothing at the source."""
        journey = self.journey
        if not journey:
            return self.machine.id
        for old, new in journey.copies:
            data = self.world.volume(self.machine, old).data
            self.world.sites[journey.target].volumes[new.storage][new.volume] = Volume(self.size(old), data)
        touch(self.machine, "copied")
        self.take_room(journey)
        if journey.source == journey.target:
            journey.whole = True
            self.machine.drives, self.machine.nics = list(self.way.drives), list(self.way.nics)
            self.machine.name = str(self.way.after["name"])
            touch(self.machine, "whole")
        else:
            self.hand_over(journey)
        return settle(self.world, self.machine).id

    def hand_over(self, journey: Journey) -> None:
        """Define the VM at the target and let it go on there; it never runs twice."""
        arrived = replace(
            self.machine,
            name=str(self.way.after["name"]),
            host=journey.target,
            state=PowerState.STOPPED,
            drives=list(self.way.drives),
            nics=list(self.way.nics),
            task=None,
            operation=None,
        )
        self.world.machines.append(arrived)
        touch(self.machine, "defined")
        if journey.state in ACTIVE:
            self.machine.state = arrived.state = PowerState.PAUSED
            touch(self.machine, "between")
        self.machine.state, arrived.state, journey.whole = PowerState.STOPPED, journey.state, True
        touch(self.machine, "whole")

    def turn_back(self) -> None:
        """Leave the VM as it was before this move."""
        if self.journey and self.machine.journey is self.journey:
            settle(self.world, self.machine)

    def take_room(self, journey: Journey) -> None:
        """Count memory and space."""
        source, target = self.world.sites[journey.source], self.world.sites[journey.target]
        if journey.state in ACTIVE:
            source.memory_free_bytes += self.machine.memory_bytes
            target.memory_free_bytes -= self.machine.memory_bytes
        size = sum(self.size(old) for old, _new in journey.copies)
        source.free_bytes += size
        target.free_bytes -= size

    def is_there(self) -> bool:
        """Say whether nothing but tidying up was left to do."""
        machine, way = self.machine, self.way
        now = (machine.host, machine.name, tuple(machine.drives), tuple(machine.nics))
        return now == (way.to, way.after["name"], way.drives, way.nics)

    def copies(self, old: Drive, new: Drive) -> bool:
        """Say whether a drive's volume is copied."""
        sites = self.world.sites
        return sites[self.machine.host].volumes[old.storage] is not sites[self.way.to].volumes[new.storage]

    def size(self, drive: Drive) -> int:
        """Return how big a drive is, at the source."""
        return self.world.volume(self.machine, drive).size_bytes
