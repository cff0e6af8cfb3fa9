# SPDX-License-Identifier: GPL-3.0-or-later
"""From which states a power call leads where, for drivers that look first: a call that comes late must do no harm."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidState
from ..model import PowerState

RUNNING, PAUSED, STOPPED, SUSPENDED = PowerState.RUNNING, PowerState.PAUSED, PowerState.STOPPED, PowerState.SUSPENDED


@dataclass(frozen=True, slots=True)
class Transition:
    """From where to where a call leads; without a goal the VM stays in its state."""

    goal: PowerState | None
    allowed: frozenset[PowerState]

    def is_due(self, state: PowerState, vm: str) -> bool:
        """Say whether the call has to be made; raises InvalidState where it makes no sense."""
        if state is not self.goal and state not in self.allowed:
            raise InvalidState(f"{vm} is {state}")
        return state is not self.goal


START = Transition(RUNNING, frozenset({STOPPED, SUSPENDED}))
STOP = Transition(STOPPED, frozenset(PowerState) - {SUSPENDED})
PAUSE = Transition(PAUSED, frozenset({RUNNING}))
RESUME = Transition(RUNNING, frozenset({PAUSED, SUSPENDED}))
SUSPEND = Transition(SUSPENDED, frozenset({RUNNING, PAUSED}))
DISCARD_STATE = Transition(STOPPED, frozenset({SUSPENDED}))
RESET = Transition(None, frozenset({RUNNING, PAUSED, PowerState.CRASHED}))
SHUTDOWN = Transition(STOPPED, frozenset({RUNNING}))
