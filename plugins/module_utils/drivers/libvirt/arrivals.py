# SPDX-License-Identifier: GPL-3.0-or-later
"""Working out what comes to a host: what is copied where, what stays where it is, and everything in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree as ET

from ...errors import AlreadyExists, CrossvirtError, InvalidState, NotFound, Unsupported, all_of
from ...model import Move, MoveSpec, PowerState
from ...model import Volume as NamedVolume
from .departures import LibvirtDeparture, one_departure
from .disks import disks
from .luggage import Hold
from .prechecks import Surroundings
from .refusals import guarded, refused_words, unable
from .session import Session
from .sightings import Fate
from .storage import Pools
from .target_xml import Changes, Plug
from .unfinished import Unfinished, unfinished


@dataclass(frozen=True, kw_only=True)
class LibvirtMove(Move):
    """A move to `target`; the files at `shared` have to prove that both hosts mean the same ones.

    `held` leaves the VM paused at the target until it is certain that the source has let it go. `rest` is an earlier
    move that has to be ended first; with `ends` that is all.
    """

    departure: LibvirtDeparture
    target: Session = field(repr=False, compare=False)
    changes: Changes = field(default_factory=Changes)
    shared: tuple[str, ...] = ()
    held: bool = False
    rest: Unfinished | None = None
    ends: bool = False

    @property
    def stays(self) -> bool:
        """Whether it stays on its host, and only its storage changes."""
        return self.target is self.departure.session


class Arrivals:
    """Moves to one host, each in the room that those before it leave."""

    def __init__(self, session: Session, sources: Sequence[Session]) -> None:
        self._session, self._sources = session, sources
        self._here = Surroundings(session)
        self._pools = Pools(session)
        self._hold = Hold(session, self._pools)

    def receive(self, departure: LibvirtDeparture, spec: MoveSpec) -> LibvirtMove | CrossvirtError:
        """Work out one move, or return every reason why it cannot be."""
        try:
            with self._session.translated(f"working out the move of {departure.vm.name}"):
                return self._worked_out(departure, spec)
        except CrossvirtError as error:
            return error

    def _worked_out(self, departure: LibvirtDeparture, spec: MoveSpec) -> LibvirtMove:
        if departure.gone:
            return self._came_before(departure, spec)
        rest = unfinished(departure, (departure.session, self._session, *self._sources))
        if rest and rest.whole_at is not departure.session:
            return self._finishing(departure, spec, rest)
        stays = departure.session is self._session
        reasons = [*refused_words(departure, spec, rest, stays=stays)]
        gone = rest.remains_at(self._session) if rest else set()
        kept, copies, shared, more = self._hold.stow(departure, spec, stays=stays, gone=gone)
        if stays and kept and not reasons and not more and spec.name in (None, departure.vm.name):
            return self._there(departure, spec, rest)
        reasons += [*departure.reasons, *more]
        changes = Changes(copies=tuple(copies), name=spec.name if spec.name != departure.vm.name else None)
        held = departure.running and not stays and not guarded(departure, copies)
        if not stays:
            reasons += self._here.closed
            changes, more = self._other_host(departure, spec, changes, rest)
            reasons += more
            reasons += unable(departure, spec, self._session, changes, held=held)
        elif changes.name:
            reasons += self._renamed(departure, changes.name)
        if reasons:
            raise all_of(reasons)
        self._here.names[spec.name or departure.vm.name] = departure.vm.uuid
        return LibvirtMove(
            spec=spec,
            departure=departure,
            target=self._session,
            changes=changes,
            shared=tuple(shared),
            rest=rest,
            settles=rest is not None,
            held=held,
            after=self._after(departure, changes) | self._state_after(departure, rest),
            mode="live" if departure.running else "cold",
            copied=tuple(
                NamedVolume(storage=copy.pool, volume=copy.name, size_bytes=copy.source.capacity)
                for copy in changes.copies
            ),
        )

    def _renamed(self, departure: LibvirtDeparture, name: str) -> list[CrossvirtError]:
        """Return why a VM that stays on its host cannot have another name."""
        if self._session.kind != "QEMU":
            return [Unsupported(f"libvirt's driver for {self._session.kind} renames no VM that stays on its host")]
        if departure.running:
            return [InvalidState(f"{departure.vm.name} is not off, and libvirt renames a VM only while it is off")]
        if name in self._here.names:
            return [AlreadyExists(f"{self._session.host} has another VM {name!r}")]
        return []

    def _came_before(self, departure: LibvirtDeparture, spec: MoveSpec) -> LibvirtMove:
        """Work out what is left to do for a VM that somebody else has just moved here."""
        went_away = isinstance(departure.reasons[0], NotFound)
        if not went_away or departure.vm.uuid not in self._here.domains or departure.session is self._session:
            raise all_of(departure.reasons)
        here = one_departure(self._session, self._pools, departure.vm)
        move = self._worked_out(here, spec)
        return replace(move, needed=True, after={"host": self._session.host} | move.after)

    def _finishing(self, departure: LibvirtDeparture, spec: MoveSpec, rest: Unfinished) -> LibvirtMove:
        """Work out the end of a move that has brought the VM here, seen from where it came."""
        record = rest.record
        if rest.whole_at is not self._session:
            raise InvalidState(
                f"{departure.vm.name} has moved to {record.target_name}, and a rest of it is still at "
                f"{departure.vm.host}; move it to {record.target_name} first"
            )
        domain = self._here.domains[departure.vm.uuid]
        after = {"host": self._session.host, "name": domain.name()}
        if record.live and record.held:
            after["state"] = (PowerState.RUNNING if record.awake else PowerState.PAUSED).value
        storage = read_storage(domain, self._pools)
        if storage != [disk.storage for disk in departure.vm.disks or () if disk.device == "disk"]:
            after["storage"] = storage
        return LibvirtMove(
            spec=spec,
            departure=departure,
            target=self._session,
            after=after,
            mode="live" if record.live else "cold",
            rest=rest,
            settles=rest is not None,
            ends=True,
        )

    def _there(self, departure: LibvirtDeparture, spec: MoveSpec, rest: Unfinished | None) -> LibvirtMove:
        """Leave a VM alone that is here already, but for what a move has left to tidy up."""
        return LibvirtMove(
            spec=spec,
            departure=departure,
            target=self._session,
            after=self._state_after(departure, rest),
            mode="live" if departure.running else "cold",
            needed=rest is not None,
            rest=rest,
            settles=rest is not None,
            ends=True,
        )

    def _state_after(self, departure: LibvirtDeparture, rest: Unfinished | None) -> dict[str, object]:
        """Return in which state a VM goes on that a move has left neither running nor at rest."""
        half = departure.vm.state is PowerState.UNKNOWN or (rest and rest.fate is Fate.ARRIVED and rest.record.held)
        if not rest or not half or not departure.running:
            return {}
        return {"state": (PowerState.RUNNING if rest.record.awake else PowerState.PAUSED).value}

    def _other_host(
        self, departure: LibvirtDeparture, spec: MoveSpec, changes: Changes, rest: Unfinished | None
    ) -> tuple[Changes, list[CrossvirtError]]:
        here, vm, host = self._here, departure.vm, self._session.host
        reasons: list[CrossvirtError] = []
        name = spec.name or vm.name
        if vm.uuid in here.domains and not rest:  # half a VM goes with the rest of the move that left it
            reasons.append(
                AlreadyExists(f"{host} has a VM with the uuid {vm.uuid} of {vm.name}: {here.domains[vm.uuid].name()}")
            )
        elif here.names.get(name, vm.uuid) != vm.uuid:
            reasons.append(AlreadyExists(f"{host} has another VM {name!r}; target.name gives {vm.name} another name"))
        program = here.emulator(departure.definition)
        if isinstance(program, CrossvirtError):
            reasons.append(program)
        elif misfit := here.misfit(departure, program):
            reasons.append(misfit)
        plugs: dict[str, Plug] = {}
        for old, plug in here.plugs(departure, spec.network_map):
            if isinstance(plug, CrossvirtError):
                reasons.append(plug)
            else:
                plugs[old] = plug
        if memory := here.too_little_memory(departure):
            reasons.append(memory)
        known = departure.definition.findtext("devices/emulator")
        other = program if isinstance(program, str) and program != known else None
        return Changes(copies=changes.copies, plugs=plugs, emulator=other or None, name=changes.name), reasons

    def _after(self, departure: LibvirtDeparture, changes: Changes) -> dict[str, object]:
        """Return what will be read then, of what becomes different."""
        vm = departure.vm
        after: dict[str, object] = {"host": self._session.host}
        if changes.name:
            after["name"] = changes.name
        if changes.copies:
            moved = {copy.disk.dev: copy.pool for copy in changes.copies}
            after["storage"] = [
                moved.get(bag.dev, disk.storage)
                for bag, disk in zip(departure.disks, vm.disks or (), strict=True)
                if disk.device == "disk"
            ]
        if any(old != plug.name for old, plug in changes.plugs.items()):
            after["networks"] = [
                changes.plugs[nic.network].name if nic.network and nic.network in changes.plugs else nic.network
                for nic in vm.nics or ()
            ]
        return after


def read_storage(domain: Any, pools: Pools) -> list[str | None]:
    """Return the storage of each disk of a VM."""
    found = disks(ET.fromstring(domain.XMLDesc()), pools.place, {})
    return [disk.storage for disk in found if disk.device == "disk"]
