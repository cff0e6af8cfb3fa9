# SPDX-License-Identifier: GPL-3.0-or-later
"""Working out what comes to a host: what is copied where, what stays where it is, and everything in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...errors import AlreadyExists, CrossvirtError, InvalidOption, InvalidState, Unsupported, all_of
from ...model import Move, MoveSpec, PowerState
from ...model import Volume as NamedVolume
from .departures import LibvirtDeparture
from .luggage import Hold
from .prechecks import Surroundings
from .session import Session
from .storage import Pools
from .target_xml import Changes, Plug

NOT_OURS = ("cluster", "folder", "pool")
AWAKE = (PowerState.RUNNING, PowerState.PAUSED)


@dataclass(frozen=True, kw_only=True)
class LibvirtMove(Move):
    """A move to `target`; the files at `shared` have to prove that both hosts mean the same ones."""

    departure: LibvirtDeparture
    target: Session = field(repr=False, compare=False)
    changes: Changes = field(default_factory=Changes)
    shared: tuple[str, ...] = ()

    @property
    def stays(self) -> bool:
        """Whether it stays on its host, and only its storage changes."""
        return self.target is self.departure.session


class Arrivals:
    """Moves to one host, each in the room that those before it leave."""

    def __init__(self, session: Session, sources: Sequence[Session]) -> None:
        self._session, self._sources = session, sources
        self._here = Surroundings(session)
        self._hold = Hold(session, Pools(session))

    def receive(self, departure: LibvirtDeparture, spec: MoveSpec) -> LibvirtMove | CrossvirtError:
        """Work out one move, or return every reason why it cannot be."""
        try:
            with self._session.translated(f"working out the move of {departure.vm.name}"):
                return self._worked_out(departure, spec)
        except CrossvirtError as error:
            return error

    def _worked_out(self, departure: LibvirtDeparture, spec: MoveSpec) -> LibvirtMove:
        stays = departure.session is self._session
        reasons = [*refused_words(departure, spec)]
        kept, copies, shared, more = self._hold.stow(departure, spec, stays=stays)
        if stays and kept and not reasons and not more and spec.name in (None, departure.vm.name):
            return self._already_there(departure, spec)
        reasons += [*departure.reasons, *more]
        changes = Changes(copies=tuple(copies), name=spec.name if spec.name != departure.vm.name else None)
        if not stays:
            changes, more = self._other_host(departure, spec, changes)
            reasons += more
        if reasons:
            raise all_of(reasons)
        self._here.names[spec.name or departure.vm.name] = departure.vm.uuid
        return LibvirtMove(
            spec=spec,
            departure=departure,
            target=self._session,
            changes=changes,
            shared=tuple(shared),
            after=self._after(departure, changes),
            mode="live" if departure.running else "cold",
            copied=tuple(
                NamedVolume(storage=copy.pool, volume=copy.name, size_bytes=copy.source.capacity)
                for copy in changes.copies
            ),
        )

    def _already_there(self, departure: LibvirtDeparture, spec: MoveSpec) -> LibvirtMove:
        return LibvirtMove(spec=spec, departure=departure, target=self._session, after={}, needed=False)

    def _other_host(
        self, departure: LibvirtDeparture, spec: MoveSpec, changes: Changes
    ) -> tuple[Changes, list[CrossvirtError]]:
        here, vm, host = self._here, departure.vm, self._session.host
        reasons: list[CrossvirtError] = []
        name = spec.name or vm.name
        if vm.uuid in here.domains:
            reasons.append(
                AlreadyExists(f"{host} has a VM with the uuid {vm.uuid} of {vm.name}: {here.domains[vm.uuid].name()}")
            )
        elif name in here.names:
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


def refused_words(departure: LibvirtDeparture, spec: MoveSpec) -> list[CrossvirtError]:
    """Return what of the task libvirt does not know, or what does not go with the VM as it is."""
    vm = departure.vm
    reasons: list[CrossvirtError] = [
        Unsupported(f"target.{key}: libvirt knows no {key} for VMs") for key in NOT_OURS if getattr(spec, key)
    ]
    networks = {nic.network for nic in vm.nics or ()}
    reasons += [
        InvalidOption(f"target.network_map: no NIC of {vm.name} is in {old!r}")
        for old in spec.network_map
        if old not in networks
    ]
    if vm.state is PowerState.UNKNOWN:
        reasons.append(InvalidState(f"the state of {vm.name} on {vm.host} is unknown ({vm.state_reason})"))
    elif spec.mode == "live" and not departure.running:
        reasons.append(
            InvalidState(f"{vm.name} is {vm.state.value}, and mode live moves only one that runs or is paused")
        )
    elif spec.mode == "cold" and departure.running:
        reasons.append(InvalidState(f"{vm.name} is {vm.state.value}, and mode cold moves only one that is off"))
    return reasons
