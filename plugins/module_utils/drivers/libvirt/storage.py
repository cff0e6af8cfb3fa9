# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's storage pools: which there are, which one is meant, which one holds a path, and volumes as XML."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from xml.etree import ElementTree as ET

from ...errors import InvalidOption, InvalidState, NotFound, Unsupported
from ...model import Storage
from .session import NO_SUPPORT, WRONG_STATE, Session

OF_FILES = ("dir", "fs", "netfs")
NO_VOLUME = 50
RUNNING = 2  # virStoragePoolState
BEING_FILLED = (1, WRONG_STATE)  # INTERNAL_ERROR: "has asynchronous jobs running"
BUSY_SECONDS = (0.2, 0.4, 0.8, 1.6)


@dataclass(frozen=True, slots=True)
class Pool:
    """One storage pool; `target` is the folder that its volumes are in."""

    storage: Storage
    target: str | None
    handle: Any = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Its name."""
        return self.storage.name


class Pools:
    """The pools of one host as they are now: read once, then answered from."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def all(self) -> list[Pool]:
        """Every pool, by name."""
        lib = self._session.libvirt
        with self._session.translated("listing storage pools"):
            try:
                handles = self._session.conn.listAllStoragePools(0)
            except lib.libvirtError as error:
                if error.get_error_code() != NO_SUPPORT:
                    raise
                handles = []
            return sorted(map(self._pool, handles), key=lambda pool: pool.name)

    def _pool(self, handle: Any) -> Pool:
        xml = ET.fromstring(handle.XMLDesc())
        state, capacity, _used, free = handle.info()
        storage = Storage(
            name=handle.name(),
            id=handle.UUIDString(),
            kind=xml.get("type", ""),
            active=state == RUNNING,
            capacity_bytes=capacity,
            free_bytes=free,
            hosts=(self._session.host,),
        )
        return Pool(storage, xml.findtext("target/path"), handle)

    def choose(self, name: str | None) -> Pool:
        """Return the pool to make disks in; without a name the one named `default`, else the only active one.

        Raises NotFound, InvalidState for one that is not active, InvalidOption where several could be meant,
        Unsupported for one that does not keep volumes in files.
        """
        named = [pool for pool in self.all if pool.name == (name or "default")]
        active = [pool for pool in self.all if pool.storage.active]
        if name and not named:
            raise NotFound(f"there is no storage {name!r} on {self._session.host}; there are {listed(self.all)}")
        if not named and len(active) != 1:
            raise InvalidOption(f"storage is needed on {self._session.host}; active are {listed(active)}")
        pool = (named or active)[0]
        if not pool.storage.active:
            raise InvalidState(f"storage {pool.name} on {self._session.host} is not active")
        if pool.storage.kind not in OF_FILES:
            raise Unsupported(
                f"storage {pool.name} is of type {pool.storage.kind}; disks are made in {listed(OF_FILES)}"
            )
        return pool

    def volume(self, pool: Pool, name: str) -> Any:
        """Return libvirt's own volume, or None where the pool knows none of that name."""
        lib = self._session.libvirt
        with self._session.translated(f"looking for volume {name} in storage {pool.name}"):
            try:
                return pool.handle.storageVolLookupByName(name)
            except lib.libvirtError as error:
                if error.get_error_code() != NO_VOLUME:
                    raise
                return None

    def named(self, name: str) -> Pool | None:
        """Return the pool of that name."""
        return next((pool for pool in self.all if pool.name == name), None)

    def place(self, path: str) -> tuple[str | None, str]:
        """Return storage and volume for a path; no storage and the path itself where no pool covers its folder."""
        folder, _slash, name = path.rpartition("/")
        pool = next((pool for pool in self.all if pool.target and pool.target.rstrip("/") == folder), None)
        return (pool.name, name) if pool else (None, path)


def refresh(session: Session, pool: Any) -> None:
    """Have libvirt read a storage anew; as long as volumes are being filled in it, libvirt refuses that."""
    for pause in (*BUSY_SECONDS, None):
        try:
            pool.refresh(0)
        except session.libvirt.libvirtError as error:
            if error.get_error_code() not in BEING_FILLED:
                raise
            if pause:
                time.sleep(pause)
        else:
            return


def listed(names: Any) -> str:
    """Return names for a message."""
    return ", ".join(getattr(one, "name", one) for one in names) or "none"


def volume_xml(
    name: str, size_bytes: int, kind: str, *, thick: bool = False, backing: tuple[str, str] | None = None
) -> str:
    """Return a volume of a format; `thick` takes all its space at once, `backing` is path and format of its base."""
    root = ET.Element("volume")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "capacity", unit="bytes").text = str(size_bytes)
    if thick or kind == "raw":  # left open, a raw one takes all its space
        ET.SubElement(root, "allocation", unit="bytes").text = str(size_bytes if thick else 0)
    target = ET.SubElement(root, "target")
    ET.SubElement(target, "format", type=kind)
    if kind == "qcow2":
        ET.SubElement(target, "compat").text = "1.1"  # libvirt's own default is the format of 2010
    if backing:
        store = ET.SubElement(root, "backingStore")
        ET.SubElement(store, "path").text = backing[0]
        ET.SubElement(store, "format", type=backing[1])
    return ET.tostring(root, encoding="unicode")
