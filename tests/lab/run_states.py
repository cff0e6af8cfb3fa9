# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches whether a VM ever runs on two hosts: their QEMUs are asked all the time, through monitors of our own."""

import threading
import time
from itertools import combinations
from types import TracebackType
from typing import Self

from tests.lab.host import Host
from tests.lab.witness import MUTE, run_state

EVERY_SECONDS = 0.05
PATIENCE_SECONDS = 60  # a monitor may be mute for long where a network is cut

Moment = tuple[float, dict[str, str]]


class RunStates:
    """Inside a `with` block: `log` has every change of states by host, `twice` each time at which two were running."""

    def __init__(self, hosts: list[Host], vm_name: str) -> None:
        self._hosts, self._name = hosts, vm_name
        self._over = threading.Event()
        self.log: list[Moment] = []
        self.twice: list[Moment] = []

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            states = {host.name: run_state(host, self._name) for host in self._hosts}
            moment = round(time.monotonic() - self._begun, 2), states
            if not self.log or self.log[-1][1] != states:
                self.log.append(moment)
            if any(self._both(*pair, states) for pair in combinations(self._hosts, 2)):
                self.twice.append(moment)

    def _both(self, first: Host, second: Host, states: dict[str, str]) -> bool:
        """Whether both ran at once: the first did before and after the second was asked, not just before a handover."""
        if not {states[first.name], states[second.name]} <= {"running", MUTE} or states[second.name] == MUTE:
            return False
        again = run_state(first, self._name, PATIENCE_SECONDS)
        return again == "running" and run_state(second, self._name, PATIENCE_SECONDS) == "running"
