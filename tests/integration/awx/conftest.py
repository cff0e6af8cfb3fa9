# SPDX-License-Identifier: GPL-3.0-or-later
"""A vCenter of its own for each test, and jobs with a credential for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.awx.credential import CredentialType
from tests.integration.awx.job import Job
from tests.integration.vsphere.bench import Bench
from tests.lab.vsphere.server import Layout, Simulator


@pytest.fixture
def layout() -> Layout:
    """Two hosts in a cluster and one alone, with two VMs each that are off."""
    return Layout(vms=2, guest="tools")


@pytest.fixture
def bench(layout: Layout, tmp_path: Path) -> Iterator[Bench]:
    with Simulator.start(layout) as sim:
        yield Bench(sim, tmp_path)


@pytest.fixture
def inputs(bench: Bench) -> dict[str, Any]:
    """What an administrator types into the form of a credential."""
    given = bench.sim.connection()
    return {
        "name": "default",
        "type": "vsphere",
        "hosts": given["hosts"] if isinstance(given["hosts"], str) else "\n".join(given["hosts"]),
        "port": str(given["port"]),
        "username": given["username"],
        "password": given["password"],
        "ca": Path(given["ca_path"]).read_text(),
    }


@pytest.fixture
def job(tmp_path: Path, inputs: dict[str, Any]) -> Job:
    return Job(tmp_path, CredentialType.read("hypervisor"), inputs)
