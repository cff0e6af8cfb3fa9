# SPDX-License-Identifier: GPL-3.0-or-later
"""A move that broke off: who took part in it, where the VM is whole, and what is to be removed before anything else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree as ET

from ...errors import Busy, InvalidState
from . import aftermath, relocation
from .baggage import looked_up, read_volume
from .departures import LibvirtDeparture
from .move_record import MoveRecord, noted, write
from .session import Session
from .sightings import Fate
from .standstill import STREAMS, order

COPY_SECONDS = 3  # in which a copy that somebody is making grows
CLAIM_SECONDS = 1.5  # in which whoever wrote the note before us would see ours, or have begun


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """The move of a note; a session is None for a host that the task does not lead to."""

    record: MoveRecord
    source: Session | None = field(repr=False, compare=False)
    target: Session | None = field(repr=False, compare=False)
    fate: Fate

    @property
    def whole_at(self) -> Session | None:
        """Where the VM is whole."""
        return self.target if self.fate is Fate.ARRIVED else self.source

    def remains_at(self, session: Session) -> set[tuple[str, str]]:
        """Return the volumes on a host that will be gone, by storage and name."""
        doomed = {Fate.ARRIVED: (self.source, self.record.old), Fate.STAYED: (self.target, self.record.made)}
        where, places = doomed[self.fate]
        return {(place.pool, place.volume) for place in places} if where is session else set()

    def end(self, claim: str) -> list[str]:
        """Finish it or take it back, and return what could not be removed.

        Raises Busy where whoever began it is still at work, InvalidState where it is not as it was found before.
        """
        whole_at = self.whole_at
        if whole_at is None:
            raise InvalidState(f"the host where {self.record.vm} is whole does not answer")
        with whole_at.translated(f"taking over a move that {self.record.source_name} began"):
            if not self.record.live and self._grows():
                raise Busy(f"a move to {self.record.target_name} is still copying disks")
            domain = whole_at.conn.lookupByUUIDString(self.record.vm)
            write(whole_at.libvirt, domain, replace(self.record, claim=claim))
            time.sleep(CLAIM_SECONDS)
            now = noted(whole_at.libvirt, domain)
        how = self._look_again(whole_at)
        if how is Fate.UNDER_WAY or now is None or now.claim != claim:
            raise Busy(f"somebody else is moving {domain.name()}")
        if how is not self.fate:
            raise InvalidState(f"{domain.name()} is no more as it was found; run the task again")
        if self.record.source == self.record.target:
            return relocation.sort_out(whole_at, self.record)
        if how is Fate.ARRIVED:
            return aftermath.finish(self.source, whole_at, self.record)
        if domain.isActive() and self.record.live and self.record.made:
            with whole_at.translated(f"looking after the disks of {domain.name()}"):
                forget_exports(domain)
        return aftermath.take_back(whole_at, self.target, self.record)

    def _grows(self) -> bool:
        """Say whether what was made at the target still changes: copying a VM that is off is no job of libvirt's."""
        if self.target is None or not self.record.made:
            return False
        before = made(self.target, self.record)
        time.sleep(COPY_SECONDS)
        return made(self.target, self.record) != before

    def _look_again(self, whole_at: Session) -> Fate:
        if self.record.source == self.record.target:
            return relocation.fate_of_disks(whole_at, self.record)[0]
        return aftermath.verdict(self.source, self.target, self.record)[0]


def made(target: Session, record: MoveRecord) -> list[tuple[int, str]]:
    """Return the room that each volume made for a move takes, and when it was written last."""
    found = []
    for place in record.made:
        pool = target.conn.storagePoolLookupByName(place.pool)
        if handle := looked_up(target, pool, place.volume):
            volume = read_volume(place.pool, handle)
            found.append((volume.allocation, volume.modified))
    return found


def forget_exports(domain: Any) -> None:
    """Have QEMU forget the far ends of disks that were being copied.

    A libvirtd that dies at a bad moment does not know of them any more, and no later move would work: their names are
    taken (seen with libvirt 9.0). What QEMU refuses, because there is no such thing or it is in use, is fine.
    """
    for target in ET.fromstring(domain.XMLDesc()).iterfind("devices/disk/target"):
        for layer in ("format", "storage"):
            order(domain, "blockdev-del", **{"node-name": f"{STREAMS}{target.get('dev')}-{layer}"})


def unfinished(departure: LibvirtDeparture, sessions: Sequence[Session]) -> Unfinished | None:
    """Return the move that a VM's note tells of, or None.

    Raises Busy where it is under way, InvalidState where nobody can say what became of it.
    """
    record, here = departure.record, departure.session.host_uuid
    if record is None or here not in (record.source, record.target):
        return None  # somebody has moved it on by other means
    known = {session.host_uuid: session for session in reversed(sessions)}  # its own before others to that host
    source, target = known.get(record.source), known.get(record.target)
    if record.source == record.target:
        how, why = relocation.fate_of_disks(departure.session, record)
    else:
        how, why = aftermath.verdict(source, target, record)
    about = f"a move of {departure.vm.name} from {record.source_name} to {record.target_name}"
    if how is Fate.UNDER_WAY:
        raise Busy(f"{about} is under way")
    if how is Fate.OPEN:
        raise InvalidState(f"{about} broke off, and {why}; nothing was changed")
    return Unfinished(record=record, source=source, target=target, fate=how)
