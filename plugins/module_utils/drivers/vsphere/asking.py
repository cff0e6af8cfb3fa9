# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the guest to shut down: after a VM was resumed, VMware Tools need a moment before they can be asked."""

from __future__ import annotations

from threading import Event
from typing import Any

from ...driver import Operation
from ...errors import Cancelled, InvalidState
from ...support.transitions import SHUTDOWN
from ...support.workers import start
from .session import Session
from .tasks import Tasks

GLANCE_SECONDS = 0.5


def ask_to_shut_down(session: Session, tasks: Tasks, vm: Any, name: str) -> Operation:
    """Ask now, else as soon as there is somebody to ask: until then, or until it is aborted, the operation lasts."""
    doing = f"asking to shut down the guest of {name}"

    def asked() -> Operation | None:
        try:
            return tasks.call(doing, vm.ShutdownGuest, SHUTDOWN.goal)
        except InvalidState as error:
            if not isinstance(error.__cause__, session.vim.fault.ToolsUnavailable):
                raise
            return None

    def ask_again() -> None:
        while not given_up.wait(GLANCE_SECONDS):
            if operation := asked():
                operation.result()
                return
        raise Cancelled(f"{doing}: VMware Tools did not run in it until then")

    if at_once := asked():
        return at_once
    given_up, waiting = Event(), Operation()
    waiting.abort = given_up.set
    start(waiting, ask_again)
    return waiting
