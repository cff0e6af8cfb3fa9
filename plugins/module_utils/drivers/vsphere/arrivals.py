# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves to a vCenter worked out all together: what one of them takes, the next cannot have; nothing is changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ...errors import AlreadyExists, CrossvirtError, NotFound, all_of
from ...model import Departure, Move, MoveSpec, Ref, Volume
from . import judging, obstacles, refusals
from .departures import Side, VsphereDeparture
from .estate import CLUSTER, Estate
from .ledger import Ledger
from .places import unescaped
from .properties import read_some
from .reading import VM, Reader
from .relocation import VsphereMove, backing, thumbprint_of
from .routes import Route, Router


@dataclass(slots=True)
class Arrival:
    """One VM on its way: its move as far as it is known, and all reasons against it.

    `names` are those that it will have there, each in its folder.
    """

    one: VsphereDeparture
    spec: MoveSpec
    local: bool
    move: VsphereMove | None = None
    names: list[tuple[str, str]] = field(default_factory=list)
    reasons: list[CrossvirtError] = field(default_factory=list)


class Arrivals:
    """Works out moves to one vCenter."""

    def __init__(self, side: Side, reader: Reader) -> None:
        self._side, self._reader, self._session = side, reader, side.session

    def work_out(self, arrivals: Sequence[tuple[Departure, MoveSpec]]) -> list[Move | CrossvirtError]:
        """Return the moves; for one that cannot be, every reason."""
        coming = [
            Arrival(one, spec, one.side.uuid == self._side.uuid)
            for one, spec in arrivals
            if isinstance(one, VsphereDeparture)
        ]
        self._estate = Estate.read(self._session)
        self._ledger = Ledger(self._estate, {})
        for arrival in coming:
            self._settle(arrival)
        self._refuse_names(coming)
        self._refuse_uuids([arrival for arrival in coming if not arrival.local])
        self._ask([arrival for arrival in coming if arrival.move and arrival.move.needed])
        return [all_of(arrival.reasons) if arrival.reasons or not arrival.move else arrival.move for arrival in coming]

    def _settle(self, arrival: Arrival) -> None:
        """Find the route of one VM, and what stands in its way there."""
        one, spec = arrival.one, arrival.spec
        if one.row is None:
            arrival.reasons.append(NotFound(f"{one.vm.name} is gone"))
            return
        arrival.reasons += obstacles.in_maps(one, spec)
        router = Router(self._estate, self._ledger, one, spec, local=arrival.local)
        route = router.route()
        if router.place and router.place.folder:
            old = [one.vm.name] if router.leaves_folder else []
            new = [spec.name] if spec.name not in (None, one.vm.name) else []
            arrival.names = [(router.place.folder, str(name)) for name in (*old, *new)]
        against = [*router.reasons, *obstacles.in_words(one, spec)]
        against += obstacles.in_encryption(one, spec, copies=bool(route and route.copied))
        try:
            if spec.name:
                refusals.refuse_name(spec.name)
            thumbprint = None if arrival.local else self._thumbprint
        except CrossvirtError as error:
            route, against = None, [*against, error]
        if route is None:
            arrival.reasons += against
            return
        arrival.move = self._move(arrival, route, thumbprint)
        if not arrival.move.needed:
            return
        arrival.reasons += against
        if "host" in route.changes:
            arrival.reasons += obstacles.in_devices(one, self._estate, route.place, local=arrival.local)
            arrival.reasons += obstacles.too_big(one, self._estate, route.place)

    @cached_property
    def _thumbprint(self) -> str:
        """By which another vCenter knows this one."""
        return thumbprint_of(self._session)

    def _move(self, arrival: Arrival, route: Route, thumbprint: str | None) -> VsphereMove:
        one, estate, vim = arrival.one, self._estate, self._session.vim
        plugged = [estate.network_of(card) if arrival.local else None for card in one.cards]
        return VsphereMove(
            spec=arrival.spec,
            after=self._after(arrival, route),
            mode="live" if obstacles.is_live(one) else "cold",
            copied=tuple(
                Volume(storage=estate.name(store), volume=str(disk.volume), size_bytes=disk.size_bytes)
                for disk, store in route.copied
            ),
            needed=bool(route.changes) or arrival.spec.name not in (None, one.vm.name),
            unforeseen=() if route.place.host else ("host",),
            one=one,
            target=self._side,
            route=route,
            plugs=tuple(
                None if new in (None, old) else backing(vim, estate, str(new))
                for old, new in zip(plugged, route.networks, strict=True)
            ),
            thumbprint=thumbprint,
        )

    def _after(self, arrival: Arrival, route: Route) -> dict[str, Any]:
        """Return what will be read then: what the task is about, and what else changes."""
        one, spec, estate, place = arrival.one, arrival.spec, self._estate, route.place
        vm, changes = one.vm, route.changes
        cluster = estate.name(place.compute) if estate.kind(place.compute) == CLUSTER else None
        pools = {thing: path for path, thing in estate.pools(place.compute).items()}
        after: dict[str, Any] = {"name": spec.name or vm.name}
        if place.host:
            after["host"] = estate.name(place.host)
        if spec.cluster or cluster != vm.cluster:
            after["cluster"] = cluster
        if (spec.pool or "pool" in changes) and not vm.template:
            after["pool"] = pools.get(place.pool)
        if spec.folder or "folder" in changes:
            after["folder"] = estate.path(place.folder)
        if spec.storage or spec.storage_map or "disks" in changes:
            pairs = zip(one.disks, route.stores, strict=True)
            after["storage"] = [estate.name(store) for disk, store in pairs if disk.device == "disk"]
        if spec.network_map or "networks" in changes:
            pairs_of_nics = zip(vm.nics or (), route.networks, strict=True)
            after["networks"] = [estate.name(thing) if thing else nic.network for nic, thing in pairs_of_nics]
        return after

    def _refuse_names(self, coming: Sequence[Arrival]) -> None:
        """Refuse names that are taken in the folders that VMs come to; whatever is renamed comes with its old name."""
        taken = self._names_in({folder for arrival in coming for folder, _name in arrival.names})
        for arrival in coming:
            for folder, name in arrival.names:
                if (folder, name) in taken:
                    where = f"{self._estate.path(folder)} on {self._estate.where}"
                    said = f"{where} has {name!r} already, and {arrival.one.vm.name} is not that"
                    arrival.reasons.append(AlreadyExists(said))
                taken.add((folder, name))

    def _names_in(self, folders: Collection[str]) -> set[tuple[str, str]]:
        """Return the names in folders, each with the folder, in one call."""
        paths = {VM: ("name", "parent"), "Folder": ("name", "parent")}
        rows = read_some(self._session, "Folder", folders, paths, ("childEntity",)) if folders else {}
        return {
            (row["parent"], unescaped(row.get("name", "")))
            for found in rows.values()
            for row in found.values()
            if row.get("parent") in folders
        }

    def _refuse_uuids(self, coming: Sequence[Arrival]) -> None:
        """Refuse VMs of another vCenter that are here already: by their uuid nobody could tell them apart."""
        refs = tuple(Ref("uuid", arrival.one.vm.uuid) for arrival in coming)
        here = {vm.uuid: vm for vm in self._reader.find(refs)} if refs else {}
        for arrival in coming:
            if known := here.get(arrival.one.vm.uuid):
                arrival.reasons.append(
                    AlreadyExists(f"{self._session.host} has a VM with the uuid {known.uuid} already: {known.path}")
                )

    def _ask(self, coming: Sequence[Arrival]) -> None:
        """Have vSphere judge the moves: what an account may, and whether each of them can be."""
        moves = [(arrival, arrival.move) for arrival in coming if arrival.move]
        denied = judging.lacking([move for _arrival, move in moves], self._estate) if moves else []
        for (arrival, _move), reasons in zip(moves, denied, strict=True):
            arrival.reasons += reasons
        asked = [(arrival, move) for arrival, move in moves if move.relocates]
        verdicts = judging.check([move for _arrival, move in asked])
        for (arrival, move), verdict in zip(asked, verdicts, strict=True):
            arrival.reasons += verdict.reasons
            arrival.move = replace(move, warnings=tuple(verdict.warnings))
