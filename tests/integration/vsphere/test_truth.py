# SPDX-License-Identifier: GPL-3.0-or-later
"""Through ansible-playbook: check mode writes nothing and tells what is done, and a second run has nothing to do."""

from __future__ import annotations

import pytest

from tests.integration.truth import printed_diffs, told
from tests.integration.vsphere.bench import HARD, OFF, ON, Bench
from tests.lab.vsphere.server import Layout

CHANGED = [["DC0_C0_RP0_VM0", "DC0_C0_RP0_VM1"], ["DC0_H0_VM1"], ["DC0_H0_VM0"], ["new"], ["copy"], [], ["old"]]
REFUSED = {"A VM that differs is refused": "InvalidState"}


@pytest.fixture
def layout() -> Layout:
    return Layout(vms=3, on=True, guest="tools")


@pytest.fixture
def cells(bench: Bench) -> None:
    """Two VMs that are off, to be copied and to be removed."""
    small = {"host": "DC0_H0", "memory_bytes": "32M", "disks": [{"size_bytes": "1M"}]}
    assert "error" not in bench.run("vm", vms=["template", "old"], **small)
    bench.wait_for_guest("DC0_H0_VM1")


@pytest.mark.usefixtures("cells")
def test_check_mode_and_diff_tell_what_is_done(bench: Bench) -> None:
    before = bench.picture()
    bench.control.reset()
    check = bench.play("vsphere_cells.yml", "--check", "--diff")
    assert bench.control.writes() == {}
    assert bench.picture() == before
    real = bench.play("vsphere_cells.yml", "--diff")
    assert [told(result) for result in check.results] == [told(result) for result in real.results]
    assert [[vm["name"] for vm in result["vms"] if vm["changed"]] for result in real.results] == CHANGED
    assert {result["task"]: result["error"] for result in real.results if "error" in result} == REFUSED
    assert printed_diffs(check) == printed_diffs(real) == [name for names in CHANGED for name in names]
    states = bench.witness.states()
    assert "old" not in states
    ends = {
        "DC0_C0_RP0_VM0": OFF,
        "DC0_C0_RP0_VM1": OFF,
        "DC0_H0_VM0": ON,
        "DC0_H0_VM1": OFF,
        "new": OFF,
        "copy": OFF,
    }
    assert {name: states[name] for name in ends} == ends
    again = bench.play("vsphere_cells.yml", "--diff")
    assert not any(again.changed)
    assert {result["task"]: result["error"] for result in again.results if "error" in result} == REFUSED


@pytest.mark.parametrize("layout", [Layout(vms=25, on=True)], ids=["fifty VMs"])
def test_fifty_vms_are_one_login(bench: Bench) -> None:
    """One call begins each, and they are waited for together; what is there already costs no call."""
    stop = {"select": {"name": "DC0_*"}, "max_vms": 50, "state": "stopped", "shutdown": HARD, "parallel": 50}
    bench.control.reset()
    result = bench.run("vm_state", **stop)
    assert ("error" in result, len(result["vms"])) == (False, 50)
    calls = bench.control.calls().soap
    assert (calls["Login"], calls["Logout"], calls["PowerOffVM_Task"], calls["CreateFilter"]) == (1, 1, 50, 1)
    assert sum(calls.values()) <= 3 * 50
    assert set(bench.witness.states().values()) == {OFF}
    bench.control.reset()
    again = bench.run("vm_state", **stop)
    assert (again["changed"], bench.control.writes()) == (False, {})
    assert bench.control.calls().soap == {
        "RetrieveServiceContent": 1,
        "Login": 1,
        "CreateContainerView": 1,
        "RetrievePropertiesEx": 1,
        "Logout": 1,
    }
