# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the disks of many VMs: pools and sizes in a few calls for all of them, their users only where asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property
from typing import Any
from xml.etree import ElementTree as ET

from ...model import Disk, Part
from ...support.workers import side_by_side, start
from .convert import attribute
from .disks import Sizes, Users, disks, paths_of, sizes_from
from .session import NO_DOMAIN, Session
from .storage import Pool, Pools

STATISTICS_SECONDS = 10
AT_ONCE = 8


class DiskReader:
    """Reads the disks of these VMs as they are now."""

    def __init__(self, session: Session, domains: Sequence[Any], parts: Collection[Part]) -> None:
        self._session, self._domains, self._parts = session, domains, parts
        self._pools = Pools(session)

    def disks(self, uuid: str, definition: ET.Element) -> tuple[Disk, ...]:
        """Return one VM's disks; where statistics are silent, the size is asked of the volume."""
        kinds = [attribute(disk, "driver", "type") for disk in definition.iterfind("devices/disk")]
        read = disks(definition, self._pools.place, self._sizes.get(uuid, {}))
        found = [self._sized(disk, kind) for disk, kind in zip(read, kinds, strict=True)]
        if Part.DISK_USERS not in self._parts:
            return tuple(found)
        return tuple(replace(disk, users=self._users.others(self._path(disk), uuid)) for disk in found)

    def prepare(self) -> None:
        """Read now what all VMs share, in this thread."""
        _read = self._pools.all, self._sizes
        if Part.DISK_USERS in self._parts:
            _also = self._users

    @cached_property
    def _sizes(self) -> dict[str, dict[str, Sizes]]:
        """Sizes by VM and disk in one call; nothing where the driver cannot, or where a VM's process hangs."""
        lib = self._session.libvirt
        asked: Future[Any] = Future()
        flags = lib.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        call = self._session.conn.domainListGetStats
        start(asked, lambda: call(self._domains, lib.VIR_DOMAIN_STATS_BLOCK, flags) if self._domains else [])
        try:
            return {domain.UUIDString(): sizes_from(numbers) for domain, numbers in asked.result(STATISTICS_SECONDS)}
        except (TimeoutError, lib.libvirtError):
            return {}

    def _sized(self, disk: Disk, kind: str | None) -> Disk:
        pool = self._pools.named(disk.storage) if disk.storage and disk.size_bytes is None else None
        if pool is None or not pool.storage.active:
            return disk
        try:
            _type, capacity, allocation = pool.handle.storageVolLookupByName(str(disk.volume)).info()
        except self._session.libvirt.libvirtError:  # its file is gone
            return disk
        known = Sizes(capacity, allocation).provisioning(kind) if kind == "raw" else disk.provisioning
        return replace(disk, size_bytes=capacity, provisioning=known)

    def _path(self, disk: Disk) -> str:
        pool = self._pools.named(disk.storage) if disk.storage else None
        return f"{str(pool.target).rstrip('/')}/{disk.volume}" if pool else str(disk.volume)

    @cached_property
    def _users(self) -> Users:
        """Read the definitions of all VMs of this host, as they are and as they will be, and all its volumes."""
        volumes = [one for pool in self._pools.all if pool.storage.active for one in self._volumes_of(pool)]
        backing = side_by_side(self._backing, volumes, AT_ONCE)
        users = Users({upper: lower for upper, lower in backing if upper and lower})
        for uuid, name, definitions in side_by_side(self._definitions, self._everyone(), AT_ONCE):
            for definition in definitions:
                users.add(uuid, name, paths_of(definition, self._path_in_pool))
        return users

    def _everyone(self) -> list[Any]:
        with self._session.translated("listing VMs"):
            return list(self._session.conn.listAllDomains())

    def _volumes_of(self, pool: Pool) -> list[Any]:
        with self._session.translated(f"listing the volumes of storage {pool.name}"):
            return list(pool.handle.listAllVolumes())

    def _definitions(self, domain: Any) -> tuple[str, str, list[ET.Element]]:
        lib = self._session.libvirt
        uuid, name = domain.UUIDString(), domain.name()
        try:
            flags = [0, lib.VIR_DOMAIN_XML_INACTIVE] if domain.isActive() else [0]
            return uuid, name, [ET.fromstring(domain.XMLDesc(flag)) for flag in flags]
        except lib.libvirtError as error:
            if error.get_error_code() != NO_DOMAIN:
                raise self._session.ours(error, f"reading {name}") from error
            return uuid, name, []

    def _backing(self, volume: Any) -> tuple[str | None, str | None]:
        try:
            root = ET.fromstring(volume.XMLDesc())
        except self._session.libvirt.libvirtError:  # gone since it was listed
            return None, None
        return root.findtext("target/path"), root.findtext("backingStore/path")

    def _path_in_pool(self, storage: str, volume: str) -> str | None:
        pool = self._pools.named(storage)
        return f"{pool.target}/{volume}" if pool else None
