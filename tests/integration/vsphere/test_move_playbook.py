# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM moves by the playbook that moves VMs everywhere."""

from __future__ import annotations

from tests.integration.truth import moved_by_playbook
from tests.integration.vsphere.bench import ON, Bench


def test_the_playbook_moves_a_vm_while_it_runs(bench: Bench) -> None:
    vm = "DC0_C0_RP0_VM0"
    with bench.witness.vm(vm) as found:
        here = found.runtime.host
        (target,) = (host.name for host in here.parent.host if host != here)
    moved = moved_by_playbook(bench, vm, target)
    assert moved["steps"][0]["mode"] == "live"
    assert bench.witness.states()[vm] == ON
    with bench.witness.vm(vm) as found:
        assert found.runtime.host.name == target
