# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from what both hosts say of a VM whose move broke off, for every pair that libvirt was seen to leave."""

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.sightings import (
    NOBODY_ANSWERS,
    Fate,
    Sighting,
    fate,
)

DOMAIN = object()
ABSENT = Sighting()
RUNS = Sighting(domain=DOMAIN, state=1, reason=1, active=True, persistent=True)
PAUSED = Sighting(domain=DOMAIN, state=3, reason=1, active=True, persistent=True)  # by somebody
HANDED_OVER = Sighting(domain=DOMAIN, state=3, reason=2, active=True, persistent=True)  # "paused (migrating)", no job
COMES_IN = Sighting(domain=DOMAIN, state=3, reason=2, active=True)
POST_COPY_FAILED = Sighting(domain=DOMAIN, state=3, reason=13, active=True, persistent=True)
BUSY = Sighting(domain=DOMAIN, state=1, reason=1, active=True, busy=True)
OFF = Sighting(domain=DOMAIN, state=5, reason=3, persistent=True)

SEEN = {  # of VMs that libvirt itself lets run at the target
    "copying ended, target dropped its half": (RUNS, ABSENT, Fate.STAYED),
    "target's half is still there": (RUNS, COMES_IN, Fate.STAYED),
    "source's daemon died after the target ran": (HANDED_OVER, RUNS, Fate.ARRIVED),
    "target lost it at the handover": (HANDED_OVER, ABSENT, Fate.STAYED),
    "neither ran": (HANDED_OVER, COMES_IN, Fate.STAYED),
    "source was undefined": (ABSENT, RUNS, Fate.ARRIVED),
    "it died after it had arrived": (ABSENT, OFF, Fate.ARRIVED),
    "source is off, its definition stayed": (OFF, RUNS, Fate.ARRIVED),
    "both run": (RUNS, RUNS, Fate.OPEN),
    "post-copy failed": (HANDED_OVER, POST_COPY_FAILED, Fate.OPEN),
    "nowhere": (ABSENT, ABSENT, Fate.OPEN),
    "source only, off": (OFF, ABSENT, Fate.STAYED),
    "it runs, and the target has it defined": (RUNS, OFF, Fate.OPEN),
    "job at the source": (BUSY, COMES_IN, Fate.UNDER_WAY),
    "job at the target": (HANDED_OVER, BUSY, Fate.UNDER_WAY),
    "target silent, source runs": (RUNS, NOBODY_ANSWERS, Fate.STAYED),
    "target silent, source handed over": (HANDED_OVER, NOBODY_ANSWERS, Fate.OPEN),
    "target silent, source off": (OFF, NOBODY_ANSWERS, Fate.OPEN),
    "source silent, target runs": (NOBODY_ANSWERS, RUNS, Fate.ARRIVED),
    "source silent, target off": (NOBODY_ANSWERS, OFF, Fate.OPEN),
    "both silent": (NOBODY_ANSWERS, NOBODY_ANSWERS, Fate.OPEN),
}
HELD = {  # of VMs that wait at the target until they are told to go on
    "handed over, waits": (HANDED_OVER, PAUSED, Fate.ARRIVED),
    "source let it go, waits": (ABSENT, PAUSED, Fate.ARRIVED),
    "answer lost, source goes on": (RUNS, PAUSED, Fate.STAYED),
    "answer lost, source was paused before": (PAUSED, PAUSED, Fate.STAYED),
    "waits, and the source may run": (NOBODY_ANSWERS, PAUSED, Fate.OPEN),
    "went on, source silent": (NOBODY_ANSWERS, RUNS, Fate.ARRIVED),
    "both run": (RUNS, RUNS, Fate.OPEN),
}


@pytest.mark.parametrize(("source", "target", "expected"), SEEN.values(), ids=SEEN)
def test_what_libvirt_leaves(source: Sighting, target: Sighting, expected: Fate) -> None:
    how, why = fate(source, target, held=False, untouched=False)
    assert how is expected
    assert bool(why) == (expected in (Fate.OPEN, Fate.UNDER_WAY))


@pytest.mark.parametrize(("source", "target", "expected"), HELD.values(), ids=HELD)
def test_what_a_vm_that_is_held_back_leaves(source: Sighting, target: Sighting, expected: Fate) -> None:
    assert fate(source, target, held=True, untouched=False)[0] is expected


@pytest.mark.parametrize(("untouched", "expected"), [(True, Fate.ARRIVED), (False, Fate.OPEN)])
def test_of_two_that_are_off_the_copy_counts_only_while_the_original_is_as_it_was(
    untouched: bool,  # noqa: FBT001 - a parameter of the test
    expected: Fate,
) -> None:
    assert fate(OFF, OFF, held=False, untouched=untouched)[0] is expected


@pytest.mark.parametrize("held", [True, False])
def test_a_vm_that_lives_on_one_side_is_never_given_up_for_the_other(held: bool) -> None:  # noqa: FBT001
    """Whatever the other side looks like: only one of the two that runs may be removed by what follows."""
    everything = [ABSENT, RUNS, PAUSED, HANDED_OVER, COMES_IN, POST_COPY_FAILED, OFF, NOBODY_ANSWERS]
    for other in everything:
        assert fate(RUNS, other, held=held, untouched=True)[0] is not Fate.ARRIVED
        assert fate(other, RUNS, held=held, untouched=True)[0] is not Fate.STAYED
