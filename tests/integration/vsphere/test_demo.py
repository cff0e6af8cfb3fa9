# SPDX-License-Identifier: GPL-3.0-or-later
"""crossvirt.lifecycle.demo on a simulated vCenter: the playbook of libvirt's demo, with other words."""

from __future__ import annotations

import pytest

from tests.integration.bench import ROOT
from tests.integration.vsphere.bench import Bench
from tests.lab.vsphere.lifecycle import define_roles
from tests.lab.vsphere.server import Layout

SOURCE = ROOT / "lab.crossvirt.yml"
WORDS = ROOT / "tests/lab/vsphere/demo.yml"


@pytest.fixture
def layout() -> Layout:
    return Layout(vms=1, datastores=2, local_datastores=True)


def test_four_vms_from_nothing_to_nothing(bench: Bench) -> None:
    define_roles(bench.sim.govc)
    before = bench.sim.govc.paths()
    played = bench.play("crossvirt.lifecycle.demo", "-i", str(SOURCE), "-e", f"@{WORDS}")
    assert bench.sim.govc.paths() == before
    assert "demo-web1   DC0_C0_H0  running" in played.printed
    assert "In the guest" not in played.printed  # nothing there can be asked to run a program
