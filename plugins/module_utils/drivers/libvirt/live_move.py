# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving a VM that runs: the ways that libvirt has, tried from the best, and watched while they last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...errors import Busy, CrossvirtError
from . import aftermath
from .job_progress import downtime_seconds, progress_from
from .move_record import MoveRecord
from .session import transport_of
from .standstill import Standstill
from .target_xml import Copy, at_target
from .volumes import disk_volume

if TYPE_CHECKING:
    from .moving import Moving

MIB = 1024 * 1024
POLL_SECONDS = 1
CONNECT_FAILURES = (38, 39, 45, 79, 80)  # SYSTEM_ERROR, RPC, AUTH_FAILED, AUTH_CANCELLED, AUTH_UNAVAILABLE
QEMU_REFUSES = (10, 1)  # VIR_FROM_QEMU, INTERNAL_ERROR: what QEMU says that cannot read its TLS files, and other things
HERE_ONLY = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Way:
    """How it goes: `via` the source host itself or this client, with memory and disks `sealed` by TLS or a tunnel."""

    via: str
    sealed: str | None


def ways(uri: str, encryption: str, *, qemu: bool, held: bool) -> Iterator[Way]:
    """Return the ways to a target at a URI, the best first; encryption `required` leaves only what is encrypted.

    A VM that is held back until this client tells it to go on goes through this client in any case.
    """
    transport, host = transport_of(uri), urlsplit(uri).hostname
    reachable = transport in ("tls", "tcp") and host not in (*HERE_ONLY, None) and not held
    for via in (["peer_to_peer"] if reachable else []) + ["client"]:
        if encryption != "disabled" and qemu:
            yield Way(via, "tls")
            yield Way(via, "tls")  # only what fails twice alike is not set up
            if via == "peer_to_peer" and transport == "tls":
                yield Way(via, "tunnel")
        if encryption != "required":
            yield Way(via, None)


class LiveMove:
    """A live move as libvirt does it."""

    def __init__(self, moving: Moving) -> None:
        self._moving, self._move = moving, moving.move
        self._lib = moving.source.libvirt
        self._domain: Any = None
        self._moved = False

    def abort(self) -> None:
        """End libvirt's job; where there is none yet, none will begin."""
        if self._domain is not None:
            self._domain.abortJob()

    def make(self, copy: Copy) -> None:
        """Make the volume of one disk, empty, as the guest will see it."""
        pool = self._moving.target.conn.storagePoolLookupByName(copy.pool)
        pool.createXML(disk_volume(copy.name, copy), 0)

    def melts(self, _copy: Copy) -> bool:
        """Nothing is put together in a volume of its own."""
        return False

    def run(self, domain: Any, record: MoveRecord) -> None:
        """Move it by the first way that can be gone; raises libvirt's error of the last."""
        spec, target = self._move.spec, self._moving.target
        self._domain = domain
        choices = list(ways(target.uri, spec.encryption, qemu=target.kind == "QEMU", held=record.held))
        parameters = self._parameters(record)
        while choices:
            way = choices.pop(0)
            self._moving.go_on()
            try:
                self._go(way, parameters, self._lib.VIR_MIGRATE_PAUSED if record.held else 0)
            except self._lib.libvirtError as error:
                choices = self._others(way, choices, error)
                if not choices or not self._moving.whole_at_source(record):
                    raise
            else:
                aftermath.wake(target, record)
                self._moving.facts |= {"via": way.via, "encrypted": way.sealed is not None}
                return

    def _others(self, way: Way, choices: list[Way], error: Any) -> list[Way]:
        """Return what may still be tried: nothing once data has moved, or where the next way would fail alike."""
        if self._moved or self._moving.aborted.is_set():
            return []
        if way.via == "peer_to_peer" and error.get_error_code() in CONNECT_FAILURES:
            return [one for one in choices if one.via == "client"]
        refused = (error.get_error_domain(), error.get_error_code()) == QEMU_REFUSES
        return choices if way.sealed == "tunnel" or (way.sealed == "tls" and refused) else []

    def _go(self, way: Way, parameters: dict[str, Any], held: int) -> None:
        flags = self._flags(way) | held
        ended = Event()
        Thread(target=self._watch, args=(ended,), daemon=True).start()
        try:
            if way.via == "peer_to_peer":
                self._domain.migrateToURI3(self._moving.target.uri, parameters, flags)
            else:
                self._domain.migrate3(self._moving.target.conn, parameters, flags)
        finally:
            ended.set()

    def _flags(self, way: Way) -> int:
        lib, spec = self._lib, self._move.spec
        flags: int = lib.VIR_MIGRATE_LIVE
        if self._move.departure.next is not None:
            flags |= lib.VIR_MIGRATE_PERSIST_DEST | lib.VIR_MIGRATE_UNDEFINE_SOURCE
        if way.via == "peer_to_peer":
            flags |= lib.VIR_MIGRATE_PEER2PEER
        if self._moving.source.kind != "QEMU":
            return flags
        chosen = {
            lib.VIR_MIGRATE_ABORT_ON_ERROR: True,
            lib.VIR_MIGRATE_CHANGE_PROTECTION: True,
            lib.VIR_MIGRATE_TLS: way.sealed == "tls",
            lib.VIR_MIGRATE_TUNNELLED: way.sealed == "tunnel",
            lib.VIR_MIGRATE_NON_SHARED_DISK: bool(self._move.changes.copies),
            lib.VIR_MIGRATE_POSTCOPY: spec.post_copy,
            lib.VIR_MIGRATE_AUTO_CONVERGE: spec.auto_converge,
        }
        for flag, wanted in chosen.items():
            flags |= flag if wanted else 0
        return flags

    def _parameters(self, record: MoveRecord) -> dict[str, Any]:
        lib, move = self._lib, self._move
        changes = replace(move.changes, name=None)  # libvirt wants the old name here, and the new one as a parameter
        now = at_target(move.departure.now or "", changes, record)
        parameters: dict[str, Any] = {lib.VIR_MIGRATE_PARAM_DEST_XML: now}
        if move.spec.name:
            parameters[lib.VIR_MIGRATE_PARAM_DEST_NAME] = move.spec.name
        if self._moving.source.kind != "QEMU":
            return parameters
        if move.departure.next is not None:
            parameters[lib.VIR_MIGRATE_PARAM_PERSIST_XML] = at_target(move.departure.next, changes, record)
        if move.changes.copies:
            parameters[lib.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = [copy.disk.dev for copy in move.changes.copies]
        if move.spec.bandwidth_bytes_per_second:
            parameters[lib.VIR_MIGRATE_PARAM_BANDWIDTH] = -(-move.spec.bandwidth_bytes_per_second // MIB)
        return parameters

    def _watch(self, ended: Event) -> None:
        """Ask how far it is until it has ended; the question that comes too late is answered by an error."""
        flipped = claimed = False
        standstill = Standstill(self._domain, self._moving.target)
        while not ended.wait(POLL_SECONDS):
            try:
                stats = self._domain.jobStats()
                progress = progress_from(stats)
                if progress is None:
                    continue
                self._moved = self._moved or bool(progress.bytes_done)
                self._moving.heard(progress)
                aborted = self._moving.aborted.is_set()
                if self._moving.source.kind == "QEMU" and not flipped:
                    standstill.look(progress.bytes_done, aborted=aborted)
                if aborted:
                    self._domain.abortJob()  # it came before the job
                if not claimed:
                    self._moving.check_claim(self._domain)
                    claimed = True
                if self._move.spec.post_copy and not flipped and stats.get("memory_iteration", 0) > 1:
                    self._domain.migrateStartPostCopy(0)
                    flipped = True
            except Busy:
                self._moving.abort()
            except (self._lib.libvirtError, CrossvirtError):
                continue

    def outcome(self) -> dict[str, Any]:
        """Return what the target knows of the move that has ended."""
        lib = self._lib
        try:
            domain = self._moving.target.conn.lookupByUUIDString(self._move.departure.vm.uuid)
            stats = domain.jobStats(lib.VIR_DOMAIN_JOB_STATS_COMPLETED)
        except lib.libvirtError:  # not every driver remembers
            return {}
        if progress := progress_from(stats, ended=True):
            self._moving.heard(progress)
        seconds = downtime_seconds(stats)
        return {} if seconds is None else {"downtime_seconds": seconds}
