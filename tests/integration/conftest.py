# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests against the lab share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.bench import Bench
from tests.lab.client import Lab
from tests.lab.commands import LabError, wait_until


@pytest.fixture(scope="session")
def lab() -> Lab:
    try:
        return Lab()
    except LabError as error:
        pytest.exit(str(error), returncode=3)


@pytest.fixture(scope="session")
def bench(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(lab, tmp_path_factory.mktemp("bench"))
    made.machines.clear()
    yield made
    made.machines.clear()


@pytest.fixture
def alone(bench: Bench) -> Iterator[None]:
    """Hold that a test leaves no connection on a host."""
    yield
    wait_until(lambda: not bench.clients(), "end of all connections to the hosts")
