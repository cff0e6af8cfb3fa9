# SPDX-License-Identifier: GPL-3.0-or-later
"""Forgetting a VM: what cannot stay without it, and the order in which things go."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from xml.etree import ElementTree as ET

from ...errors import CrossvirtError, InvalidState
from . import convert
from .disks import MEDIA, source_of
from .session import NO_SUPPORT, Session
from .storage import NO_VOLUME, Pool, Pools, refresh

REFUSED_HERE = (NO_SUPPORT, 84)  # a driver without snapshots, or without checkpoints


def belongings(libvirt: Any, domain: Any, definition: ET.Element) -> dict[str, tuple[str, ...]]:
    """Return what libvirt does not let stay without the VM, by the words of `remove`."""
    uefi = convert.config(definition).firmware == "uefi"  # while off, its definition need not name the file
    found = {
        "snapshots": (*names(libvirt, domain.listAllSnapshots), *names(libvirt, domain.listAllCheckpoints)),
        "saved_state": ("its memory",) if domain.hasManagedSaveImage() else (),
        "nvram": (definition.findtext("os/nvram") or "the settings of its firmware",) if uefi else (),
    }
    return {kind: what for kind, what in found.items() if what}


def names(libvirt: Any, listing: Any) -> list[str]:
    """Return the names of what a call lists; nothing where this driver has no such thing."""
    try:
        return [one.getName() for one in listing(0)]
    except libvirt.libvirtError as error:
        if error.get_error_code() not in REFUSED_HERE:
            raise
        return []


def remove_vm(session: Session, domain: Any, remove: Collection[str]) -> None:
    """Remove the VM with all that is named, its disks last: what libvirt refuses, it refuses with nothing lost yet.

    Where a disk cannot be removed, the VM is defined again, so that a second run goes on, and the error lists the disks
    that are `left_behind`. Raises InvalidState for a VM that runs meanwhile.
    """
    lib, name = session.libvirt, domain.name()
    if domain.isActive():
        raise InvalidState(f"{name} is running by now; nothing was removed")
    definition = domain.XMLDesc(lib.VIR_DOMAIN_XML_INACTIVE | lib.VIR_DOMAIN_XML_SECURE)
    volumes = volumes_of(session, ET.fromstring(definition)) if "disks" in remove else []
    domain.undefineFlags(flags_for(lib, domain, ET.fromstring(definition), remove))
    for done, (pool, volume) in enumerate(volumes):
        try:
            with session.translated(f"removing {pool.name}/{volume}"):
                delete(session, pool.handle, volume)
        except CrossvirtError as error:
            error.facts["left_behind"] = [f"{place.name}/{left}" for place, left in volumes[done:]]
            session.conn.defineXML(definition)
            raise


def flags_for(libvirt: Any, domain: Any, definition: ET.Element, remove: Collection[str]) -> int:
    """Return the flags of undefine for what is named and there: not every driver knows every flag."""
    there = set(belongings(libvirt, domain, definition)) & set(remove)
    flags = {"saved_state": libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE, "nvram": libvirt.VIR_DOMAIN_UNDEFINE_NVRAM}
    found: int = sum(flag for kind, flag in flags.items() if kind in there)
    if "snapshots" in there:
        found |= libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        if names(libvirt, domain.listAllCheckpoints):
            found |= libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    return found


def volumes_of(session: Session, definition: ET.Element) -> list[tuple[Pool, str]]:
    """Return the volumes of a VM's own disks with their pools; raises InvalidState for a disk that is in none."""
    pools = Pools(session)
    found = []
    for disk in definition.iterfind("devices/disk"):
        if disk.get("device", "disk") in MEDIA:
            continue
        storage, volume = source_of(disk, pools.place)
        pool = pools.named(storage or "")
        if pool is None or volume is None:
            raise InvalidState(f"{volume} is in no storage that {session.host} knows")
        found.append((pool, volume))
    return found


def delete(session: Session, pool: Any, volume: str) -> None:
    """Delete one volume; one that is gone already is fine, one that the pool has not seen yet is looked for."""
    known = [one.name() for one in pool.listAllVolumes(0)]
    if volume not in known:
        refresh(session, pool)
    try:
        pool.storageVolLookupByName(volume).delete(0)
    except session.libvirt.libvirtError as error:
        if error.get_error_code() != NO_VOLUME:
            raise
