# SPDX-License-Identifier: GPL-3.0-or-later
"""Forgetting a VM: what cannot stay without it, and the order in which things go."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from xml.etree import ElementTree as ET

from ...errors import CrossvirtError, InvalidState
from .disks import MEDIA, source_of
from .session import NO_SUPPORT, Session
from .storage import NO_VOLUME, Pools

REFUSED_HERE = (NO_SUPPORT, 84)  # a driver without snapshots, or without checkpoints


def belongings(libvirt: Any, domain: Any, definition: ET.Element) -> dict[str, tuple[str, ...]]:
    """Return what libvirt does not let stay without the VM, by the words of `remove`."""
    nvram = definition.findtext("os/nvram")
    found = {
        "snapshots": (*names(libvirt, domain.listAllSnapshots), *names(libvirt, domain.listAllCheckpoints)),
        "saved_state": ("its memory",) if domain.hasManagedSaveImage() else (),
        "nvram": (nvram,) if nvram else (),
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
    """Remove the disks, if they are named, then the VM with all else that is named.

    The disks go first: where that fails the VM is still there, and a second run goes on. The error then lists the disks
    that are `left_behind`. Raises InvalidState for a VM that runs meanwhile.
    """
    if domain.isActive():
        raise InvalidState(f"{domain.name()} is running by now; nothing was removed")
    if "disks" in remove:
        remove_volumes(session, ET.fromstring(domain.XMLDesc()))
    lib = session.libvirt
    flags = {
        "saved_state": lib.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE,
        "snapshots": lib.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | lib.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
        "nvram": lib.VIR_DOMAIN_UNDEFINE_NVRAM,
    }
    domain.undefineFlags(sum(flag for kind, flag in flags.items() if kind in remove))


def remove_volumes(session: Session, definition: ET.Element) -> None:
    """Delete the volumes of a VM's disks; one that is gone already is fine."""
    pools = Pools(session)
    places = [
        source_of(disk, pools.place)
        for disk in definition.iterfind("devices/disk")
        if disk.get("device", "disk") not in MEDIA
    ]
    for done, (storage, volume) in enumerate(places):
        try:
            pool = pools.named(storage or "")
            if pool is None:
                raise InvalidState(f"{volume} is in no storage that {session.host} knows")
            with session.translated(f"removing {storage}/{volume}"):
                delete(session, pool.handle, str(volume))
        except CrossvirtError as error:
            error.facts["left_behind"] = [f"{place}/{name}" for place, name in places[done:]]
            raise


def delete(session: Session, pool: Any, volume: str) -> None:
    """Delete one volume; one that is gone already is fine, one that the pool has not seen yet is looked for."""
    known = [one.name() for one in pool.listAllVolumes(0)]
    if volume not in known:
        pool.refresh(0)
    try:
        pool.storageVolLookupByName(volume).delete(0)
    except session.libvirt.libvirtError as error:
        if error.get_error_code() != NO_VOLUME:
            raise
