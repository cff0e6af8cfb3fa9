# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of a VM that moves: where each is, what it builds on, and how much room a copy of it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from .convert import attribute
from .disks import MEDIA
from .session import NO_SUPPORT, Session
from .storage import NO_VOLUME, Pools, refresh

FILE_FORMATS = ("raw", "qcow2")
DEEPEST = 200  # libvirt itself follows a chain of files no further


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A file as libvirt knows it: `modified` is when it was written last, `encrypted` whether it is LUKS."""

    pool: str
    name: str
    path: str
    format: str
    capacity: int
    allocation: int
    physical: int
    backing: str | None = None
    modified: str = ""
    encrypted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Baggage:
    """One drive: `volume` is None where no storage holds its file, `chain` is what it builds on, nearest first.

    `path` is None for an empty drive and for one that is no file or device of the host (`kind` network).
    """

    dev: str
    device: str
    kind: str
    path: str | None = None
    format: str = "raw"
    volume: Volume | None = None
    chain: tuple[Volume, ...] = ()
    read_only: bool = False
    shareable: bool = False
    cache: str | None = None

    @property
    def is_medium(self) -> bool:
        """Whether it is only put into a drive."""
        return self.device in MEDIA

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return self.path is None and self.kind != "network"

    @property
    def size_bytes(self) -> int:
        """What the guest sees."""
        return self.volume.capacity if self.volume else 0

    @property
    def needed_bytes(self) -> int:
        """Return the room that a copy may take: what the chain holds, and no more than the guest sees."""
        if not self.volume:
            return 0
        held = self.volume.allocation + sum(below.allocation for below in self.chain)
        return self.volume.capacity if self.format == "raw" else min(self.volume.capacity, held)


def baggage_of(session: Session, pools: Pools, disk: ET.Element) -> Baggage:
    """Read one drive of a definition."""
    source = disk.find("source")
    path = None
    if source is not None:
        path = source.get("file") or source.get("dev")
        if source.get("pool"):
            pool = session.conn.storagePoolLookupByName(source.get("pool"))
            path = pool.storageVolLookupByName(source.get("volume")).path()
    volume = volume_at(session, pools, path) if path else None
    chain: list[Volume] = []
    below = volume.backing if volume else None
    while below and len(chain) < DEEPEST:
        known = volume_at(session, pools, below)
        if known is None:
            break
        chain.append(known)
        below = known.backing
    return Baggage(
        dev=attribute(disk, "target", "dev") or "",
        device=disk.get("device", "disk"),
        kind=disk.get("type", "file"),
        path=path,
        format=attribute(disk, "driver", "type") or "raw",
        volume=volume,
        chain=tuple(chain),
        read_only=disk.find("readonly") is not None,
        shareable=disk.find("shareable") is not None,
        cache=attribute(disk, "driver", "cache"),
    )


def volume_at(session: Session, pools: Pools, path: str) -> Volume | None:
    """Return the volume with this path as its file is now, or None; a pool that has not seen it is read anew."""
    storage, name = pools.place(path)
    pool = pools.named(storage or "")
    if pool is None or not pool.storage.active:
        return None
    handle = looked_up(session, pool.handle, name)
    if handle is None:
        refresh(session, pool.handle)
        handle = looked_up(session, pool.handle, name)
    return read_volume(pool.name, handle) if handle else None


def looked_up(session: Session, pool: Any, name: str) -> Any:
    """Return libvirt's volume, or None."""
    try:
        return pool.storageVolLookupByName(name)
    except session.libvirt.libvirtError as error:
        if error.get_error_code() not in (NO_VOLUME, NO_SUPPORT):
            raise
        return None


def read_volume(pool: str, handle: Any) -> Volume:
    """Read what libvirt says of a volume, https://libvirt.org/formatstorage.html."""
    root = ET.fromstring(handle.XMLDesc())

    def number(tag: str) -> int:
        return int(root.findtext(tag) or 0)

    return Volume(
        pool=pool,
        name=handle.name(),
        path=handle.path(),
        format=attribute(root, "target/format", "type") or "raw",
        capacity=number("capacity"),
        allocation=number("allocation"),
        physical=number("physical") or number("allocation"),
        backing=root.findtext("backingStore/path"),
        modified=root.findtext("target/timestamps/mtime") or "",
        encrypted=root.find("target/encryption") is not None,
    )
