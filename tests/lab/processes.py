# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings labs up and down: one at a time of an instance, and an end of what it started."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.commands import LabError
from tests.lab.settings import INSTANCE


@contextmanager
def alone() -> Iterator[None]:
    """Refuse to work beside another `up` or `down` of this instance; an abstract socket ends with its process."""
    with socket.socket(socket.AF_UNIX) as lock:
        try:
            lock.bind(f"\0crossvirt-lab-{INSTANCE}")
        except OSError:
            raise LabError(
                f"lab {INSTANCE} is being changed by another process: wait for it or set CROSSVIRT_LAB"
            ) from None
        yield


def command_line(pid: int) -> str:
    """Read the command line of a process; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def end(pids: list[int]) -> None:
    """Ask processes to end, and insist after two seconds."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + 2
        while (pids := [pid for pid in pids if command_line(pid)]) and time.monotonic() < deadline:
            time.sleep(0.05)
