# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves that fail, are told to stop, or of which an answer is lost: the VM is whole, at one of two places."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.bench import Module, Result, steps_of
from tests.integration.vsphere.bench import ON, Bench
from tests.integration.vsphere.whereabouts import whereabouts
from tests.lab.vsphere.client import Rule
from tests.lab.vsphere.server import Layout, Simulator

VM, OTHER, PATH = "DC0_C0_RP0_VM0", "DC0_C0_RP0_VM1", "/DC0/vm/DC0_C0_RP0_VM0"
HERE, THERE = "DC0_C0_H0", "DC0_C0_H1"
MOVE: dict[str, Any] = {"name": VM, "target": {"host": THERE}}
LONG_SECONDS = 60


@pytest.fixture
def layout() -> Layout:
    return Layout(vms=2, datastores=2, on=True, guest="tools")


def host(bench: Bench) -> str:
    """Say where the VM is; it runs."""
    found = whereabouts(bench.sim.govc, PATH)
    assert found.state == ON
    return found.host


def under_way(bench: Bench, seconds: float, **options: Any) -> Module:
    """Begin a move that takes its time, and wait until vSphere works on it."""
    bench.control.delays(RelocateVM=seconds)
    process = bench.begin("vm_migrate", **(MOVE | options))
    bench.wait_for_call("RelocateVM_Task")
    return process


def done_at_last(bench: Bench, **options: Any) -> None:
    """Run the task again when all is well."""
    bench.control.faults()
    bench.control.delays()
    result = bench.run("vm_migrate", **(MOVE | options))
    assert (result.get("error"), host(bench)) == (None, THERE)


def test_one_that_fails_half_way(bench: Bench) -> None:
    """The others go on; the one is where it was, and the result says so."""
    rule = Rule("RelocateVM_Task", object=VM, fault="GenericVmConfigFault", detail={"reason": "no luck"}, task=True)
    bench.control.faults(rule)
    target = {"host": THERE, "storage": "LocalDS_1"}
    before = whereabouts(bench.sim.govc, PATH)
    result = bench.run("vm_migrate", vms=[VM, OTHER], target=target)
    assert (result["error"], result["changed"]) == ("BackendError", True)
    failed, good = result["vms"]
    assert (failed["error"], steps_of(result)) == ("BackendError", [[("migrate", "failed")], [("migrate", "done")]])
    assert "no luck" in failed["msg"]
    assert failed["found"] == [{"host": HERE, "name": VM, "state": "running"}]
    assert (failed["before"], good.get("error")) == (failed["after"], None)
    assert whereabouts(bench.sim.govc, PATH) == before
    done_at_last(bench)


def test_one_that_vsphere_refuses(bench: Bench) -> None:
    bench.control.faults(Rule("RelocateVM_Task", fault="TaskInProgress"))
    bench.refused("Busy", f"moving {VM}", module="vm_migrate", **MOVE)
    done_at_last(bench)


def test_a_new_name_that_fails(bench: Bench) -> None:
    """It has moved already; the second run does the rest."""
    bench.control.faults(Rule("Rename_Task", fault="GenericVmConfigFault", detail={"reason": "no luck"}, task=True))
    vm_id = bench.run("vm_info", name=VM)["vm"]["id"]
    task = {"id": vm_id, "target": {"host": THERE, "name": "web1"}}
    result = bench.run("vm_migrate", **task)
    assert (result["error"], result["vm"]["after"]["host"], result["vm"]["after"]["name"]) == (
        "BackendError",
        THERE,
        VM,
    )
    bench.control.faults()
    bench.control.reset()
    assert bench.run("vm_migrate", **task)["vm"]["after"] == {"host": THERE, "name": "web1", "state": "running"}
    assert (bench.called("RelocateVM_Task"), bench.called("Rename_Task")) == (0, 1)


def test_a_session_that_ends_meanwhile(bench: Bench) -> None:
    process = under_way(bench, 2)
    bench.control.end_sessions()
    result = process.result()
    assert (result.get("error"), steps_of(result), host(bench)) == (None, [[("migrate", "done")]], THERE)
    assert bench.called("RelocateVM_Task") == 1


def test_a_cut_before_it_begins(bench: Bench) -> None:
    bench.control.faults(Rule("RelocateVM_Task", drop="before", count=1))
    result = bench.run("vm_migrate", **MOVE)
    assert (result["error"], steps_of(result)) == ("ConnectionFailed", [[("migrate", "failed")]])
    assert result["vm"]["found"] == [{"host": HERE, "name": VM, "state": "running"}]
    assert (bench.called("RelocateVM_Task"), host(bench)) == (1, HERE)
    done_at_last(bench)


@pytest.mark.parametrize("seconds", [0, 4], ids=["at once", "in a while"])
def test_a_cut_after_it_has_begun(bench: Bench, seconds: float) -> None:
    """The task is found again among those of the VM, or the VM at its target."""
    bench.control.faults(Rule("RelocateVM_Task", drop="after", count=1))
    result = under_way(bench, seconds).result()
    assert (result.get("error"), steps_of(result), host(bench)) == (None, [[("migrate", "done")]], THERE)
    assert bench.called("RelocateVM_Task") == 1


def test_a_cut_and_a_failure_after_it_has_begun(bench: Bench) -> None:
    fault = Rule("RelocateVM_Task", fault="GenericVmConfigFault", detail={"reason": "no luck"}, task=True)
    bench.control.faults(Rule("RelocateVM_Task", drop="after", count=1), fault)
    result = under_way(bench, 4).result()
    assert (result["error"], host(bench)) == ("BackendError", HERE)
    assert "no luck" in result["msg"]


def test_a_task_that_is_told_to_stop(bench: Bench) -> None:
    process = under_way(bench, LONG_SECONDS)
    bench.wait_for_call("WaitForUpdatesEx")
    process.popen.send_signal(signal.SIGTERM)
    result = process.result()
    assert (result["error"], steps_of(result), host(bench)) == ("Cancelled", [[("migrate", "cancelled")]], HERE)
    assert bench.called("CancelTask") == 1
    assert process.seconds < LONG_SECONDS / 2
    done_at_last(bench)


def test_a_deadline(bench: Bench) -> None:
    process = under_way(bench, LONG_SECONDS, timeout_seconds=3)
    result = process.result()
    assert (result["error"], steps_of(result), host(bench)) == ("Timeout", [[("migrate", "timeout")]], HERE)
    assert (bench.called("CancelTask"), result["vm"]["after"]["host"]) == (1, HERE)
    assert 0 <= result["vm"]["steps"][0]["progress"]["percent"] < 100


def progress(bench: Bench, **which: Any) -> Result:
    """Ask how far it is."""
    found: Result = bench.run("vm_info", gather=["progress"], **which)["vm"]
    return found


def test_a_second_run_waits_for_the_first(bench: Bench) -> None:
    """A module that was killed leaves its task to vSphere; whoever asks again hears how it ends."""
    assert progress(bench, name=VM)["progress"] == {}
    process = under_way(bench, 8)
    process.popen.kill()
    process.end()
    seen = progress(bench, name=VM)
    assert (seen["state"], 0 <= seen["progress"]["percent"] < 100) == ("changing", True)
    again = bench.run("vm_migrate", **MOVE)
    assert (again.get("error"), again["changed"], host(bench)) == (None, False, THERE)
    assert bench.called("RelocateVM_Task") == 1
    assert progress(bench, name=VM)["progress"] == {}
    bench.control.end_sessions()


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_cut_on_the_way_to_another_vcenter(bench: Bench, tmp_path: Path, drop: str) -> None:
    with Simulator.start(Layout(name="vcenter2", seed="other", vms=0), log=tmp_path / "log") as other:
        bench.control.faults(Rule("RelocateVM_Task", drop=drop, count=1))
        target = {"hypervisor": other.connection(), "host": HERE}
        result = bench.run("vm_migrate", name=VM, target=target)
        at_home, away = PATH in bench.sim.govc.paths(), PATH in other.govc.paths()
        assert (at_home, away) == ((True, False) if drop == "before" else (False, True))
        assert result.get("error") == ("ConnectionFailed" if at_home else None)
        again = bench.run("vm_migrate", name=VM, target=target)
        assert (again.get("error"), again["changed"], other.govc.state(PATH)) == (None, at_home, ON)
        assert other.control.sessions() == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["told to stop", "killed"])
@pytest.mark.parametrize("call", ["CheckRelocate_Task", "RelocateVM_Task", "ModifyListView"])
def test_an_end_on_the_way_to_another_vcenter(bench: Bench, tmp_path: Path, call: str, how: signal.Signals) -> None:
    """Whenever the module ends there is one VM, which runs; a second run brings it to where it was to be."""
    with Simulator.start(Layout(name="vcenter2", seed="other", vms=0), log=tmp_path / "log") as other:
        bench.control.delays(RelocateVM=1)
        task: dict[str, Any] = {"name": VM, "target": {"hypervisor": other.connection(), "host": HERE}}
        process = bench.begin("vm_migrate", **task)
        bench.wait_for_call(call)
        process.popen.send_signal(how)
        process.end()
        again = bench.run("vm_migrate", **task)
        assert again.get("error") is None, again
        assert PATH not in bench.sim.govc.paths()
        assert (other.govc.paths(), other.govc.state(PATH)) == ([PATH], ON)
        for sim in (bench.sim, other):
            assert sim.control.end_sessions() == 0 or how is signal.SIGKILL
