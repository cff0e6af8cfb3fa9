# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each file, disk and NIC of a VM goes; what the task leaves open stays, or goes to what has its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

from ...errors import CrossvirtError, InvalidState, NotFound, Unsupported
from ...model import Disk, MoveSpec
from . import devices
from .departures import VsphereDeparture
from .destinations import Destination
from .estate import Estate, Place
from .ledger import Ledger
from .properties import id_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a VM goes, by ids of the target: its own files, each disk, each NIC; None for a NIC that is let be.

    `changes` are those of host, pool, folder, home, disks and networks that will be others; `copied` are the disks that
    change their datastore, with the new one.
    """

    place: Place
    home: str
    stores: tuple[str, ...]
    networks: tuple[str | None, ...]
    changes: frozenset[str]
    copied: tuple[tuple[Disk, str], ...]


class Router:
    """Works out one move, and collects in `reasons` all that stands in its way.

    `place` may be known where the rest is not, and with it whether the VM leaves its folder.
    """

    def __init__(self, estate: Estate, ledger: Ledger, one: VsphereDeparture, spec: MoveSpec, *, local: bool) -> None:
        self._estate, self._ledger, self._one, self._spec, self._local = estate, ledger, one, spec, local
        self.reasons: list[CrossvirtError] = []
        self.place: Place | None = None
        self.leaves_folder = False

    def route(self) -> Route | None:
        """Return the route; None where there are reasons against it."""
        destination = Destination(self._estate, self._ledger, self._one, self._spec, local=self._local)
        self.place = place = self._try(destination.place)
        self.reasons += destination.reasons
        if place is None:
            return None
        self.leaves_folder = place.folder != (destination.folder or "")
        was, home = self._same(self._one.home), self._try(lambda: self._home(place))
        stores, networks = self._stores(place), self._networks(place)
        if home is None or stores is None or networks is None:
            return None
        before = [self._same(store) for store in self._present()]
        moved = [(disk, new) for disk, old, new in zip(self._one.disks, before, stores, strict=True) if old != new]
        changed = {
            "host": place.host != destination.host,
            "pool": place.pool != (destination.pool or ""),
            "folder": self.leaves_folder,
            "home": home != was,
            "disks": bool(moved),
            "networks": networks != self._plugged(),
        }
        self._take_room(before, stores, home if home != was else None)
        if place.host and changed["host"]:
            self._ledger.take_memory(place.host, self._one.vm.memory_bytes or 0)
        self._refuse_copies([disk for disk, _new in moved])
        return Route(
            place=place,
            home=home,
            stores=tuple(stores),
            networks=tuple(networks),
            changes=frozenset(what for what, differs in changed.items() if differs),
            copied=tuple(moved),
        )

    def _try(self, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except CrossvirtError as error:
            self.reasons.append(error)
            return None

    def _present(self) -> list[str | None]:
        """Return the datastores of the disks, by their ids at home."""
        stores = (getattr(drive.backing, "datastore", None) for drive in self._one.drives)
        return [id_of(store) if store is not None else None for store in stores]

    def _same(self, store: str | None) -> str | None:
        """Return the target's id of a datastore that is there: another vCenter knows it by its place."""
        if store is None or self._local:
            return store
        _name, url = self._one.stores.get(store, ("", ""))
        found = [one for one in self._estate.ids("Datastore") if self._estate.row(one).get("summary.url") == url]
        return found[0] if url and len(found) == 1 else None

    def _store(self, place: Place, name: str | None, here: str | None) -> str:
        """Return the datastore for what is in one of this name; `here` is the same one at the target, if it is there.

        Raises NotFound, also where nothing says where to, Ambiguous, InvalidState.
        """
        estate, spec = self._estate, self._spec
        seen = estate.seen(place, "datastore")
        wanted = spec.storage_for(name)
        if here in seen and wanted in (None, estate.name(str(here))):
            return str(here)
        try:
            return estate.datastore(place, wanted or name or "")
        except NotFound as error:
            if wanted:
                raise
            raise NotFound(
                f"{self._one.vm.name} is in storage {name}, which {place.says} does not have: give target.storage or "
                "target.storage_map"
            ) from error

    def _home(self, place: Place) -> str:
        name, _path = devices.place_of((self._one.row or {}).get("config.files.vmPathName"))
        return self._store(place, name, self._same(self._one.home))

    def _stores(self, place: Place) -> list[str] | None:
        """Return the datastore of each disk; None where one has none, with every reason noted."""
        pairs = [
            (disk.storage, self._same(store)) for disk, store in zip(self._one.disks, self._present(), strict=True)
        ]
        return self._every(partial(self._store, place, name, here) for name, here in pairs)

    def _networks(self, place: Place) -> list[str | None] | None:
        """Return the network of each NIC; None where one has none, with every reason noted."""
        nics = zip(self._one.vm.nics or (), self._plugged(), strict=True)
        return self._every(partial(self._network, place, nic.network, here) for nic, here in nics)

    def _every(self, works: Iterable[Callable[[], T]]) -> list[T] | None:
        """Do all of this; None where something failed."""
        before = len(self.reasons)
        done = [self._try(work) for work in works]
        return None if len(self.reasons) > before else cast("list[T]", done)

    def _plugged(self) -> list[str | None]:
        """Return the networks of the NICs, by their ids at the target; two vCenters share none."""
        return [self._estate.network_of(card) if self._local else None for card in self._one.cards]

    def _network(self, place: Place, name: str | None, here: str | None) -> str | None:
        """Return the network for a NIC that is in one of this name; None for one that is let be."""
        estate = self._estate
        wanted = self._spec.network_map.get(name or "")
        if here in estate.seen(place, "network") and wanted in (None, name):
            return here
        if wanted is None and (name is None or (self._local and here is None)):
            return None  # such as one of NSX, of which vSphere knows where it is
        try:
            return estate.network(place, wanted or str(name))
        except NotFound as error:
            if wanted:
                raise
            raise NotFound(
                f"{self._one.vm.name} is on network {name}, which {place.says} does not have: give target.network_map"
            ) from error

    def _take_room(self, before: list[str | None], stores: list[str], home: str | None) -> None:
        """Take the room for what is copied."""
        layout = (self._one.row or {}).get("layoutEx")
        sizes = {file.key: int(file.size or 0) for file in getattr(layout, "file", None) or ()}
        chains = {
            disk.key: [key for link in disk.chain or () for key in link.fileKey]
            for disk in getattr(layout, "disk", None) or ()
        }
        of_disks = {key for keys in chains.values() for key in keys}
        taken = [
            (new, sum(sizes.get(key, 0) for key in chains.get(drive.key, ())))
            for drive, old, new in zip(self._one.drives, before, stores, strict=True)
            if old != new
        ]
        if home:
            taken.append((home, sum(size for key, size in sizes.items() if key not in of_disks)))
        for store, size in taken:
            self._try(partial(self._ledger.take_room, store, size, self._one.vm.name))

    def _refuse_copies(self, moved: list[Disk]) -> None:
        """Refuse what the task, or vSphere, does not copy."""
        name, wanted = self._one.vm.name, self._spec.copy_storage
        if wanted == "never" and moved:
            what = ", ".join(f"{disk.volume} in storage {disk.storage}" for disk in moved)
            self.reasons.append(InvalidState(f"{name} cannot move without copying {what}, and copy_storage is never"))
        if wanted == "always" and len(moved) < len(self._one.disks):
            self.reasons.append(
                Unsupported(f"vSphere copies no disk of {name} to where it is; name another target.storage")
            )
        self.reasons += [
            Unsupported(f"{disk.volume} of {name} is shared with other VMs, and is not copied")
            for disk in moved
            if disk.shared
        ]
