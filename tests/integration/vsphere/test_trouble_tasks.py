# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that vSphere refuses, cannot finish or does not begin: the class says how, the message what and where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.integration.bench import assert_refused, steps_of
from tests.integration.vsphere.bench import HARD, OFF, ON, Bench
from tests.lab.vsphere.client import Rule
from tests.lab.vsphere.server import Layout

VM, HOST = "DC0_H0_VM0", "DC0_H0"
STOP: dict[str, Any] = {"name": VM, "state": "stopped", "shutdown": HARD}
START: dict[str, Any] = {"name": VM, "state": "running"}
BRIEF = {"timeout_seconds": 1}


STATES = {"requestedState": "poweredOff", "existingState": "suspended"}
FAULTS: list[tuple[Rule, str, list[str]]] = [
    (Rule(fault="GenericVmConfigFault", detail={"reason": "no disk"}), "BackendError", ["no disk", "Generic"]),
    (Rule(fault="SystemError", detail={"reason": "out of luck"}), "BackendError", ["out of luck", "SystemError"]),
    (Rule(fault="InsufficientMemoryResourcesFault"), "CapacityExceeded", ["InsufficientMemory"]),
    (Rule(fault="TaskInProgress"), "Busy", ["TaskInProgress"]),
    (Rule(fault="FileLocked"), "Busy", ["FileLocked"]),
    (Rule(fault="InvalidPowerState", detail=STATES), "InvalidState", ["InvalidPowerState"]),
]


@pytest.mark.parametrize("layout", [Layout(vms=len(FAULTS) + 1, on=True)], ids=["many VMs"])
@pytest.mark.parametrize("late", [False, True], ids=["refused", "fails half-way"])
def test_faults(bench: Bench, *, late: bool) -> None:
    """One VM each: its error is its own, and the others go on."""
    names = [f"DC0_H0_VM{number}" for number in range(len(FAULTS) + 1)]
    rules = zip(names, (rule for rule, *_expected in FAULTS), strict=False)
    bench.control.faults(*(replace(rule, method="PowerOffVM_Task", object=name, task=late) for name, rule in rules))
    result = bench.run("vm_state", vms=names, state="stopped", shutdown=HARD)
    assert (result["error"], result["changed"]) == (FAULTS[0][1], True)
    *failed, good = zip(result["vms"], steps_of(result), strict=True)
    assert ("error" in good[0], good[1]) == (False, [("stop", "done")])
    for (vm, steps), (_rule, error, words) in zip(failed, FAULTS, strict=True):
        assert (vm["error"], vm["changed"], vm["after"]) == (error, late, {"state": "running"})
        assert steps == ([("stop", "failed")] if late else [])
        assert not [word for word in (f"stopping {vm['name']}", *words) if word not in vm["msg"]], vm["msg"]
    states = bench.witness.states()
    assert [states[name] for name in names] == [*[ON] * len(FAULTS), OFF]


@pytest.mark.parametrize(
    ("module", "options", "privilege", "place"),
    [
        ("vm_state", STOP, "VirtualMachine.Interact.PowerOff", VM),
        ("vm_snapshot", {"name": VM, "snapshot": "one"}, "VirtualMachine.State.CreateSnapshot", VM),
        ("vm", {"name": "new", "host": HOST, "memory_bytes": "32M"}, "VirtualMachine.Inventory.Create", "vm"),
    ],
)
def test_a_right_that_is_missing(
    bench: Bench, module: str, options: dict[str, Any], privilege: str, place: str
) -> None:
    viewer = bench.sim.connection(username=bench.sim.viewer)
    bench.refused("PermissionDenied", privilege, f" on {place} (", module=module, hypervisor=viewer, **options)


def test_a_host_that_is_gone(bench: Bench) -> None:
    bench.control.connect_host(HOST, connected=False)
    bench.refused("InvalidState", VM, "host is disconnected", **STOP)
    seen = bench.run("vm_info", name=VM)["vm"]
    assert (seen["state"], seen["state_reason"]) == ("unknown", "its host is disconnected")


def test_a_host_that_goes_meanwhile(bench: Bench) -> None:
    bench.control.delays(PowerOffVM_Task=0.5)
    process = bench.begin("vm_state", **STOP)
    bench.wait_for_call("PowerOffVM_Task")
    bench.control.connect_host(HOST, connected=False)
    result = process.result()
    assert (result["error"], result["vm"]["after"]) == ("InvalidState", {"state": "unknown"})


@pytest.mark.parametrize("layout", [Layout(vms=1)], ids=["stopped"])
def test_a_vm_that_goes_meanwhile(bench: Bench) -> None:
    bench.control.delays(PowerOnVM_Task=0.5)
    process = bench.begin("vm_state", **START)
    bench.wait_for_call("PowerOnVM_Task")
    bench.witness.remove(VM)
    assert_refused(process.result(), "NotFound", f"starting {VM}")


@pytest.mark.parametrize("layout", [Layout(vms=1)], ids=["stopped"])
def test_a_vm_that_goes_before_it_is_removed(bench: Bench) -> None:
    bench.control.delays(UnregisterVM=0.5)
    process = bench.begin("vm", name=VM, state="absent")
    bench.wait_for_call("UnregisterVM")
    bench.witness.remove(VM)
    assert "error" not in process.result()
    assert bench.run("vm", name=VM, state="absent")["changed"] is False


@pytest.mark.parametrize("layout", [Layout(vms=1)], ids=["stopped"])
def test_a_question_that_holds_a_task_up(bench: Bench) -> None:
    bench.control.delays(PowerOnVM=60)
    process = bench.begin("vm_state", **START)
    bench.wait_for_call("WaitForUpdatesEx")
    bench.control.question(VM, "Did you move this VM, or did you copy it?")
    result = process.result()
    assert (result["error"], steps_of(result)) == ("InvalidState", [[("start", "failed")]])
    assert f"starting {VM}: it waits for an answer to: Did you move this VM, or did you copy it?" in result["msg"]
    assert process.seconds < 30


def test_a_question_that_was_asked_before(bench: Bench) -> None:
    bench.control.question(VM, "There is no more space for the disk. Retry?")
    result = bench.run("vm_state", **STOP)
    assert (result["error"], result["vm"]["after"]) == ("InvalidState", {"state": "running"})
    assert "There is no more space for the disk. Retry?" in result["msg"]
    assert "no more space" in bench.run("vm_info", name=VM)["vm"]["state_reason"]


def test_a_guest_that_does_not_listen(bench: Bench) -> None:
    bench.control.guest(VM, "deaf")
    bench.wait_for_guest(VM)
    result = bench.run("vm_state", name=VM, state="stopped", shutdown=BRIEF)
    assert (result["error"], steps_of(result)) == ("Timeout", [[("shutdown", "timeout")]])
    assert f"shutdown of {VM} did not end within 1 seconds" in result["msg"]
    assert result["vm"]["after"] == {"state": "running"}
    result = bench.run("vm_state", name=VM, state="stopped", shutdown=BRIEF | {"on_timeout": "force"})
    assert ("error" in result, steps_of(result)) == (False, [[("shutdown", "timeout"), ("stop", "done")]])
    assert bench.witness.states()[VM] == OFF


def test_a_vm_without_guest(bench: Bench) -> None:
    bench.control.guest(VM, "none")
    bench.refused("Unsupported", VM, "VMware Tools", "hard", name=VM, state="stopped")
    wait = {"guest": True, "timeout_seconds": 1}
    bench.refused("Timeout", VM, "within 1 seconds", name=VM, state="running", wait_for=wait)
