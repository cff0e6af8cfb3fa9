# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a VM is while it moves, or after a move broke off: what both hosts say, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from .convert import BY_A_JOB, PAUSED
from .job_progress import has_job
from .session import NO_DOMAIN, WRONG_STATE, Session

RUNNING_STATES = (1, 2, 7)  # running, blocked, asleep by the guest's own wish
NEVER_RAN = {2, 11}  # paused for an incoming migration, or still starting: no instruction was executed here
BY_USER = 1
LOOKS = 3


class Fate(Enum):
    """How a move ended."""

    ARRIVED = "arrived"  # whole at the target
    STAYED = "stayed"  # whole at the source
    UNDER_WAY = "under way"
    OPEN = "open"  # nobody can say, or not without guessing


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A VM on one host; `answers` is whether the host said anything, `domain` is None where it has no such VM."""

    answers: bool = True
    domain: Any = None
    state: int = 0
    reason: int = 0
    active: bool = False
    persistent: bool = False
    busy: bool = False

    @property
    def there(self) -> bool:
        """Whether the host has it in any way."""
        return self.domain is not None

    @property
    def alive(self) -> bool:
        """Whether it runs here, or stands still for a reason that is no move's."""
        return self.active and (self.state in RUNNING_STATES or (self.state == PAUSED and self.reason not in HALF))

    @property
    def runs(self) -> bool:
        """Whether its processors run, or the guest sleeps."""
        return self.active and self.state in RUNNING_STATES

    @property
    def never_ran(self) -> bool:
        """Whether it only waited for its memory."""
        return self.active and self.state == PAUSED and self.reason in NEVER_RAN

    def waits(self, *, held: bool) -> bool:
        """Whether it is complete after a move that leaves it paused, and was not told to go on yet."""
        return held and self.active and self.state == PAUSED and self.reason == BY_USER


HALF = BY_A_JOB | {13}
NOBODY_ANSWERS = Sighting(answers=False)


def sighted(session: Session | None, uuid: str) -> Sighting:
    """Look for a VM on a host; one that ends or goes while it is looked at is looked at again."""
    if session is None:
        return NOBODY_ANSWERS
    lib = session.libvirt
    for _attempt in range(LOOKS):
        try:
            return seen(session, uuid)
        except lib.libvirtError as error:
            if error.get_error_code() not in (NO_DOMAIN, WRONG_STATE):
                break
    return NOBODY_ANSWERS


def seen(session: Session, uuid: str) -> Sighting:
    """Look once; raises libvirt's errors."""
    lib = session.libvirt
    try:
        domain = session.conn.lookupByUUIDString(uuid)
    except lib.libvirtError as error:
        if error.get_error_code() != NO_DOMAIN:
            raise
        return Sighting()
    active = bool(domain.isActive())
    state, reason = domain.state()
    return Sighting(
        domain=domain,
        state=state,
        reason=reason,
        active=active,
        persistent=bool(domain.isPersistent()),
        busy=active and has_job(lib, domain),
    )


def fate(source: Sighting, target: Sighting, *, held: bool, untouched: bool) -> tuple[Fate, str]:
    """Return how a move ended, and why that is not known where it is not.

    `held` says that the target waits to be told to go on. `untouched` says that what was copied is at the source as it
    was then: two VMs that are off are equal.
    """
    if source.busy or target.busy:
        return Fate.UNDER_WAY, "a job is at work on it"
    waits = target.waits(held=held)
    lives = target.alive and not waits
    if not source.answers or not target.answers:
        return half_seen(source, lives=lives)
    if source.alive:
        return lives_at_source(target, waits=waits)
    if lives or waits or (not source.there and target.there and not target.active):
        return Fate.ARRIVED, ""
    return nobody_lives(source, target, untouched=untouched)


def half_seen(source: Sighting, *, lives: bool) -> tuple[Fate, str]:
    """Return what follows where one host is silent: a VM that lives on the other is there alone.

    One that only waits at its target may run at its source: libvirt lets it go on there when an answer was lost.
    """
    if source.answers:
        return (Fate.STAYED, "") if source.alive else (Fate.OPEN, "its target does not answer")
    return (Fate.ARRIVED, "") if lives else (Fate.OPEN, "its source does not answer")


def lives_at_source(target: Sighting, *, waits: bool) -> tuple[Fate, str]:
    """Return what follows where it lives at the source."""
    if not target.there or target.never_ran or waits:
        return Fate.STAYED, ""
    return Fate.OPEN, "both hosts run it" if target.alive else "its target has it, too"


def nobody_lives(source: Sighting, target: Sighting, *, untouched: bool) -> tuple[Fate, str]:
    """Return what follows where no host runs it, or one only began to."""
    if source.there and (not target.there or (source.active and target.never_ran)):
        return Fate.STAYED, ""
    if source.there and not source.active and not target.active:
        return (Fate.ARRIVED, "") if untouched else (Fate.OPEN, "both hosts have it, and its disks were used since")
    return Fate.OPEN, "neither host has it whole"
