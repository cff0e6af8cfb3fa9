# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a move: the note first, then what the target needs, the way itself, and what is left at the source."""

from __future__ import annotations

import time
from threading import Event
from typing import Any
from uuid import uuid4

from ...driver import Operation
from ...errors import Busy, Cancelled, CrossvirtError, InvalidState
from ...model import Progress
from . import aftermath, relocation, shared_files
from .arrivals import LibvirtMove
from .cold_move import ColdMove
from .live_move import LiveMove
from .move_record import MoveRecord, Place, noted, write
from .relocation import Relocation
from .sightings import Fate, sighted
from .target_xml import Copy
from .volumes import scratch_name

GRACE_SECONDS = 60  # a copy is taken back, and a host that died is noticed
SETTLE_SECONDS = 30


class Moving:
    """One move under way; `facts` is what a result says of it."""

    def __init__(self, move: LibvirtMove) -> None:
        self.move, self.source, self.target = move, move.departure.session, move.target
        self.facts: dict[str, Any] = {}
        self.operation: Operation | None = None
        self.aborted = Event()
        self._way = way_of(move)(self)
        self.claim = str(uuid4())

    def start(self) -> Operation:
        """Begin."""
        name = self.move.departure.vm.name
        operation = self.source.operation(f"moving {name} to {self.target.host}", self.run, self.abort)
        operation.facts, operation.grace_seconds, self.operation = self.facts, GRACE_SECONDS, operation
        return operation

    def abort(self) -> None:
        """Have it end as soon as it can, with the VM whole at its source."""
        self.aborted.set()
        self._way.abort()

    def go_on(self) -> None:
        """Raise Cancelled where the move was aborted."""
        if self.aborted.is_set():
            raise Cancelled(f"the move of {self.move.departure.vm.name} was stopped")

    def heard(self, progress: Progress) -> None:
        """Note how far it is."""
        if self.operation:
            self.operation.progress = progress

    def run(self) -> str:
        """Move it, and return its id; the error of a move that failed lists what could not be removed."""
        departure, move = self.move.departure, self.move
        if move.rest and (left := move.rest.end(self.claim)):
            self.facts["left_behind"] = left
        if move.ends:
            return departure.vm.uuid
        self.go_on()
        if not move.stays:
            shared_files.prove(self.source, self.target, move.shared, departure.vm.uuid)
        self.go_on()
        domain = departure.domain()
        record = self._record()
        write(self.source.libvirt, domain, record)
        try:
            with self.source.translated(f"moving {departure.vm.name} to {self.target.host}"):
                for copy in move.changes.copies:
                    self.go_on()
                    self._make(copy)
                self.check_claim(domain)
                self._way.run(domain, record)
        except CrossvirtError as error:
            if not self._arrived_after_all(record, error):
                raise
        self._tidy(record)
        return departure.vm.uuid

    def check_claim(self, domain: Any) -> None:
        """Raise Busy where somebody else has taken the move over."""
        record = noted(self.source.libvirt, domain)
        if record is None or record.claim != self.claim:
            raise Busy(f"another task has begun to move {self.move.departure.vm.name}")

    def whole_at_source(self, record: MoveRecord) -> bool:
        """Say whether the VM is at its source as it was, once all jobs have ended."""
        return self._settled(record)[0] is Fate.STAYED

    def _record(self) -> MoveRecord:
        departure, copies = self.move.departure, self.move.changes.copies
        return MoveRecord(
            claim=self.claim,
            vm=departure.vm.uuid,
            source=self.source.host_uuid,
            source_name=self.source.host,
            target=self.target.host_uuid,
            target_name=self.target.host,
            live=departure.running,
            awake=sighted(self.source, departure.vm.uuid).runs,
            held=self.move.held,
            autostart=departure.autostart,
            made=tuple(Place(copy.pool, copy.name) for copy in copies),
            old=tuple(Place(copy.source.pool, copy.source.name, copy.source.modified) for copy in copies),
            scratch=tuple(Place(copy.source.pool, scratch_name(copy)) for copy in copies if self._way.melts(copy)),
        )

    def _make(self, copy: Copy) -> None:
        with self.target.translated(f"making {copy.place}"):
            self._way.make(copy)

    def _arrived_after_all(self, record: MoveRecord, error: CrossvirtError) -> bool:
        """Take back what did not come to its end; say whether the VM is at its target although an answer was lost.

        Where neither is certain, nothing is touched, and the error says so.
        """
        if self.move.stays:
            if not isinstance(error, Busy) and (left := relocation.sort_out(self.source, record)):
                error.facts["left_behind"] = left
            return False
        how, why = self._settled(record)
        if how is Fate.ARRIVED:
            return True
        if how is Fate.STAYED:
            if isinstance(error, Busy):
                return False
            if left := aftermath.take_back(self.source, self.target, record):
                error.facts["left_behind"] = left
            return False
        name = self.move.departure.vm.name
        raise InvalidState(f"{error}; where {name} is whole is not certain: {why}; run the task again") from error

    def _settled(self, record: MoveRecord) -> tuple[Fate, str]:
        """Look on both sides until no job is at work any more."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            verdict = aftermath.verdict(self.source, self.target, record)
            if verdict[0] is not Fate.UNDER_WAY or time.monotonic() > deadline:
                return verdict
            time.sleep(0.5)

    def _tidy(self, record: MoveRecord) -> None:
        self.facts.update(self._way.outcome())
        if self.move.stays:
            left = relocation.sort_out(self.source, record)
        else:
            left = aftermath.finish(self.source, self.target, record)
        if left:
            raise InvalidState(f"{self.move.departure.vm.name} has moved; not all was removed", left_behind=left)


def way_of(move: LibvirtMove) -> type[LiveMove | ColdMove | Relocation]:
    """Return how a move goes."""
    if move.stays:
        return Relocation
    return LiveMove if move.departure.running else ColdMove
