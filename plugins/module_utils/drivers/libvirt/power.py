# SPDX-License-Identifier: GPL-3.0-or-later
"""Power calls that look first: libvirt's drivers answer a wrong state with various codes, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...errors import InvalidState
from ...model import PowerState
from . import convert
from .session import ERRORS

RUNNING, PAUSED, STOPPED, SUSPENDED = PowerState.RUNNING, PowerState.PAUSED, PowerState.STOPPED, PowerState.SUSPENDED


@dataclass(frozen=True, slots=True)
class Change:
    """From where to where a call leads; without a goal the VM stays in its state."""

    goal: PowerState | None
    allowed: frozenset[PowerState]


START = Change(RUNNING, frozenset({STOPPED, SUSPENDED}))
STOP = Change(STOPPED, frozenset(PowerState) - {SUSPENDED})
PAUSE = Change(PAUSED, frozenset({RUNNING}))
RESUME = Change(RUNNING, frozenset({PAUSED, SUSPENDED}))
SUSPEND = Change(SUSPENDED, frozenset({RUNNING, PAUSED}))
DISCARD_STATE = Change(STOPPED, frozenset({SUSPENDED}))
RESET = Change(None, frozenset({RUNNING, PAUSED, PowerState.CRASHED}))
SHUTDOWN = Change(STOPPED, frozenset({RUNNING}))


def looking_first(libvirt: Any, domain: Any, change: Change, call: Callable[[Any], object]) -> Callable[[], None]:
    """Return a call that is harmless where its goal holds already, and raises InvalidState where it makes no sense."""

    def carry_out() -> None:
        state = state_of(domain)
        if state is change.goal:
            return
        if state not in change.allowed:
            raise InvalidState(f"{domain.name()} is {state}")
        try:
            call(domain)
        except libvirt.libvirtError as error:
            now = state_of(domain)
            if now is change.goal:  # somebody else was faster
                return
            if now is not state and error.get_error_code() not in ERRORS:
                said = error.get_error_message()
                raise InvalidState(f"{domain.name()} was {state} and became {now} meanwhile: {said}") from error
            raise

    return carry_out


def state_of(domain: Any) -> PowerState:
    """Return the state of one VM."""
    state, reason = domain.state()
    return convert.power_state(state, reason, saved=bool(domain.hasManagedSaveImage()))


def go_on(domain: Any) -> None:
    """Resume from wherever the VM stands still."""
    state, _reason = domain.state()
    if state == convert.SHUTOFF:
        domain.create()
        if domain.state()[0] == convert.PAUSED:  # it was paused when its memory was saved
            domain.resume()
    elif state == convert.ASLEEP:
        domain.pMWakeup()
    else:
        domain.resume()
