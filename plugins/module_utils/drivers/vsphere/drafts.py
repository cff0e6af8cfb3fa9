# SPDX-License-Identifier: GPL-3.0-or-later
"""Creations worked out against what an endpoint has: every default settled, every refusal found, nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from ...errors import CrossvirtError, Unsupported
from ...model import CloneSpec, Draft, NicSpec, VmSpec, Volume
from ...support.making import refuse_size
from .copies import Copy, Sources
from .estate import Estate, Place
from .files import Image, Search, look, split
from .hardware import KIB, NewDisk, NewNic, bus_of, model_of, slots
from .label_writing import Definitions, Labels
from .ledger import Ledger
from .placing import choose
from .refusals import refuse, refuse_new, refuse_thick_copy
from .session import Session
from .tasks import Tasks

T = TypeVar("T")
NO_IMAGE = Image(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class VsphereDraft(Draft):
    """A draft with what vSphere needs to carry it out."""

    place: Place
    storage: str
    disks: tuple[NewDisk, ...] = ()
    nics: tuple[NewNic, ...] | None = None
    labels: Labels | None = None
    copy: Copy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A creation of which the places are known: the datastores of the VM's own files and of each disk, the images."""

    spec: VmSpec
    clone: CloneSpec | None
    place: Place
    home: str
    stores: tuple[str, ...]
    images: tuple[tuple[str, str] | None, ...] = ()  # datastore and volume
    copy: Copy | None = None


class Drafter:
    """Works out creations on one endpoint; what one of them takes, the next cannot have."""

    def __init__(self, session: Session, tasks: Tasks) -> None:
        self._session, self._tasks = session, tasks

    def draft_all(self, specs: Sequence[tuple[VmSpec, CloneSpec | None]]) -> list[Draft | CrossvirtError]:
        """Work out creations; the reason where one cannot be.

        All that there is, is read once; each datastore in question is looked into once, for all of them together.
        """
        self._estate = Estate.read(self._session)
        self._sources = Sources(self._session, self._estate, [clone for _spec, clone in specs if clone])
        self._definitions = Definitions(self._session, [spec.labels or {} for spec, _clone in specs])
        settled = [attempt(partial(self._settle, spec, clone)) for spec, clone in specs]
        searches = self._searches([one for one in settled if isinstance(one, Settled)])
        self._ledger = Ledger(self._estate, look(self._session, self._tasks, self._estate, searches))
        return [attempt(partial(self._draft, one)) if isinstance(one, Settled) else one for one in settled]

    def _settle(self, spec: VmSpec, clone: CloneSpec | None) -> Settled:
        """Settle where a VM and its disks will be."""
        refuse(spec, self._session.vim.vm.GuestOsDescriptor.GuestOsIdentifier.values)
        self._definitions.resolve(spec.labels or {})
        if clone:
            copy = self._sources.copy(spec, clone)
            return Settled(spec=spec, clone=clone, place=copy.place, home=copy.home, stores=copy.stores, copy=copy)
        refuse_new(spec)
        estate, disks = self._estate, spec.disks or ()
        place = choose(estate, host=spec.host, cluster=spec.cluster, pool=spec.pool, folder=spec.folder)
        stores = tuple(estate.datastore(place, disk.storage) for disk in disks)
        images = tuple(
            (estate.datastore(place, disk.image.storage), str(disk.image.volume)) if disk.image else None
            for disk in disks
        )
        home = stores[0] if stores else estate.datastore(place, spec.storage)
        return Settled(spec=spec, clone=None, place=place, home=home, stores=stores, images=images)

    def _searches(self, settled: Iterable[Settled]) -> list[Search]:
        """Return one search for each datastore that gets folders, and one for each folder that holds images."""
        folders: dict[str, set[str]] = {}
        images: dict[tuple[str, str], set[str]] = {}
        for one in settled:
            for datastore in {one.home, *one.stores}:
                folders.setdefault(datastore, set()).add(str(one.spec.name))
            for place in filter(None, one.images):
                folder, name = split(place[1])
                images.setdefault((place[0], folder), set()).add(name)
        return [
            *(Search(datastore, "", frozenset(names), images=False) for datastore, names in folders.items()),
            *(Search(*where, frozenset(names), images=True) for where, names in images.items()),
        ]

    def _draft(self, one: Settled) -> VsphereDraft:
        """Take folders and room, now that it is known what is there."""
        spec, name = one.spec, str(one.spec.name)
        for datastore in dict.fromkeys((one.home, *one.stores)):
            self._ledger.take_folder(datastore, name)
        names = volume_names(name, one.stores)
        disks = () if one.copy else tuple(self._disks(one, names))
        return VsphereDraft(
            spec=replace(
                spec,
                cpus=spec.cpus if one.copy else spec.cpus or 1,
                folder=self._estate.path(one.place.folder),
            ),
            host=self._estate.name(one.place.host) if one.place.host else None,
            volumes=self._copied(one, one.copy, names) if one.copy else tuple(disk.volume for disk in disks),
            clone=one.clone,
            place=one.place,
            storage=self._estate.name(one.home),
            disks=disks,
            nics=None if spec.nics is None else tuple(self._nic(one.place, nic) for nic in spec.nics),
            labels=None if spec.labels is None else self._definitions.resolve(spec.labels),
            copy=one.copy,
        )

    def _copied(self, one: Settled, copy: Copy, names: Sequence[str]) -> tuple[Volume, ...]:
        """Return the volumes of a copy, for which there is room."""
        self._ledger.take_room(one.home, copy.taken_bytes, str(one.spec.name))
        return tuple(
            Volume(storage=self._estate.name(store), volume=name, size_bytes=disk.size_bytes, image=disk.volume)
            for store, name, disk in zip(one.stores, names, copy.disks, strict=True)
        )

    def _disks(self, one: Settled, names: Sequence[str]) -> Iterator[NewDisk]:
        specs = one.spec.disks or ()
        places = slots([bus_of(disk) for disk in specs])
        for disk, store, name, slot, at in zip(specs, one.stores, names, places, one.images, strict=True):
            image = self._ledger.image(*at) if at else NO_IMAGE
            size, thick = disk.size_bytes or image.size_bytes, disk.provisioning == "thick"
            refuse_size(one.spec.name, size, image.size_bytes, KIB)
            refuse_thick_copy(disk)
            if at and store != one.home:
                raise Unsupported(
                    f"images of {one.spec.name} are copied into the folder of the VM, which is in storage"
                    f" {self._estate.name(one.home)}, that of its first disk"
                )
            self._ledger.take_room(store, size if thick else image.taken_bytes, name)
            storage = self._estate.name(store)
            yield NewDisk(
                volume=Volume(storage=storage, volume=name, size_bytes=size, image=at[1] if at else None),
                datastore=store,
                bus=bus_of(disk),
                slot=slot,
                thick=thick,
                image=f"[{self._estate.name(at[0])}] {at[1]}" if at else None,
                image_datacenter=self._estate.datacenter(at[0]) if at else None,
                image_bytes=image.size_bytes,
            )

    def _nic(self, place: Place, nic: NicSpec) -> NewNic:
        network = self._estate.network(place, str(nic.network))
        key = self._estate.row(network).get("key")
        return NewNic(
            model=model_of(nic),
            mac=nic.mac,
            network=self._estate.name(network),
            network_id=network,
            group=(str(key), self._estate.switch_uuid(network)) if key else None,
        )


def attempt(work: Callable[[], T]) -> T | CrossvirtError:
    """Return what work returns, or why it cannot be done."""
    try:
        return work()
    except CrossvirtError as error:
        return error


def volume_names(name: str, datastores: Sequence[str]) -> list[str]:
    """Return the names that vSphere gives to the disks of a new VM: numbered in each datastore."""
    counts: dict[str, int] = {}
    names = []
    for datastore in datastores:
        number = counts[datastore] = counts.get(datastore, -1) + 1
        names.append(f"{name}/{name}_{number}.vmdk" if number else f"{name}/{name}.vmdk")
    return names
