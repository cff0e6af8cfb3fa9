# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a move, whoever began it: the source is cleared once the VM is whole at its target, or the other way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from ...errors import CrossvirtError, InvalidState
from .baggage import looked_up, read_volume
from .move_record import MoveRecord, Place, write
from .removal import delete, flags_for
from .session import Session
from .sightings import Fate, Sighting, fate, sighted

LEAVING = ("snapshots", "saved_state", "nvram")


def verdict(source: Session | None, target: Session | None, record: MoveRecord) -> tuple[Fate, str]:
    """Return where the VM of a move is whole, and why that is open where it is."""
    here, there = sighted(source, record.vm), sighted(target, record.vm)
    both_off = here.there and there.there and not (here.active or there.active)
    same = both_off and source is not None and untouched(source, record)
    return fate(here, there, held=record.held, untouched=same)


def untouched(source: Session, record: MoveRecord) -> bool:
    """Say whether the copied files are at the source as they were when they were copied; a live move ends with them."""
    if record.live:
        return True
    for place in record.old:
        pool = source.conn.storagePoolLookupByName(place.pool)
        handle = looked_up(source, pool, place.volume)
        if handle is None or read_volume(place.pool, handle).modified != place.modified:
            return False
    return True


def finish(source: Session | None, target: Session, record: MoveRecord) -> list[str]:
    """Clear the source of a VM that has arrived, and return what could not be removed.

    Raises InvalidState where the VM is not whole at its target after all: then nothing is removed.
    """
    lib = target.libvirt
    with target.translated("looking for the VM that has moved"):
        domain = target.conn.lookupByUUIDString(record.vm)
        check_whole(domain)
        wake(target, record)
        if record.autostart and domain.isPersistent():
            domain.setAutostart(1)
    if source is None:
        return [f"{record.source_name}: {place}" for place in record.old]
    if source is not target:
        with source.translated(f"removing {domain.name()} from {source.host}"):
            forget(source, sighted(source, record.vm))
    if left := remove(source, (*record.scratch, *record.old)):
        return left
    with target.translated(f"ending the move of {domain.name()}"):
        write(lib, domain, None)
    return []


def wake(target: Session, record: MoveRecord) -> None:
    """Let a VM go on that ran before and was held back; one that died meanwhile stays off."""
    there = sighted(target, record.vm)
    if record.awake and there.waits(held=record.held):
        there.domain.resume()


def check_whole(domain: Any) -> None:
    """Raise InvalidState where a disk is not all there."""
    if ET.fromstring(domain.XMLDesc()).find("devices/disk/mirror") is not None:
        raise InvalidState(f"a disk of {domain.name()} is still being copied")


def take_back(source: Session, target: Session | None, record: MoveRecord) -> list[str]:
    """Clear the target of a VM that stayed whole at its source, let it go on, and return what could not be removed.

    The note stays as long as anything of that does: later it can be.
    """
    here, there = sighted(source, record.vm), sighted(target, record.vm)
    left = [f"{record.target_name}: {place}" for place in record.made]
    if target is not None and there.answers:
        with target.translated(f"removing what a move left on {target.host}"):
            if target is not source:
                forget(target, there)
        left = remove(target, record.made)
    left += remove(source, record.scratch)
    with source.translated(f"ending the move on {source.host}"):
        if here.active and not here.alive:
            here.domain.resume()
        if here.there and not left:
            write(source.libvirt, here.domain, None)
    return left


def forget(session: Session, sighting: Sighting) -> None:
    """End a VM that is whole elsewhere, and remove its definition."""
    domain = sighting.domain
    if domain is None:
        return
    if sighting.runs:
        raise InvalidState(f"{domain.name()} runs on {session.host}; nothing was removed")
    if sighting.active:
        domain.destroy()
    if sighting.persistent:
        definition = ET.fromstring(domain.XMLDesc(session.libvirt.VIR_DOMAIN_XML_INACTIVE))
        domain.undefineFlags(flags_for(session.libvirt, domain, definition, LEAVING))


def remove(session: Session, places: Sequence[Place]) -> list[str]:
    """Delete volumes and return those that would not go."""
    left = []
    for place in places:
        try:
            with session.translated(f"removing {place}"):
                delete(session, session.conn.storagePoolLookupByName(place.pool), place.volume)
        except CrossvirtError:
            left.append(f"{session.host}: {place}")
    return left
