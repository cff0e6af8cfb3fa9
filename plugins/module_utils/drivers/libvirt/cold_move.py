# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving a VM that is off: its files go through this process, then it is defined at the target."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...errors import InvalidState
from ...model import Progress
from .move_record import MoveRecord
from .target_xml import Copy, at_target
from .volumes import copy_xml

if TYPE_CHECKING:
    from .moving import Moving

PIECE = 256 * 1024  # libvirt sends no more in one message
HOLE = -3


class ColdMove:
    """A cold move, file by file."""

    def __init__(self, moving: Moving) -> None:
        self._moving, self._move = moving, moving.move
        self._lib = moving.source.libvirt
        self._done = 0
        self._begun = time.monotonic()

    def abort(self) -> None:
        """Nothing to do: the copying looks by itself whether it is to end."""

    def make(self, copy: Copy) -> None:
        """Make the volume of one disk, for the file as it is, byte by byte."""
        pool = self._moving.target.conn.storagePoolLookupByName(copy.pool)
        pool.createXML(copy_xml(copy, live=False), 0)

    def run(self, domain: Any, record: MoveRecord) -> None:
        """Copy the files, define the VM at the target, and look whether it is the same."""
        for copy in self._move.changes.copies:
            self._stream(copy)
        self._moving.go_on()
        self._moving.check_claim(domain)
        if domain.isActive():
            raise InvalidState(f"{domain.name()} was started meanwhile")
        definition = self._move.departure.next or ""
        with self._moving.target.translated(f"defining {domain.name()} on {self._moving.target.host}"):
            self._moving.target.conn.defineXML(at_target(definition, self._move.changes, record))

    def _stream(self, copy: Copy) -> None:
        """Copy one file, holes as holes."""
        lib = self._lib
        source = self._moving.source.conn.storagePoolLookupByName(copy.source.pool).storageVolLookupByName(
            copy.source.name
        )
        target = self._moving.target.conn.storagePoolLookupByName(copy.pool).storageVolLookupByName(copy.name)
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
        self._verify(copy, target)

    def _verify(self, copy: Copy, target: Any) -> None:
        target.storagePoolLookupByVolume().refresh(0)
        size = target.info()[1]
        if size != copy.source.capacity:
            raise InvalidState(f"{copy.place} has {size} bytes at the target and not {copy.source.capacity}")

    def _tell(self, length: int) -> None:
        self._done += length
        total = sum(copy.source.physical for copy in self._move.changes.copies)
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

    def outcome(self) -> dict[str, Any]:
        """Return where the definition went through: this client."""
        return {"via": "client"}


def send_all(stream: Any, piece: bytes) -> None:
    """Send everything; a stream may take less at once."""
    while piece:
        piece = piece[stream.send(piece) :]
