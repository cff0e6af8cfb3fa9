# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves with a copy of the disks, in the middle of which something dies: at random points, and counted.

CROSSVIRT_KILLS is the number of points per victim, CROSSVIRT_KILLS_SEED the first seed. Every run is a line in
`.build/migrate-kills/`; `python -m tests.tools.kills` makes a table of all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import pytest

from tests.integration.bench import ROOT
from tests.integration.libvirt.bench import Bench
from tests.integration.libvirt.kills import HANDOVER, VICTIMS, Kills, Outcome
from tests.integration.libvirt.traveller import Traveller
from tests.lab.settings import INSTANCE

POINTS = int(os.environ.get("CROSSVIRT_KILLS", "3"))
SEED = int(os.environ.get("CROSSVIRT_KILLS_SEED", "1"))
HANDOVERS = 3
ROWS = ROOT / f".build/migrate-kills/lab-{INSTANCE}.jsonl"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kills(bench: Bench) -> Iterator[Kills]:
    """A VM that has moved to and fro undisturbed."""
    ROWS.parent.mkdir(parents=True, exist_ok=True)
    traveller = Traveller(bench.lab)
    traveller.remove()
    traveller.create("kvm1")
    made = Kills(bench, traveller)
    made.learn()
    yield made
    traveller.remove()


@pytest.mark.parametrize("victim", VICTIMS)
def test_what_dies_in_the_middle_of_a_move(kills: Kills, victim: str) -> None:
    assert_nothing_wrong(kills.run(victim, seed) for seed in range(SEED, SEED + POINTS))


def test_a_module_that_is_killed_while_the_vm_belongs_to_nobody(kills: Kills) -> None:
    assert_nothing_wrong(kills.run("sigkill", seed, at=HANDOVER) for seed in range(SEED, SEED + HANDOVERS))


def assert_nothing_wrong(outcomes: Iterable[Outcome]) -> None:
    wrong = []
    for outcome in outcomes:
        with ROWS.open("a") as file:
            file.write(f"{outcome.json()}\n")
        if outcome.wrong:
            wrong.append(outcome)
    assert not wrong
