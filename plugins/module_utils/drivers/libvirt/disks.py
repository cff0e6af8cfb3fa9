# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks in a VM's definition, and who else uses what they are made of; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

from ...model import Disk
from .convert import attribute

Place = Callable[[str], "tuple[str | None, str]"]
MEDIA = ("cdrom", "floppy")


@dataclass(frozen=True, slots=True)
class Sizes:
    """What libvirt's block statistics say of one disk."""

    capacity: int | None = None
    allocation: int | None = None
    physical: int | None = None

    def provisioning(self, kind: str | None) -> str | None:
        """Return thick where all space is taken: a qcow2 by the length of its file, a raw one by its blocks."""
        taken = self.physical if kind == "qcow2" else self.allocation
        if self.capacity is None or taken is None:
            return None
        return "thick" if taken >= self.capacity else "thin"


def sizes_from(statistics: Mapping[str, Any]) -> dict[str, Sizes]:
    """Return block statistics by the disk's name in the VM."""
    return {
        statistics[f"block.{n}.name"]: Sizes(
            *(statistics.get(f"block.{n}.{key}") for key in ("capacity", "allocation", "physical"))
        )
        for n in range(statistics.get("block.count", 0))
        if f"block.{n}.name" in statistics
    }


def source_of(disk: ET.Element, place: Place) -> tuple[str | None, str | None]:
    """Return storage and volume of a disk; of one in no storage its path or remote name, of an empty drive nothing."""
    source = disk.find("source")
    if source is None:
        return None, None
    if source.get("pool"):
        return source.get("pool"), source.get("volume")
    path = source.get("file") or source.get("dev")
    return place(path) if path else (None, source.get("name") or source.get("dir"))


def disks(domain: ET.Element, place: Place, sizes: Mapping[str, Sizes]) -> tuple[Disk, ...]:
    """Return the drives of a VM in their order."""
    return tuple(one_disk(disk, place, sizes) for disk in domain.iterfind("devices/disk"))


def one_disk(disk: ET.Element, place: Place, sizes: Mapping[str, Sizes]) -> Disk:
    """Return one drive."""
    storage, volume = source_of(disk, place)
    size = sizes.get(attribute(disk, "target", "dev") or "", Sizes())
    return Disk(
        volume=volume,
        storage=storage,
        size_bytes=size.capacity,
        bus=attribute(disk, "target", "bus") or "auto",
        provisioning=size.provisioning(attribute(disk, "driver", "type")),
        device=disk.get("device", "disk"),
        shared=disk.find("shareable") is not None,
        read_only=disk.find("readonly") is not None,
    )


def paths_of(domain: ET.Element, find_volume: Callable[[str, str], str | None]) -> Iterator[str]:
    """Return the paths of all that a VM's drives use and, as far as the definition says, build on."""
    for source in domain.iterfind("devices/disk//source"):
        path = source.get("file") or source.get("dev") or find_volume(source.get("pool", ""), source.get("volume", ""))
        if path:
            yield path


@dataclass(slots=True)
class Users:
    """Who uses which path on this host: VMs by their drives, volumes by what they build on."""

    backing: Mapping[str, str]
    names: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, uuid: str, name: str, paths: Iterator[str]) -> None:
        """Note what a VM uses, with all that it builds on."""
        for path in paths:
            for one in self.chain(path):
                self.names.setdefault(one, {})[uuid] = name

    def chain(self, path: str) -> Iterator[str]:
        """Return a path and what it builds on, however deep."""
        seen: set[str] = set()
        at: str | None = path
        while at and at not in seen:
            seen.add(at)
            yield at
            at = self.backing.get(at)

    def others(self, path: str, uuid: str) -> tuple[str, ...]:
        """Return the names of other VMs that use a path, and the paths of volumes of nobody that build on it."""
        vms = [name for who, name in self.names.get(path, {}).items() if who != uuid]
        volumes = [upper for upper, lower in self.backing.items() if lower == path and not self.names.get(upper)]
        return tuple(sorted({*vms, *volumes}))
