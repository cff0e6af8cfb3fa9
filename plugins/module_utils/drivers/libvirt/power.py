# SPDX-License-Identifier: GPL-3.0-or-later
"""Power calls that look first: libvirt's drivers answer a wrong state with various codes, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import InvalidState
from ...model import PowerState
from ...support.transitions import Transition
from . import convert
from .session import ERRORS


def looking_first(
    libvirt: Any,
    domain: Any,
    transition: Transition,
    call: Callable[[Any], object],
    state_of: Callable[[Any], PowerState],
) -> Callable[[], None]:
    """Return a call that is harmless where its goal holds already, and raises InvalidState where it makes no sense."""

    def carry_out() -> None:
        state = state_of(domain)
        if not transition.is_due(state, domain.name()):
            return
        try:
            call(domain)
        except libvirt.libvirtError as error:
            now = state_of(domain)
            if now is transition.goal:  # somebody else was faster
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
