# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program costs, with all that it starts and waits for; several are run in turn, and medians count."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.benchmarks.rivals import ENVIRONMENT
from tests.lab.commands import LabError


@dataclass(frozen=True)
class Cost:
    """User and system time of a process tree, how long one waits for it, and the memory of its largest process."""

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: float


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
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024)


def medians(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(
        median(cost.cpu_seconds for cost in costs),
        median(cost.wall_seconds for cost in costs),
        median(cost.peak_bytes for cost in costs),
    )


def in_turn(programs: Mapping[str, Sequence[str]], rounds: int, run: Callable[..., Cost] = cost_of) -> dict[str, Cost]:
    """Run all in turn, so that what disturbs the machine disturbs all of them."""
    costs = [{name: run(argv) for name, argv in programs.items()} for _round in range(rounds)]
    return {name: medians([cost[name] for cost in costs]) for name in programs}
