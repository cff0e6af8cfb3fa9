# SPDX-License-Identifier: GPL-3.0-or-later
"""A vCenter of its own for each test: it starts in a fifth of a second, and nothing that a test did to it stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.vsphere.bench import Bench
from tests.lab.vsphere.server import Layout, Simulator


@pytest.fixture
def layout() -> Layout:
    """Two hosts in a cluster and one alone, with two running VMs each; modules of tests say what else they need."""
    return Layout(vms=2, on=True, guest="tools")


@pytest.fixture
def bench(layout: Layout, tmp_path: Path) -> Iterator[Bench]:
    """A simulator at which no session is left open, whatever happened."""
    with Simulator.start(layout) as sim:
        made = Bench(sim, tmp_path)
        yield made
        made.control.faults()
        assert made.control.sessions() == []
