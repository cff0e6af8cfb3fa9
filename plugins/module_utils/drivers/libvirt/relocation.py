# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving only the disks of a VM, which stays on its host: each disk goes on from its copy once that is complete."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from ...errors import InvalidState
from .aftermath import remove
from .baggage import looked_up
from .disks import paths_of
from .job_progress import being_copied, progress_of_copies
from .move_record import MoveRecord, Place, write
from .session import Session
from .sightings import Fate
from .target_xml import Copy, at_target
from .volumes import disk_volume

if TYPE_CHECKING:
    from .moving import Moving

LOOK_SECONDS = 0.5


class Relocation:
    """New places for some disks of a VM, running or not, and for one that is off a new name."""

    def __init__(self, moving: Moving) -> None:
        self._moving, self._move = moving, moving.move
        self._lib = moving.source.libvirt
        self._begun = time.monotonic()

    def abort(self) -> None:
        """Nothing to do: the copying looks by itself whether it is to end."""

    def run(self, domain: Any, record: MoveRecord) -> None:
        """Copy all disks, and only then let the VM use the copies."""
        copies = self._move.changes.copies
        changes = replace(self._move.changes, name=None)  # which a definition cannot change
        if bool(domain.isActive()) != self._move.departure.running:
            raise InvalidState(f"{domain.name()} was started or stopped meanwhile")
        if domain.isActive():
            for copy in copies:
                self._mirror(domain, copy)
            self._wait(domain, copies)
            self._moving.check_claim(domain)
            for copy in copies:
                domain.blockJobAbort(copy.disk.dev, self._lib.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
            return
        self._moving.check_claim(domain)
        if copies:
            self._moving.source.conn.defineXML(at_target(self._move.departure.next or "", changes, record))
        if self._move.changes.name:
            domain.rename(self._move.changes.name, 0)

    def make(self, copy: Copy) -> None:
        """Make the volume of one disk; that of a VM that is off with its content, which the host copies by itself."""
        conn = self._moving.source.conn
        pool = conn.storagePoolLookupByName(copy.pool)
        if self._move.departure.running:
            pool.createXML(disk_volume(copy.name, copy), 0)
            return
        source = conn.storagePoolLookupByName(copy.source.pool).storageVolLookupByName(copy.source.name)
        pool.createXMLFrom(disk_volume(copy.name, copy), source, 0)
        size = pool.storageVolLookupByName(copy.name).info()[1]
        if size != copy.source.capacity:
            raise InvalidState(f"{copy.place} has {size} bytes and not {copy.source.capacity}")

    def melts(self, _copy: Copy) -> bool:
        """Nothing is put together in a volume of its own."""
        return False

    def _mirror(self, domain: Any, copy: Copy) -> None:
        lib, limit = self._lib, self._move.spec.bandwidth_bytes_per_second
        flags = lib.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | lib.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
        parameters = {lib.VIR_DOMAIN_BLOCK_COPY_BANDWIDTH: limit} if limit else {}
        target = ET.Element("disk", type="file")
        ET.SubElement(target, "source", file=copy.path)
        ET.SubElement(target, "driver", type=copy.format)
        domain.blockCopy(copy.disk.dev, ET.tostring(target, encoding="unicode"), parameters, flags)

    def _wait(self, domain: Any, copies: Sequence[Copy]) -> None:
        """Return when every copy follows its disk write by write."""
        while True:
            self._moving.go_on()
            jobs = [domain.blockJobInfo(copy.disk.dev, 0) or {} for copy in copies]
            if not all(jobs):
                raise InvalidState(f"the copy of a disk of {domain.name()} has ended by itself")
            if progress := progress_of_copies(jobs, time.monotonic() - self._begun):
                self._moving.heard(progress)
            if not being_copied(ET.fromstring(domain.XMLDesc())):
                return
            time.sleep(LOOK_SECONDS)

    def outcome(self) -> dict[str, Any]:
        """Return nothing: there is only one way."""
        return {}


def fate_of_disks(session: Session, record: MoveRecord) -> tuple[Fate, str]:
    """Return whether a relocation is under way; else the VM is whole where it is."""
    domain = session.conn.lookupByUUIDString(record.vm)
    return (
        (Fate.UNDER_WAY, "a disk is being copied")
        if being_copied(ET.fromstring(domain.XMLDesc()))
        else (Fate.STAYED, "")
    )


def sort_out(session: Session, record: MoveRecord) -> list[str]:
    """Remove of each pair, the old volume and the new, the one that the VM does not use; return what would not go."""
    lib = session.libvirt
    domain = session.conn.lookupByUUIDString(record.vm)
    if domain.isActive():
        for disk in ET.fromstring(domain.XMLDesc()).iterfind("devices/disk"):
            target = disk.find("target")
            if disk.find("mirror") is not None and target is not None:
                domain.blockJobAbort(target.get("dev"), 0)
    used = used_by(session, domain)
    doomed: list[Place] = []
    for pair in zip(record.made, record.old, strict=True):
        unused = [place for place in pair if path_of(session, place) not in used]
        if len(unused) == 1:  # of a pair of which nothing is used, nothing is known
            doomed += unused
    left = remove(session, doomed)
    if not left:
        write(lib, domain, None)
    return left


def used_by(session: Session, domain: Any) -> set[str]:
    """Return the files that a VM uses, now or from its next start on."""
    flags = [0] if domain.isActive() else []
    flags += [session.libvirt.VIR_DOMAIN_XML_INACTIVE] if domain.isPersistent() else []

    def find_volume(pool: str, name: str) -> str | None:
        return path_of(session, Place(pool, name)) if pool and name else None

    return {path for flag in flags for path in paths_of(ET.fromstring(domain.XMLDesc(flag)), find_volume)}


def path_of(session: Session, place: Place) -> str | None:
    """Return the path of a volume, or None for one that is gone."""
    handle = looked_up(session, session.conn.storagePoolLookupByName(place.pool), place.volume)
    return str(handle.path()) if handle else None
