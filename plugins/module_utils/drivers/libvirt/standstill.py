# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves that hang: a network that fails may take the far end of QEMU's streams away without a word.

QEMU then waits for an answer for ever, and libvirt's job with it, aborted or not (seen with libvirt 9.0, QEMU 7.2).
QEMU's `yank` closes such streams, <https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#yank-feature>.
"""

from __future__ import annotations

import json
import time
from typing import Any

from .session import NO_DOMAIN, Session

HANGS_SECONDS = 10
STREAMS = "migration-"  # libvirt's names for the far ends of disks


class Standstill:
    """Watches one job of a VM at its source, and ends it where it cannot end by itself."""

    def __init__(self, domain: Any, target: Session) -> None:
        self._domain, self._target = domain, target
        self._uuid = domain.UUIDString()
        self._moved_at = time.monotonic()
        self._bytes: int | None = None
        self._aborted_at: float | None = None

    def look(self, bytes_done: int | None, *, aborted: bool) -> None:
        """Cut the streams where an abort has no effect, or nothing moves any more and the target is lost."""
        now = time.monotonic()
        if bytes_done != self._bytes:
            self._bytes, self._moved_at = bytes_done, now
        if aborted and self._aborted_at is None:
            self._aborted_at = now
        ignored = self._aborted_at is not None and now - self._aborted_at > HANGS_SECONDS
        if ignored or (now - self._moved_at > HANGS_SECONDS and self._target_is_lost()):
            cut_streams(self._domain)

    def _target_is_lost(self) -> bool:
        """Say whether the target is out of reach, or has given the VM up."""
        if not self._target.conn.isAlive():
            return True
        try:
            self._target.conn.lookupByUUIDString(self._uuid)
        except self._target.libvirt.libvirtError as error:
            return bool(error.get_error_code() == NO_DOMAIN)
        return False


def cut_streams(domain: Any) -> None:
    """Close what a VM's QEMU sends memory and disks through; the job fails, and the VM goes on where it is."""
    said = order(domain, "query-yank")
    streams = [one for one in said if one["type"] == "migration" or one.get("node-name", "").startswith(STREAMS)]
    if streams:
        order(domain, "yank", instances=streams)


def order(domain: Any, command: str, **arguments: Any) -> Any:
    """Give QEMU an order, and return its answer, empty where it refuses: it is too old, or all is over."""
    import libvirt_qemu

    asked = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(libvirt_qemu.qemuMonitorCommand(domain, asked, 0)).get("return", [])
