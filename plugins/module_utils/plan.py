# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change on one VM, worked out before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .driver import Driver
from .errors import InvalidState, Unsupported
from .model import PowerState, Vm
from .steps import Step

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps that turn `before` into `after`; `view` reads the same fields off the VM, host or None of now."""

    before: Fields
    after: Fields
    steps: tuple[Step, ...] = ()
    view: Callable[[Any], Fields] = field(default=lambda now: {}, compare=False)

    def check(self, driver: Driver, vm: Vm | None) -> None:
        """Refuse before the first change what a step, or its replacement after a deadline, would be refused.

        Raises InvalidState for a VM whose state is unknown, unless that is what the steps are about, or whose place
        does not allow what every hypervisor can, and Unsupported with every reason at once.
        """
        if vm and vm.state is PowerState.UNKNOWN and any(not step.settles for step in self.steps):
            raise InvalidState(
                f"the state of {vm.name} is unknown ({vm.state_reason or 'no reason given'}); nothing is done to it"
            )
        reasons = [driver.refuses(step.requires, vm, **step.arguments()) for step in self.every_step() if step.requires]
        if any(reasons):
            raise Unsupported("; ".join(dict.fromkeys(reason for reason in reasons if reason)))
        limits = (vm and vm.limits) or {}
        for step in self.every_step():
            if not step.requires and step.action in limits:
                raise InvalidState(limits[step.action])

    def every_step(self) -> Iterator[Step]:
        """Return all steps, also those that only a missed deadline brings."""
        for step in self.steps:
            one: Step | None = step
            while one:
                yield one
                one = one.on_timeout
