# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program costs, with all that it starts and waits for; several are run in turn, and medians count."""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.benchmarks.rivals import ENVIRONMENT
from tests.lab.commands import LabError


@dataclass(frozen=True)
class Cost:
    """User and system time of a process tree, and how long one has to wait for it."""

    cpu_seconds: float
    wall_seconds: float


def cost_of(argv: Sequence[str]) -> Cost:
    """Run a program once; raises LabError with what it said where it fails."""
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        process = subprocess.Popen(argv, env=ENVIRONMENT, stdout=said, stderr=subprocess.STDOUT)
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise LabError(f"{' '.join(argv)}: {said.read().decode(errors='replace')}")
    return Cost(usage.ru_utime + usage.ru_stime, wall)


def medians(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(median(cost.cpu_seconds for cost in costs), median(cost.wall_seconds for cost in costs))


def in_turn(programs: Mapping[str, Sequence[str]], rounds: int) -> dict[str, Cost]:
    """Run each once to warm up, then all in turn, so that what disturbs the machine disturbs all of them."""
    for argv in programs.values():
        cost_of(argv)
    costs = [{name: cost_of(argv) for name, argv in programs.items()} for _round in range(rounds)]
    return {name: medians([cost[name] for cost in costs]) for name in programs}
