# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures as Markdown, with what one has to know to judge them."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.measuring import Cost

HEAD = """\
# Benchmarks on {hypervisor}

Written by `make bench BACKEND={backend}` on {date}, with a load of {load} before. Other machines have other figures:
the ratios tell more than the seconds.

"""


def head(hypervisor: str, backend: str, load: float, versions: dict[str, str]) -> str:
    """Return the beginning of a page."""
    facts = {"machine": machine(), **versions}
    text = HEAD.format(hypervisor=hypervisor, backend=backend, date=datetime.now(UTC).date(), load=f"{load:.1f}")
    return text + table(["", ""], ["---", "---"], [[name, value] for name, value in facts.items()])


def machine() -> str:
    """Return what it runs on."""
    model = next(line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"{model}, {os.cpu_count()} CPUs, {gigabytes:.0f} GiB, Linux {platform.release()}"


def table(titles: Sequence[str], rules: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; an empty title is an empty cell."""
    return "".join(f"| {' | '.join(cells)} |\n".replace("  ", " ") for cells in (titles, rules, *rows))


def figures(cost: Cost, ours: Cost) -> list[str]:
    """Return four cells: both costs, each with its ratio to ours."""
    cpu, wall = cost.cpu_seconds, cost.wall_seconds
    return [f"{cpu:.2f}", f"{cpu / ours.cpu_seconds:.2f}", f"{wall:.2f}", f"{wall / ours.wall_seconds:.2f}"]
