# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving a VM that is off: its files go through this process, then it is defined at the target."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...errors import InvalidState
from ...model import Progress
from .baggage import read_volume
from .move_record import MoveRecord
from .storage import refresh
from .target_xml import Copy, at_target
from .volumes import disk_volume, file_volume, scratch_name

if TYPE_CHECKING:
    from .moving import Moving

PIECE = 256 * 1024  # libvirt sends no more in one message
HOLE = -3


class ColdMove:
    """A cold move, file by file."""

    def __init__(self, moving: Moving) -> None:
        self._moving, self._move = moving, moving.move
        self._lib = moving.source.libvirt
        self._done = self._total = 0
        self._begun = time.monotonic()

    def abort(self) -> None:
        """Nothing to do: the copying looks by itself whether it is to end."""

    def melts(self, copy: Copy) -> bool:
        """Say whether a disk builds on others, with which it is put together first."""
        return copy.source.backing is not None

    def make(self, copy: Copy) -> None:
        """Make the volume of one disk, for its file as it is, byte by byte."""
        source = self._source(copy)
        if self.melts(copy):
            pool = source.storagePoolLookupByVolume()
            source = pool.createXMLFrom(disk_volume(scratch_name(copy), copy), source, 0)
        size = read_volume(copy.source.pool, source).physical
        self._total += size
        pool = self._moving.target.conn.storagePoolLookupByName(copy.pool)
        pool.createXML(file_volume(copy.name, size), 0)

    def _source(self, copy: Copy, name: str | None = None) -> Any:
        pool = self._moving.source.conn.storagePoolLookupByName(copy.source.pool)
        return pool.storageVolLookupByName(name or copy.source.name)

    def run(self, domain: Any, record: MoveRecord) -> None:
        """Copy the files, define the VM at the target, and look whether it is the same."""
        for copy in self._move.changes.copies:
            self._stream(copy)
        self._moving.go_on()
        self._moving.check_claim(domain)
        if domain.isActive() or any(self._was_written(copy) for copy in self._move.changes.copies):
            raise InvalidState(f"{domain.name()} was started meanwhile")
        definition = self._move.departure.next or ""
        with self._moving.target.translated(f"defining {domain.name()} on {self._moving.target.host}"):
            self._moving.target.conn.defineXML(at_target(definition, self._move.changes, record))

    def _was_written(self, copy: Copy) -> bool:
        return read_volume(copy.source.pool, self._source(copy)).modified != copy.source.modified

    def _stream(self, copy: Copy) -> None:
        """Copy one file, holes as holes."""
        lib = self._lib
        source = self._source(copy, scratch_name(copy) if self.melts(copy) else None)
        target = self._moving.target.conn.storagePoolLookupByName(copy.pool).storageVolLookupByName(copy.name)
        before = self._done
        down, up = self._moving.source.conn.newStream(0), self._moving.target.conn.newStream(0)
        source.download(down, 0, 0, lib.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        target.upload(up, 0, 0, lib.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        try:
            while True:
                self._moving.go_on()
                piece = down.recvFlags(PIECE, lib.VIR_STREAM_RECV_STOP_AT_HOLE)
                if piece == HOLE:
                    length = down.recvHole()
                    up.sendHole(length)
                elif piece:
                    send_all(up, piece)
                    length = len(piece)
                else:
                    break
                self._tell(length)
            down.finish()
            up.finish()
        except BaseException:
            for stream in (down, up):
                try:
                    stream.abort()
                except lib.libvirtError:
                    continue
            raise
        self._verify(copy, target, self._done - before)

    def _verify(self, copy: Copy, target: Any, length: int) -> None:
        arrived = read_volume(copy.pool, target).physical
        if arrived != length:
            raise InvalidState(f"{copy.place} has {arrived} bytes at the target and not {length}")
        refresh(self._moving.target, target.storagePoolLookupByVolume())  # until then it counts as raw

    def _tell(self, length: int) -> None:
        self._done += length
        total, limit = self._total, self._move.spec.bandwidth_bytes_per_second
        seconds = max(time.monotonic() - self._begun, 0.001)
        self._moving.heard(
            Progress(
                percent=round(min(100 * self._done / total, 100), 1) if total else None,
                bytes_done=self._done,
                bytes_total=total,
                bytes_per_second=int(self._done / seconds),
                seconds=round(seconds, 1),
            )
        )
        if limit:
            self._moving.aborted.wait(max(self._done / limit - seconds, 0))

    def outcome(self) -> dict[str, Any]:
        """Return how it went: all of it through this client."""
        return {"via": "client", "encrypted": self._moving.source.sealed and self._moving.target.sealed}


def send_all(stream: Any, piece: bytes) -> None:
    """Send everything; a stream may take less at once."""
    while piece:
        piece = piece[stream.send(piece) :]
