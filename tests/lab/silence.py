# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a guest on network `lan` did not answer: it is asked by ICMP echo a hundred times a second.

`python -m tests.lab.silence ADDRESS [FILE]` asks until it is told to stop (SIGTERM, SIGINT) or until the file is
gone, and then prints the longest gap in milliseconds.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY_SECONDS = 0.01
HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
ECHO, ECHO_REPLY = 8, 0
IP_HEADER = 20


class Silence:
    """Asks inside a `with` block; what counts is the longest time between answers, or an answer and an end of it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answers: list[float] = []
        self._over = threading.Event()
        self._mark = int.from_bytes(os.urandom(2))

    def __enter__(self) -> Self:
        self.answers = [time.monotonic()]
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self.answers.append(time.monotonic())

    @property
    def longest_ms(self) -> float:
        """Milliseconds; under load some tens of them are the machine's, not the guest's."""
        return 1000 * max((later - sooner for sooner, later in pairwise(list(self.answers))), default=0)

    def _ask(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as line:
            line.connect((self.address, 0))
            number, due = 0, time.monotonic()
            while not self._over.is_set():
                if select.select([line], [], [], max(0, due - time.monotonic()))[0]:
                    self._hear(line)
                else:
                    number, due = (number + 1) % 65536, due + EVERY_SECONDS
                    with contextlib.suppress(OSError):  # nobody has its address just now
                        line.send(self._request(number))

    def _hear(self, line: socket.socket) -> None:
        try:
            packet = line.recv(1024)
        except OSError:  # what the kernel has to say about an earlier request
            return
        kind, _code, _checksum, mark, _number = HEADER.unpack_from(packet, IP_HEADER)
        if (kind, mark) == (ECHO_REPLY, self._mark):
            self.answers.append(time.monotonic())

    def _request(self, number: int) -> bytes:
        total = (ECHO << 8) + self._mark + number
        return HEADER.pack(ECHO, 0, ~(total + (total >> 16)) & 0xFFFF, self._mark, number)


def main(address: str, mark: str = "") -> None:
    """Ask until a signal comes, or the mark is removed."""
    over = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda _number, _frame: over.set())
    with Silence(address) as silence:
        while not over.wait(EVERY_SECONDS) and (not mark or Path(mark).exists()):
            pass
    print(f"{silence.longest_ms:.0f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
