# SPDX-License-Identifier: GPL-3.0-or-later
"""The one shape in which results come back."""

from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.apply import Run
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.endpoints import Endpoint
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    AlreadyExists,
    Ambiguous,
    CrossvirtError,
    InvalidState,
    NotFound,
    Timeout,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import PowerState, Ref, Vm
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.plan import Fields, Plan
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.report import (
    applied,
    failure,
    planned,
    refused,
    task_result,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.steps import Shutdown, Start, Step, WaitForGuest

WHO = {"name": "web1", "id": "vm-1", "uuid": "u-1", "host": "kvm1"}


def vm(state: str) -> Vm:
    return Vm(name="web1", id="vm-1", uuid="u-1", host="kvm1", state=PowerState(state))


def view(one: Vm | None) -> Fields:
    return {"state": one.state} if one else {}


def a_run(*steps: Step, before: str = "running", after: str = "stopped") -> Run:
    return Run(Endpoint("kvm1"), "web1", Plan({"state": before}, {"state": after}, steps, view), vm(before))


def test_a_plan_is_shown_without_waits_and_outcomes() -> None:
    result = planned(a_run(Shutdown(), Start(), WaitForGuest(), after="running"), "dc1")
    assert result == {
        **WHO,
        "hypervisor": "dc1",
        "changed": True,
        "steps": [{"action": "shutdown"}, {"action": "start"}],
        "before": {"state": "running"},
        "after": {"state": "running"},
    }
    assert planned(a_run(WaitForGuest()), "dc1")["changed"] is False


@pytest.mark.parametrize(
    ("begun", "error", "now", "after", "reported"),
    [
        (True, None, vm("stopped"), {"state": "stopped"}, None),
        (True, None, vm("running"), {"state": "running"}, "InvalidState"),
        (True, None, None, {}, "InvalidState"),
        (True, Timeout("late"), vm("running"), {"state": "running"}, "Timeout"),
        (False, Timeout("late"), vm("running"), {"state": "running"}, "Timeout"),
    ],
)
def test_after_is_what_is_true(
    begun: bool,  # noqa: FBT001 - a column of the table
    error: CrossvirtError | None,
    now: Vm | None,
    after: Fields,
    reported: str | None,
) -> None:
    run = a_run(Shutdown())
    run.error = error
    if begun:
        run.steps.append({"action": "shutdown", "outcome": "done"})
    result = applied(run, now, "dc1")
    assert (result["changed"], result["after"], result.get("error")) == (begun, after, reported)
    assert {key: result[key] for key in WHO} == WHO


def test_facts_of_an_error_stand_beside_it() -> None:
    run = a_run(Start())
    run.error = AlreadyExists("the volume is there", left_behind=["web1.qcow2"])
    result = applied(run, vm("running"), "dc1")
    assert (result["error"], result["msg"], result["left_behind"]) == (
        "AlreadyExists",
        "the volume is there",
        ["web1.qcow2"],
    )


def test_who_is_not_known_is_called_as_it_was_asked_for() -> None:
    assert refused(Ref("uuid", "u-9"), NotFound("there is none"), "dc1") == {
        "uuid": "u-9",
        "hypervisor": "dc1",
        "changed": False,
        "steps": [],
        "error": "NotFound",
        "msg": "there is none",
    }
    innocent = refused(vm("running"), None, "dc1")
    assert "error" not in innocent
    assert "not begun" in innocent["msg"]


def one(name: str, *, changed: bool = False, error: CrossvirtError | None = None) -> dict[str, Any]:
    base = {"name": name, "id": name, "changed": changed, "before": {"n": 1}, "after": {"n": 2}}
    return {**base, **(error.report() if error else {})}


def test_a_task_sums_up() -> None:
    result = task_result([one("a", changed=True), one("b"), one("c", changed=True)])
    assert (result["changed"], len(result["vms"]), "vm" in result, "error" in result) == (True, 3, False, False)
    assert [entry["before_header"] for entry in result["diff"]] == ["a (a)", "c (c)"]
    assert result["diff"][0] == {
        "before_header": "a (a)",
        "after_header": "a (a)",
        "before": {"n": 1},
        "after": {"n": 2},
    }


def test_a_task_takes_the_first_errors_class_and_tells_each_reason_once() -> None:
    late, gone = Timeout("too late"), NotFound("no such VM")
    result = task_result([one("a"), one("b", error=late), one("c", error=gone), one("d", error=late)])
    assert (result["error"], result["msg"]) == ("Timeout", "3 of 4 VMs failed: too late; no such VM")
    whole = task_result([one("a", error=gone)], whole=True)
    assert (whole["msg"], whole["vm"]["error"]) == ("nothing was changed: no such VM", "NotFound")


def test_nothing_at_all_is_fine() -> None:
    assert task_result([]) == {"changed": False, "vms": [], "diff": []}


def test_a_failure_before_any_vm_keeps_its_facts() -> None:
    assert failure(Ambiguous("two", candidates=[1, 2])) == {
        "changed": False,
        "vms": [],
        "error": "Ambiguous",
        "msg": "two",
        "candidates": [1, 2],
    }
    assert failure(InvalidState("no"))["error"] == "InvalidState"
