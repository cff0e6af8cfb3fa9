# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests against the Xen lab share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.xen.bench import Bench
from tests.lab.commands import LabError
from tests.lab.xen.client import XenLab


@pytest.fixture(scope="session")
def lab() -> XenLab:
    try:
        return XenLab()
    except LabError as error:
        pytest.exit(str(error), returncode=3)


@pytest.fixture(scope="session")
def bench(lab: XenLab, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(lab, tmp_path_factory.mktemp("bench"))


@pytest.fixture
def traveller(bench: Bench) -> Iterator[Bench]:
    """The bench with a VM on xen1 whose guest answers, and that has a mark in memory and one on its disk."""
    bench.remove()
    bench.create("xen1")
    bench.lab.guest_exec("xen1", "it-traveller", "echo memory > /run/mark; echo disk > /data/mark; sync")
    yield bench
    bench.remove()
