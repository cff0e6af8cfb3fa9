# SPDX-License-Identifier: GPL-3.0-or-later
"""Creations worked out against what an endpoint has: every default settled, every refusal found, nothing changed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from ...errors import AlreadyExists, CapacityExceeded, CrossvirtError, InvalidOption, Unsupported
from ...model import CloneSpec, DiskSpec, Draft, NicSpec, VmSpec, Volume
from .copies import Copy, Sources
from .estate import Estate, Place, listed
from .files import Image, Search, image_from, look, split
from .hardware import KIB, MIB, NICS, NewDisk, NewNic, bus_of, check_mac, model_of, slots
from .label_writing import Definitions, Labels
from .placing import choose
from .session import Session
from .tasks import Tasks

LONGEST_NAME = 80  # VirtualMachine.name
MEMORY_STEP = 4 * MIB  # VirtualMachineConfigSpec.memoryMB
UNFIT = re.compile(r"[\x00-\x1f\x7f/\\%]")


@dataclass(frozen=True, slots=True, kw_only=True)
class VsphereDraft(Draft):
    """A draft with what vSphere needs to carry it out; `storage` is the datastore of the VM's own files."""

    place: Place
    storage: str
    disks: tuple[NewDisk, ...] = ()
    nics: tuple[NewNic, ...] | None = None
    labels: Labels | None = None
    copy: Copy | None = None


@dataclass(slots=True)
class Request:
    """One creation on its way to a draft."""

    spec: VmSpec
    clone: CloneSpec | None
    place: Place | None = None
    home: str = ""
    stores: tuple[str, ...] = ()  # the datastore of each disk
    images: tuple[tuple[str, str] | None, ...] = ()  # datastore and volume of each disk's image
    copy: Copy | None = None
    outcome: VsphereDraft | CrossvirtError | None = None


@dataclass(slots=True)
class Ledger:
    """What is taken: folders of datastores, and room in them."""

    folders: dict[tuple[str, str], str] = field(default_factory=dict)
    room: dict[str, int] = field(default_factory=dict)


class Drafter:
    """Works out creations on one endpoint; what one of them takes, the next cannot have."""

    def __init__(self, session: Session, tasks: Tasks) -> None:
        self._session, self._tasks = session, tasks
        self._ledger = Ledger()

    def draft_all(self, specs: Sequence[tuple[VmSpec, CloneSpec | None]]) -> list[Draft | CrossvirtError]:
        """Work out creations; the reason where one cannot be.

        All that there is, is read once; each datastore in question is looked into once, for all of them together.
        """
        self._estate = Estate(self._session)
        self._sources = Sources(self._session, self._estate, [clone for _spec, clone in specs if clone])
        self._definitions = Definitions(self._session, [spec.labels or {} for spec, _clone in specs])
        requests = [Request(spec, clone) for spec, clone in specs]
        for request in requests:
            self._attempt(request, self._settle)
        open_still = [request for request in requests if not request.outcome]
        self._found = look(self._session, self._tasks, self._estate, self._searches(open_still))
        for request in open_still:
            self._attempt(request, self._finish)
        return [request.outcome for request in requests if request.outcome]

    def _attempt(self, request: Request, work: Any) -> None:
        try:
            work(request)
        except CrossvirtError as error:
            request.outcome = error

    def _settle(self, request: Request) -> None:
        """Settle where a VM and its disks will be."""
        spec = request.spec
        refuse_words(spec, self._session.host)
        refuse_guest_os(spec, self._session.vim.vm.GuestOsDescriptor.GuestOsIdentifier.values)
        copy = request.copy = self._sources.copy(spec, request.clone) if request.clone else None
        if copy is None and spec.memory_bytes is None:
            raise InvalidOption(f"memory_bytes is needed for {spec.name}, a new VM")
        place = request.place = (
            copy.place
            if copy
            else choose(self._estate, host=spec.host, cluster=spec.cluster, pool=spec.pool, folder=spec.folder)
        )
        self._definitions.resolve(spec.labels or {})
        if copy:
            request.home, request.stores = copy.home, copy.stores
            return
        slots([bus_of(disk) for disk in spec.disks or ()])
        request.stores = tuple(self._estate.datastore(place, disk.storage) for disk in spec.disks or ())
        request.home = (request.stores or (self._estate.datastore(place, spec.storage),))[0]
        request.images = tuple(self._image_place(request, disk) for disk in spec.disks or ())

    def _image_place(self, request: Request, disk: DiskSpec) -> tuple[str, str] | None:
        if not disk.image:
            return None
        if disk.image.file:
            raise Unsupported(
                "a file is not sent to vSphere: what a datastore takes over HTTP is a file and not yet a disk that VMs"
                " can use. Put the image into a datastore once, and name it by storage and volume"
            )
        assert request.place  # noqa: S101 - settled before
        return self._estate.datastore(request.place, disk.image.storage), str(disk.image.volume)

    def _searches(self, requests: Iterable[Request]) -> list[Search]:
        """Return one search for each datastore that gets folders, and one for each folder that holds images."""
        folders: dict[str, set[str]] = {}
        images: dict[tuple[str, str], set[str]] = {}
        for request in requests:
            for datastore in {request.home, *request.stores}:
                folders.setdefault(datastore, set()).add(str(request.spec.name))
            for place in filter(None, request.images):
                folder, name = split(place[1])
                images.setdefault((place[0], folder), set()).add(name)
        return [
            *(Search(datastore, "", frozenset(names), images=False) for datastore, names in folders.items()),
            *(Search(*where, frozenset(names), images=True) for where, names in images.items()),
        ]

    def _finish(self, request: Request) -> None:
        """Take folders and room, now that it is known what is there."""
        spec, place, copy = request.spec, request.place, request.copy
        assert place  # noqa: S101 - settled before
        for datastore in dict.fromkeys((request.home, *request.stores)):
            self._take_folder(datastore, str(spec.name))
        nics = None if spec.nics is None else tuple(self._nic(place, nic) for nic in spec.nics)
        if len(nics or ()) > NICS:
            raise CapacityExceeded(f"a VM of vSphere has {NICS} NICs at most, not {len(nics or ())}")
        names = volume_names(str(spec.name), request.stores)
        if copy:
            disks: tuple[NewDisk, ...] = ()
            volumes = tuple(
                Volume(storage=self._estate.name(store), volume=name, size_bytes=disk.size_bytes, image=disk.volume)
                for store, name, disk in zip(request.stores, names, copy.disks, strict=True)
            )
            self._take_room(request.home, copy.taken_bytes, str(spec.name))
        else:
            disks = tuple(self._disks(request, names))
            volumes = tuple(disk.volume for disk in disks)
            spec = replace(spec, cpus=spec.cpus or 1)
        request.outcome = VsphereDraft(
            spec=spec,
            host=self._estate.name(place.host) if place.host else None,
            volumes=volumes,
            clone=request.clone,
            place=place,
            storage=self._estate.name(request.home),
            disks=disks,
            nics=nics,
            labels=None if spec.labels is None else self._definitions.resolve(spec.labels),
            copy=copy,
        )

    def _disks(self, request: Request, names: Sequence[str]) -> Iterable[NewDisk]:
        specs = request.spec.disks or ()
        places = slots([bus_of(disk) for disk in specs])
        for number, disk in enumerate(specs):
            store, place = request.stores[number], request.images[number]
            image = self._image(place) if place else None
            size = disk.size_bytes or (image.size_bytes if image else 0)
            refuse_size(request.spec, disk, size, image.size_bytes if image else 0)
            if image and store != request.home:
                raise Unsupported(
                    f"images of {request.spec.name} are copied into the folder of the VM, which is in storage"
                    f" {self._estate.name(request.home)}, that of its first disk"
                )
            self._take_room(
                store, size if disk.provisioning == "thick" else image.taken_bytes if image else 0, names[number]
            )
            yield NewDisk(
                volume=Volume(
                    storage=self._estate.name(store),
                    volume=names[number],
                    size_bytes=size,
                    image=place[1] if place else None,
                ),
                datastore=store,
                bus=bus_of(disk),
                slot=places[number],
                thick=disk.provisioning == "thick",
                image=f"[{self._estate.name(place[0])}] {place[1]}" if place else None,
                image_datacenter=self._estate.datacenter(place[0]) if place else None,
                image_bytes=image.size_bytes if image else 0,
            )

    def _image(self, place: tuple[str, str]) -> Image:
        datastore, volume = place
        folder, name = split(volume)
        called = f"{volume!r} in storage {self._estate.name(datastore)} on {self._session.host}"
        search = next(one for one in self._found if one.images and (one.datastore, one.folder) == (datastore, folder))
        return image_from(self._found[search], name, called)

    def _nic(self, place: Place, nic: NicSpec) -> NewNic:
        if nic.network is None:
            raise InvalidOption("nics: network is needed")
        check_mac(nic)
        network = self._estate.network(place, nic.network)
        key = self._estate.row(network).get("key")
        return NewNic(
            model=model_of(nic),
            mac=nic.mac,
            network=nic.network,
            network_id=network,
            group=(str(key), self._estate.switch_uuid(network)) if key else None,
        )

    def _take_folder(self, datastore: str, name: str) -> None:
        """Take the folder that vSphere will make; raises AlreadyExists."""
        storage = self._estate.name(datastore)
        search = next(one for one in self._found if not one.images and one.datastore == datastore)
        if any(name.lower() == there.lower() for there in self._found[search]):
            raise AlreadyExists(f"there is a folder {name} in storage {storage} already; nothing is added to it")
        if (datastore, name.lower()) in self._ledger.folders:
            raise AlreadyExists(f"two VMs of this task would have the folder {name} in storage {storage}")
        self._ledger.folders[datastore, name.lower()] = name

    def _take_room(self, datastore: str, room: int, what: str) -> None:
        """Take room in a datastore; raises CapacityExceeded."""
        free = int(self._estate.row(datastore).get("summary.freeSpace") or 0)
        left = self._ledger.room.get(datastore, free) - room
        if left < 0:
            raise CapacityExceeded(f"storage {self._estate.name(datastore)} lacks {-left} bytes for {what}")
        self._ledger.room[datastore] = left


def refuse_words(spec: VmSpec, where: str) -> None:
    """Refuse sizes and names that vSphere does not take."""
    if spec.memory_bytes is not None and spec.memory_bytes % MEMORY_STEP:
        raise InvalidOption(f"memory_bytes of {spec.name} must be a multiple of 4 MiB; {spec.memory_bytes} is not")
    name = str(spec.name)
    if UNFIT.search(name) or name.strip(" .") != name or not name:
        raise InvalidOption(f"{where} names folders after VMs, and {name!r} cannot name one")
    if len(name) > LONGEST_NAME:
        raise InvalidOption(f"{name!r} is longer than the {LONGEST_NAME} characters that vSphere allows")
    if spec.secure_boot and spec.firmware != "uefi":
        raise InvalidOption(f"secure_boot of {name} needs firmware uefi")


def refuse_guest_os(spec: VmSpec, known: Collection[str]) -> None:
    """Refuse an id that vSphere has never had; one that only this host does not know, it refuses itself."""
    if spec.guest_os is not None and spec.guest_os not in known:
        near = listed(get_close_matches(spec.guest_os, known))
        raise InvalidOption(f"guest_os: {spec.guest_os!r} is no id of vSphere's that pyvmomi knows; similar is {near}")


def refuse_size(spec: VmSpec, disk: DiskSpec, size: int, image_bytes: int) -> None:
    """Refuse a disk without a size, or of one that cannot be."""
    if not size:
        raise InvalidOption(f"a disk of {spec.name} has neither size_bytes nor image")
    if size < image_bytes:
        raise InvalidOption(f"size_bytes {size} of a disk of {spec.name} is less than the {image_bytes} of its image")
    if size % KIB:
        raise InvalidOption(f"size_bytes {size} of a disk of {spec.name} is not whole KiB")
    if disk.provisioning == "thick" and disk.image:
        raise Unsupported("a copy of an image is as thin or thick as the image: thick is for disks that begin empty")


def volume_names(name: str, datastores: Sequence[str]) -> list[str]:
    """Return the names that vSphere gives to the disks of a new VM: numbered in each datastore."""
    counts: dict[str, int] = {}
    names = []
    for datastore in datastores:
        number = counts[datastore] = counts.get(datastore, -1) + 1
        names.append(f"{name}/{name}_{number}.vmdk" if number else f"{name}/{name}.vmdk")
    return names
