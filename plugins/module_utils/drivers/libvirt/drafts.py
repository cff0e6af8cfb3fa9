# SPDX-License-Identifier: GPL-3.0-or-later
"""Creations worked out against what a host has: every default settled, every refusal found, nothing changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from xml.etree import ElementTree as ET

from ...errors import AlreadyExists, CapacityExceeded, InvalidOption, InvalidState, NotFound, Unsupported
from ...model import CloneSpec, DiskSpec, Draft, ImageSpec, Network, NicSpec, VmSpec, Volume
from ...support.images import ImageFile, inspect, verify
from ...support.making import refuse_size
from . import convert
from .definition import LARGEST, Machine, machine_from, machine_with, own_disks
from .disks import source_of
from .session import NO_SUPPORT, Session
from .storage import Pool, Pools, listed

MIB = 1024 * 1024
SECTOR = 512
UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # no XML can hold these
PLACES_UNKNOWN = ("cluster", "folder", "pool")
LONGEST_NAME = 240  # a file name has 255 bytes, and libvirt appends .qcow2, .xml and the like


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One volume to make, and what it begins with: nothing, a copy, an overlay on a path and format, or a file."""

    volume: Volume
    bus: str = "virtio"
    thick: bool = False
    copy: str | None = None
    overlay: tuple[str, str] | None = None
    file: ImageFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LibvirtDraft(Draft):
    """A draft with what libvirt needs to carry it out; `source` is the definition of the VM to copy."""

    machine: Machine
    contents: tuple[Content, ...] = ()
    source: str | None = None


class Drafter:
    """Works out creations on one host; what one of them takes, the next cannot have."""

    def __init__(self, session: Session, networks: Callable[[], Iterable[Network]]) -> None:
        self._session = session
        self._pools = Pools(session)
        self._list_networks = networks
        self._names: set[tuple[str, str]] = set()
        self._room: dict[str, int] = {}
        self._verified: set[tuple[str, str]] = set()

    def draft(self, spec: VmSpec, clone: CloneSpec | None) -> LibvirtDraft:
        """Work out one creation; raises one of our errors where it cannot be."""
        refuse_words(spec)
        return self._copy(spec, clone) if clone else self._new(spec)

    def _new(self, spec: VmSpec) -> LibvirtDraft:
        if spec.memory_bytes is None:
            raise InvalidOption(f"memory_bytes is needed for {spec.name}, a new VM")
        machine = self._machine(spec)
        contents = tuple(self._content(spec, n, disk) for n, disk in enumerate(in_groups(spec.disks or ())))
        settled = replace(spec, cpus=spec.cpus or 1, nics=tuple(map(self._nic, spec.nics or ())))
        return self._drafted(settled, machine, contents)

    def _drafted(self, spec: VmSpec, machine: Machine, contents: tuple[Content, ...], **more: Any) -> LibvirtDraft:
        volumes = tuple(content.volume for content in contents)
        host = self._session.host
        return LibvirtDraft(spec=spec, host=host, volumes=volumes, machine=machine, contents=contents, **more)

    @cached_property
    def _offered(self) -> Machine:
        with self._session.translated("asking what the host offers"):
            return machine_from(self._session.conn.getCapabilities())

    @cached_property
    def _known_machine(self) -> Machine:
        lib, machine = self._session.libvirt, self._offered
        with self._session.translated("asking what VMs the host offers"):
            try:
                ask = self._session.conn.getDomainCapabilities
                return machine_with(machine, ask(None, machine.arch, machine.hardware, machine.kind, 0))
            except lib.libvirtError as error:
                if error.get_error_code() != NO_SUPPORT:
                    raise
                return machine

    def _machine(self, spec: VmSpec) -> Machine:
        machine = self._known_machine
        if spec.secure_boot and spec.firmware != "uefi":
            raise InvalidOption(f"secure_boot of {spec.name} needs firmware uefi")
        if spec.firmware == "uefi" and not machine.uefi:
            raise Unsupported(f"{self._session.host} has no uefi firmware for VMs")
        if spec.secure_boot and not machine.secure_boot:
            raise Unsupported(f"{self._session.host} has no uefi firmware with secure boot")
        return machine

    def _nic(self, nic: NicSpec) -> NicSpec:
        machine = self._offered
        if nic.network is None:
            raise InvalidOption("nics: network is needed")
        if nic.network not in self._networks:
            raise NotFound(
                f"there is no network {nic.network!r} on {self._session.host}; there are {listed(self._networks)}"
            )
        if not self._networks[nic.network]:
            raise InvalidState(f"network {nic.network} on {self._session.host} is not active")
        if nic.model in (None, "auto"):
            return replace(nic, model=machine.nic)
        if machine.nic is None:
            raise Unsupported(f"NICs of VMs on {self._session.host} are of one model, so {nic.model} cannot be chosen")
        return nic

    @cached_property
    def _networks(self) -> dict[str, bool]:
        return {network.name: network.active for network in self._list_networks()}

    def _content(self, spec: VmSpec, number: int, disk: DiskSpec) -> Content:
        """Work out one disk of a new VM."""
        machine = self._offered
        if disk.bus not in (None, "auto") and machine.bus == "xen":
            raise Unsupported(f"disks of VMs on {self._session.host} are on one bus, so {disk.bus} cannot be chosen")
        pool = self._pools.choose(disk.storage)
        source = self._image(disk.image) if disk.image else {}
        image_bytes = source.pop("size_bytes", 0)
        size = disk.size_bytes or image_bytes
        refuse_size(spec.name, size, image_bytes, SECTOR)
        refuse_thick_copy(disk)
        if self._session.kind == "TEST" and (
            disk.provisioning == "thick" or "file" in source or size > image_bytes > 0
        ):
            raise Unsupported("libvirt's test driver has only thin volumes, which it neither grows nor receives")
        volume = Volume(
            storage=pool.name,
            volume=volume_name(spec, number, machine),
            size_bytes=size,
            image=source.pop("name", None),
        )
        thick = disk.provisioning == "thick"
        self._take(pool, volume, size if thick else source.pop("taken", 0))
        bus = machine.bus if disk.bus in (None, "auto") else str(disk.bus)
        return Content(volume=volume, bus=bus, thick=thick, copy=source.get("copy"), file=source.get("file"))

    def _image(self, image: ImageSpec) -> dict[str, Any]:
        """Look at an image: its virtual size, how much room its content takes, and where it is."""
        if image.file:
            if image.checksum and (image.file, image.checksum) not in self._verified:
                verify(image.file, image.checksum)
                self._verified.add((image.file, image.checksum))
            file = inspect(image.file)
            room = file.file_bytes * (1 if file.format == self._offered.disk_format else 2)  # converted over there
            return {"file": file, "name": image.file, "size_bytes": file.size_bytes, "taken": room}
        pool = self._pools.choose(image.storage)
        volume = self._pools.volume(pool, str(image.volume))
        if volume is None:
            raise NotFound(f"there is no volume {image.volume!r} in storage {pool.name} on {self._session.host}")
        with self._session.translated(f"reading volume {image.volume}"):
            _kind, size, allocation = volume.info()
            return {"copy": volume.path(), "name": image.volume, "size_bytes": size, "taken": allocation}

    def _take(self, pool: Pool, volume: Volume, room: int) -> None:
        """Take a name and room in a pool; raises AlreadyExists, CapacityExceeded."""
        place = (pool.name, volume.volume)
        if place in self._names:
            raise AlreadyExists(f"two VMs of this task would have the volume {volume.volume} in storage {pool.name}")
        if self._pools.volume(pool, volume.volume) is not None:
            raise AlreadyExists(
                f"there is a volume {volume.volume} in storage {pool.name} on {self._session.host} already;"
                " nothing is overwritten"
            )
        self._names.add(place)
        left = self._room.get(pool.name, pool.storage.free_bytes) - room
        if left < 0:
            raise CapacityExceeded(
                f"storage {pool.name} on {self._session.host} lacks {-left} bytes for {volume.volume}"
            )
        self._room[pool.name] = left

    def _copy(self, spec: VmSpec, clone: CloneSpec) -> LibvirtDraft:
        """Work out a copy of a VM of this host."""
        with self._session.translated(f"looking up {clone.source_id}"):
            domain = self._session.conn.lookupByUUIDString(clone.source_id)
            inactive = self._session.libvirt.VIR_DOMAIN_XML_INACTIVE | self._session.libvirt.VIR_DOMAIN_XML_SECURE
            name, source = domain.name(), domain.XMLDesc(inactive)
            stopped = not domain.isActive() and not domain.hasManagedSaveImage()
        if clone.snapshot:
            raise Unsupported(
                f"libvirt cannot copy from an internal snapshot, so not from {clone.snapshot!r} of {name}"
            )
        if not stopped:
            raise InvalidState(f"{name} is not stopped, and libvirt copies only what is off")
        root = ET.fromstring(source)
        self._refuse_source(name, spec, root)
        contents = tuple(self._copied(spec, clone, number, disk, name) for number, disk in enumerate(own_disks(root)))
        nics = None if spec.nics is None else tuple(map(self._nic, spec.nics))
        return self._drafted(replace(spec, nics=nics), self._offered, contents, clone=clone, source=source)

    def _refuse_source(self, name: str, spec: VmSpec, root: ET.Element) -> None:
        """Refuse what a copy through libvirt cannot take along or change."""
        config = convert.config(root)
        if config.firmware == "uefi":
            raise Unsupported(
                f"{name} keeps its firmware's settings in a file that libvirt does not hand out, so it is not copied;"
                " a new VM with its volumes as images can be made"
            )
        for key in ("firmware", "secure_boot"):
            if getattr(spec, key) not in (None, getattr(config, key)):
                raise Unsupported(f"{key} of a copy is that of {name}, {getattr(config, key)}")

    def _copied(self, spec: VmSpec, clone: CloneSpec, number: int, disk: ET.Element, name: str) -> Content:
        storage, file = source_of(disk, self._pools.place)
        there = self._pools.named(storage) if storage else None
        volume = self._pools.volume(there, str(file)) if there and there.storage.active else None
        if there is None or volume is None:
            raise Unsupported(f"disk {file} of {name} is in no active storage of {self._session.host}")
        if clone.linked and self._offered.disk_format == "raw":
            raise Unsupported(f"disks of VMs on {self._session.host} are raw, and no linked clone can build on others")
        if clone.linked and disk.find("readonly") is None:
            raise Unsupported(
                f"disk {file} of {name} is writable: starting {name} would destroy its linked clones."
                " Make its disks read-only in its definition, or use mode full"
            )
        pool = self._pools.choose(spec.storage or there.name)
        with self._session.translated(f"reading volume {file}"):
            path, (_kind, size, allocation) = str(volume.path()), volume.info()
        made = Volume(storage=pool.name, volume=volume_name(spec, number, self._offered), size_bytes=size, image=file)
        self._take(pool, made, 0 if clone.linked else allocation)
        below = (path, convert.attribute(disk, "driver", "type") or "raw")
        return Content(volume=made, copy=path, overlay=below if clone.linked else None)


def refuse_words(spec: VmSpec) -> None:
    """Refuse words that libvirt has no place for, and texts that no XML can hold."""
    for key in PLACES_UNKNOWN:
        if getattr(spec, key):
            raise Unsupported(f"libvirt has no {key} for VMs")
    if spec.memory_bytes is not None and spec.memory_bytes % MIB:
        raise InvalidOption(f"memory_bytes of {spec.name} must be whole MiB; {spec.memory_bytes} is not")
    labels = [text for key, values in (spec.labels or {}).items() for text in (key, *values)]
    for text in (str(spec.name), spec.notes or "", spec.guest_os or "", *labels):
        if UNFIT.search(text):
            raise InvalidOption(f"libvirt cannot keep the control characters in {text!r}")
    if set("/\n") & set(str(spec.name)) or not str(spec.name).strip(". "):
        raise InvalidOption(f"libvirt cannot name a VM {spec.name!r}")
    if len(str(spec.name).encode()) > LONGEST_NAME:
        raise InvalidOption(f"libvirt names files after VMs: {spec.name!r} is longer than {LONGEST_NAME} bytes")


def refuse_thick_copy(disk: DiskSpec) -> None:
    """Refuse to take all the space of a copy at once."""
    if disk.provisioning == "thick" and disk.image:
        raise Unsupported("libvirt cannot take all the space of a copy at once: thick is for disks that begin empty")


def in_groups(disks: tuple[DiskSpec, ...]) -> tuple[DiskSpec, ...]:
    """Return the disks; raises InvalidOption where libvirt would change their order: it sorts them by bus."""
    buses = ["virtio" if disk.bus in (None, "auto") else str(disk.bus) for disk in disks]
    if any(bus != buses[n - 1] and bus in buses[: n - 1] for n, bus in enumerate(buses) if n):
        raise InvalidOption("libvirt keeps disks of one bus together; list them so")
    if len(disks) > LARGEST:
        raise InvalidOption(f"there is room for {LARGEST} disks")
    return disks


def volume_name(spec: VmSpec, number: int, machine: Machine) -> str:
    """Return the name of a VM's volume."""
    return f"{spec.name}-{number}.{machine.disk_format}" if number else f"{spec.name}.{machine.disk_format}"
