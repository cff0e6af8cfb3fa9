# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests against the lab share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.libvirt.bench import Bench
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


@pytest.fixture(scope="module")
def guest(bench: Bench) -> Iterator[str]:
    """A VM on kvm1 whose guest answers."""
    bench.machines.guest("kvm1", "it-guest")
    bench.lab.wait_for_agent("kvm1", "it-guest", timeout_seconds=60)
    yield "it-guest"
    bench.machines.clear("it-guest")


@pytest.fixture(scope="module")
def bare(bench: Bench) -> Iterator[str]:
    """A stopped VM on kvm1 that never hears anything."""
    bench.machines.bare("kvm1", "it-bare", disk=True)
    yield "it-bare"
    bench.machines.remove("kvm1", "it-bare")


@pytest.fixture(scope="module")
def twins(bench: Bench) -> Iterator[str]:
    """Two stopped VMs of one name, on two hosts."""
    for host in ("kvm1", "kvm2"):
        bench.machines.bare(host, "it-twin")
    yield "it-twin"
    for host in ("kvm1", "kvm2"):
        bench.machines.remove(host, "it-twin")
