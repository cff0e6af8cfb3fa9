# SPDX-License-Identifier: GPL-3.0-or-later
"""The course of a task: all planned before the first change, truthful check mode, limits, and reading."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.engine import Audience, Job, change
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    AlreadyExists,
    BackendError,
    ConnectionFailed,
    CrossvirtError,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Vm
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.plan import Plan
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.power import view
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.reading import survey
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.steps import Pause

from tests.unit.harness import connection_to, play
from tests.unit.memory import drivers_of
from tests.unit.world import World


def fleet(count: int, state: str = "running", **facts: Any) -> World:
    world = World()
    for number in range(count):
        world.add(f"vm{number:02}", list(world.sites)[number % 2], state, **facts)
    return world


def names(count: int) -> list[str]:
    return [f"vm{number:02}" for number in range(count)]


@pytest.mark.parametrize("check_mode", [False, True])
def test_fifty_in_one_task(*, check_mode: bool) -> None:
    world = fleet(50)
    result = play(world, "vm_state", vms=names(50)[::-1], state="stopped", parallel=50, check_mode=check_mode)
    assert [vm["name"] for vm in result["vms"]] == names(50)[::-1]
    assert all(vm["changed"] and vm["after"] == {"state": "stopped"} for vm in result["vms"])
    assert len(result["diff"]) == 50
    assert "vm" not in result
    assert world.writes == ([] if check_mode else ["shutdown"] * 50)
    assert world.calls.count("find_vms") == 2
    again = play(world, "vm_state", vms=names(50), state="stopped", parallel=50)
    assert again["changed"] is check_mode


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda world: world.machines.pop(), "NotFound"),
        (lambda world: world.add("vm49", uuid="another"), "Ambiguous"),
        (lambda world: setattr(world.machine("vm49"), "state", "unknown"), "InvalidState"),
        (lambda world: setattr(world.machine("vm49"), "state", "suspended"), "InvalidState"),
        (lambda world: setattr(world.machine("vm49"), "hears", False), "Unsupported"),
        (lambda world: setattr(world.machine("vm49"), "transient", True), "Unsupported"),
    ],
)
def test_nothing_is_changed_when_one_of_fifty_is_refused(spoil: Any, error: str, *, check_mode: bool) -> None:
    world = fleet(50)
    spoil(world)
    result = play(world, "vm_state", vms=names(50), state="stopped", check_mode=check_mode)
    assert result["error"] == error
    assert "nothing was changed" in result["msg"]
    assert (result["changed"], world.writes, result["diff"]) == (False, [], [])
    assert [vm["name"] for vm in result["vms"]] == names(50)
    assert [vm.get("error") for vm in result["vms"]] == [None] * 49 + [error]
    assert all(vm["msg"] and not vm["changed"] and "before" not in vm for vm in result["vms"])


def test_every_reason_is_told_at_once() -> None:
    world = fleet(2)
    result = play(world, "vm_state", vms=["no1", "vm00", "no2"], state="paused")
    assert [vm.get("error") for vm in result["vms"]] == ["NotFound", None, "NotFound"]
    assert "no1" in result["msg"]
    assert "no2" in result["msg"]


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"state": "paused"}, False),
        ({"state": "stopped"}, False),
        ({"state": "paused", "max_vms": 3}, False),
        ({"state": "paused", "max_vms": 2}, True),
        ({"state": "paused", "max_vms": 0}, True),
        ({"state": "reset"}, True),
        ({"state": "reset", "max_vms": 3}, False),
        ({"state": "stopped", "shutdown": {"method": "hard"}}, True),
        ({"state": "stopped", "shutdown": {"on_timeout": "force"}}, True),
        ({"state": "stopped", "discard_state": True}, True),
    ],
)
def test_a_selection_has_its_limit(options: dict[str, Any], *, refused: bool, check_mode: bool) -> None:
    world = fleet(3)
    result = play(world, "vm_state", select={"name": "vm*"}, check_mode=check_mode, **options)
    assert result.get("error") == ("CapacityExceeded" if refused else None)
    assert result["changed"] is not refused
    assert bool(world.writes) == (not refused and not check_mode)
    if refused:
        assert "3 VMs" in result["msg"]
        assert [vm["error"] for vm in result["vms"]] == ["CapacityExceeded"] * 3


def test_a_list_is_its_own_limit() -> None:
    assert play(fleet(3), "vm_state", vms=names(3), state="reset")["changed"]


def test_a_selection_is_ordered_and_may_be_empty() -> None:
    world = World()
    for name, host in (("b", "kvm1"), ("c", "kvm2"), ("a", "kvm2")):
        world.add(name, host, "running", labels={"role": ["web"]})
    world.add("d", "kvm1", "running", labels={"role": ["db"]})
    result = play(world, "vm_state", select={"labels": {"role": "web"}}, state="paused")
    assert [vm["name"] for vm in result["vms"]] == ["a", "b", "c"]
    nobody = play(world, "vm_state", select={"name": "z*"}, state="stopped")
    assert (nobody["changed"], nobody["vms"], nobody.get("error")) == (False, [], None)


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_is_changing_is_waited_for(*, check_mode: bool) -> None:
    world = fleet(2)
    world.machine("vm01").changing_reads = 2
    result = play(world, "vm_state", vms=names(2), state="paused", check_mode=check_mode)
    assert [vm["before"] for vm in result["vms"]] == [{"state": "running"}] * 2
    assert result["changed"]


def test_one_that_fails_costs_only_itself() -> None:
    world = fleet(3)
    world.machine("vm01").errors["pause"] = BackendError("disk full", code=28)
    result = play(world, "vm_state", vms=names(3), state="paused")
    assert (result["failed"], result["changed"], result["error"]) == (True, True, "BackendError")
    assert result["msg"] == "1 of 3 VMs failed: disk full"
    assert [vm["after"] for vm in result["vms"]] == [{"state": "paused"}, {"state": "running"}, {"state": "paused"}]
    failed = result["vms"][1]
    assert failed["steps"] == [{"action": "pause", "outcome": "failed"}]
    assert (failed["changed"], failed["code"]) == (True, 28)


def test_a_vm_that_is_not_as_planned_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    world = fleet(1)
    begin = world.begin
    monkeypatch.setattr(world, "begin", lambda machine, method, _work: begin(machine, method, lambda: None))
    result = play(world, "vm_state", name="vm00", state="paused")
    assert result["error"] == "InvalidState"
    assert result["vm"]["after"] == {"state": "running"}
    assert result["vm"]["steps"] == [{"action": "pause", "outcome": "done"}]


PARAMS: dict[str, Any] = {
    **dict.fromkeys(("name", "uuid", "id", "path", "select", "max_vms")),
    "parallel": 10,
    "on_failure": "continue",
}


def test_a_read_back_that_fails_is_told() -> None:
    world = fleet(2)

    class Broken(drivers_of(world)("memory")):  # type: ignore[misc]
        def get_vms(self, _ids: Any, _gather: Any = ()) -> dict[str, Vm]:
            raise ConnectionFailed(f"{self.host}: gone away")

    job = Job(plan=lambda _driver, vm, _params: Plan(view(vm), {"state": "paused"}, (Pause(),), view))
    result = carry_out(world, job, names(2), lambda _backend: Broken)
    assert result["changed"]
    assert [vm["error"] for vm in result["vms"]] == ["ConnectionFailed"] * 2
    assert [vm["steps"][0]["outcome"] for vm in result["vms"]] == ["done"] * 2


def carry_out(world: World, job: Job, vms: list[str], drivers: Any = None) -> dict[str, Any]:
    """Run a job of our own."""
    drivers = drivers or drivers_of(world)
    mine = replace(job, drivers=drivers)
    task = change(connection_to(world), PARAMS | {"vms": vms}, mine, check_mode=False, audience=Audience(print))
    return asyncio.run(task)


def absence(world: World, vms: list[str], missing: list[CrossvirtError]) -> dict[str, Any]:
    """Run a job for which some VMs need not be there."""

    async def answer(_endpoints: Any, absent: Any) -> list[Any]:
        assert [entry.ref.value for entry in absent] == vms[-len(missing) :]
        return list(missing)

    job = Job(plan=lambda _driver, vm, _params: Plan(view(vm), {"state": "paused"}, (Pause(),), view), missing=answer)
    return carry_out(world, job, vms)


def test_what_is_missing_is_answered_by_the_module() -> None:
    world = fleet(1)
    result = absence(world, ["vm00", "new1"], [AlreadyExists("its disk is there")])
    assert [vm.get("error") for vm in result["vms"]] == [None, "AlreadyExists"]
    assert world.writes == []


def test_planning_that_goes_wrong_in_an_unforeseen_way_is_refused() -> None:
    world = fleet(2)

    def plan(_driver: Any, vm: Vm, _params: Any) -> Plan:
        if vm.name == "vm01":
            raise ZeroDivisionError
        return Plan(view(vm), {"state": "paused"}, (Pause(),), view)

    result = carry_out(world, Job(plan=plan), names(2))
    assert [vm.get("error") for vm in result["vms"]] == [None, "BackendError"]
    assert world.writes == []


def test_every_endpoint_is_surveyed_in_order() -> None:
    world = World("kvm2", "kvm1")
    answers = asyncio.run(
        survey(connection_to(world), lambda driver: {"all": [driver.about()]}, warn=print, drivers=drivers_of(world))
    )
    rows = [row for answer in answers for row in answer["all"]]
    assert [(row["host"], row["endpoint"]) for row in rows] == [("kvm2", "kvm2"), ("kvm1", "kvm1")]


def test_documents_have_what_was_gathered_and_nothing_else() -> None:
    world = fleet(1, labels={"role": ["web"]})
    (bare,) = play(world, "vm_info", name="vm00")["vms"]
    assert not {"labels", "config", "disks", "nics", "snapshots", "guest", "limits", "transient"} & set(bare)
    assert (bare["state"], bare["path"], bare["hypervisor"], bare["type"]) == ("running", None, "memory", "libvirt")
    parts = ["labels", "config", "disks", "nics", "snapshots", "guest"]
    (full,) = play(world, "vm_info", name="vm00", gather=parts)["vms"]
    assert set(full) - set(bare) == set(parts)
    (by_label,) = play(world, "vm_info", select={"labels": {"role": "web"}})["vms"]
    assert by_label["labels"] == {"role": ["web"]}


def test_everything_is_read_in_one_go_and_in_order() -> None:
    world = fleet(20)
    result = play(world, "vm_info")
    assert [vm["name"] for vm in result["vms"]] == names(20)
    assert world.reads == ["find_vms"] * 2
    assert [vm["name"] for vm in play(world, "vm_info", vms=["vm03", "vm01"])["vms"]] == ["vm03", "vm01"]
    assert play(world, "vm_info", vms=["vm03", "no"])["error"] == "NotFound"
    assert play(world, "vm_info", select={"name": "no*"})["vms"] == []


@pytest.mark.parametrize("name", ["with space", "quo'te", 'quo"te', "ünïcode-名", "-dash", "$(id)", "<b>&amp;"])
def test_strange_names_are_names(name: str) -> None:
    world = World()
    world.add(name, state="running")
    result = play(world, "vm_state", vms=[name], state="paused")
    assert (result["vm"]["name"], result["vm"]["after"]) == (name, {"state": "paused"})
    assert result["diff"][0]["before_header"].startswith(name)
