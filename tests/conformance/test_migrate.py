# SPDX-License-Identifier: GPL-3.0-or-later
"""Moved VMs are whole at their target and nowhere else; what cannot move stays as it is, and is told why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability, Driver

from tests.conformance.bed import Bed, Start
from tests.conformance.case import fill
from tests.conformance.results import Results
from tests.unit.harness import Result

STATES = ("running", "paused", "stopped")
Attempt = Callable[..., "Result | None"]
Make = Callable[..., str]
moves = pytest.mark.usefixtures("claimed")


@pytest.fixture
def make(bed: Bed) -> Iterator[Make]:
    """Makes VMs on the first host, which are gone afterwards, whatever they are called then."""
    made: list[str] = []

    def one(*arguments: Any, **facts: Any) -> str:
        made.append(bed.traveller(Start(*arguments, **facts)))
        return made[-1]

    yield one
    for name in made:
        bed.forget(name)


@pytest.fixture
def name(bed: Bed) -> Iterator[str]:
    """A name that no VM has yet; who has it then is gone afterwards."""
    free = bed.free_name()
    yield free
    bed.forget(free)


@pytest.fixture
def attempt(bed: Bed, driver: Driver, results: Results, request: pytest.FixtureRequest) -> Attempt:
    """Moves VMs, and holds the result to what check mode has said, to the witness, and to a second run.

    Returns None where this hypervisor cannot do `what`: then it is refused by name before anything is changed.
    """

    def move(what: str, *, always: bool = False, **options: Any) -> Result | None:
        with bed.watching() as writes:
            predicted = bed.run("vm_migrate", options, check_mode=True)
        assert writes == []
        done = bed.run("vm_migrate", options)
        if done.get("error") == predicted.get("error") == "Unsupported":
            nothing_moves = driver.refuses(Capability.MIGRATE)
            assert nothing_moves or not always, done["msg"]
            assert (done["changed"], predicted["msg"]) == (False, done["msg"])
            results.refuse(request.node.nodeid, Capability.MIGRATE.value if nothing_moves else what, done["msg"])
            return None
        assert "error" not in done, done["msg"]
        assert [vm["before"] for vm in predicted["vms"]] == [vm["before"] for vm in done["vms"]]
        assert [vm["after"] for vm in predicted["vms"]] == [vm["after"] for vm in done["vms"]]
        for vm in done["vms"]:
            assert bed.sightings(vm["name"]) == {vm["after"]["host"]: vm["after"]["state"]}
            assert [(step["action"], step["outcome"]) for step in vm["steps"]] == [("migrate", "done")]
        with bed.watching() as writes:
            again = bed.run("vm_migrate", options)
        assert (again.get("error"), again["changed"], writes) == (None, False, [])
        return done

    return move


def refused(bed: Bed, vm: str, error: str | None, *words: str, **options: Any) -> Result:
    """Run a move that must fail with this class, or any, and these words, and leave the VM and all volumes alone."""
    before = bed.sightings(vm), bed.volumes()
    for check_mode in (True, False):
        with bed.watching() as writes:
            result = bed.run("vm_migrate", {"name": vm, **options}, check_mode=check_mode)
        assert (result["error"], result["changed"], writes) == (error or result["error"], False, []), result["msg"]
        assert not [word for word in words if word not in result["msg"]], result["msg"]
    assert (bed.sightings(vm), bed.volumes()) == before
    return result


@pytest.fixture
def claimed(driver: Driver) -> None:
    """Skips what is about reasons, where nothing moves at all."""
    if reason := driver.refuses(Capability.MIGRATE):
        pytest.skip(reason)


@pytest.mark.parametrize("state", STATES)
def test_a_vm_moves_as_it_is_on_shared_storage(bed: Bed, make: Make, attempt: Attempt, state: str) -> None:
    vm, volumes = make(state, shared=True), bed.volumes()
    done = attempt(
        f"moving a VM that is {state}", always=state != "paused", name=vm, target={"host": bed.road()["target"]}
    )
    if done:
        assert done["vm"]["after"]["state"] == bed.state(vm) == state
        assert done["vm"]["steps"][0]["mode"] == ("cold" if state == "stopped" else "live")
        assert done["vm"]["steps"][0]["copied"] == []
        assert bed.volumes() == volumes


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_disks_that_the_target_does_not_see_come_along(bed: Bed, make: Make, attempt: Attempt, state: str) -> None:
    vm = make(state)
    content = bed.content(vm) if state == "stopped" else None
    done = attempt(f"moving a VM that is {state} with its disks", name=vm, target={"host": bed.road()["target"]})
    if done and content:
        assert bed.content(vm) == content


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_disks_move_alone(bed: Bed, make: Make, attempt: Attempt, state: str) -> None:
    vm, road = make(state), bed.road()
    content = bed.content(vm) if state == "stopped" else None
    done = attempt(f"moving the disks of a VM that is {state}", name=vm, target={"storage": road["fast"]})
    if not done:
        return
    assert done["vm"]["after"]["storage"] == [road["fast"]]
    assert done["vm"]["after"]["host"] == done["vm"]["before"]["host"]
    assert [one["storage"] for one in done["vm"]["steps"][0]["copied"]] == [road["fast"]]
    (shown,) = bed.run("vm_info", {"name": vm, "gather": ["disks"]})["vms"]
    assert [disk["storage"] for disk in shown["disks"]] == [road["fast"]]
    if content:
        assert bed.content(vm) == content


def test_a_guest_that_runs_goes_on(bed: Bed, make: Make, attempt: Attempt) -> None:
    vm = make("running", "agent")
    bed.write(vm, "before the move")
    before = bed.content(vm)
    if attempt("moving a guest that runs, with its disks", name=vm, target={"host": bed.road()["target"]}):
        assert bed.content(vm) == before
        bed.write(vm, "after the move")
        assert bed.content(vm) != before


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_vm_has_a_new_name_at_its_target(bed: Bed, make: Make, name: str, attempt: Attempt, state: str) -> None:
    vm = make(state, shared=True)
    target = {"host": bed.road()["target"], "name": name}
    done = attempt(f"renaming a VM that is {state} on its way", name=vm, target=target)
    if done:
        assert (done["vm"]["name"], bed.exists(vm), bed.exists(name)) == (name, False, True)
        assert bed.run("vm_migrate", {"uuid": done["vm"]["uuid"], "target": target})["changed"] is False


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_nics_are_plugged_into_other_networks(bed: Bed, make: Make, attempt: Attempt, state: str) -> None:
    vm, road, here = make(state, shared=True), bed.road(), bed.words()["network"]
    target = {"host": road["target"], "network_map": {here: road["lan"]}}
    if attempt(f"plugging a VM that is {state} into another network on its way", name=vm, target=target):
        (shown,) = bed.run("vm_info", {"name": vm, "gather": ["nics"]})["vms"]
        assert [nic["network"] for nic in shown["nics"]] == [road["lan"]]


def test_a_vm_moves_there_and_back(bed: Bed, make: Make, attempt: Attempt) -> None:
    vm, volumes = make("running", shared=True), bed.volumes()
    for host in (bed.road()["target"], bed.words()["host"]):
        if not attempt("moving a VM there and back", always=True, name=vm, target={"host": host}):
            return
    assert bed.sightings(vm) == {bed.words()["host"]: "running"}
    assert bed.volumes() == volumes


def test_two_vms_move_one_after_the_other(bed: Bed, make: Make, attempt: Attempt) -> None:
    vms, target = [make("running", shared=True), make("stopped", shared=True)], bed.road()["target"]
    asked = {"vms": vms[::-1], "target": {"host": target}, "per_host": 1}
    done = attempt("moving two VMs in one task", always=True, **asked)
    if done:
        assert [vm["name"] for vm in done["vms"]] == vms[::-1]
        assert [vm["after"]["host"] for vm in done["vms"]] == [target] * 2


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_vm_moves_to_another_connection(bed: Bed, make: Make, attempt: Attempt, state: str) -> None:
    if len(bed.hosts) == 1:
        pytest.skip("there is only one endpoint")
    here, there = (bed.hypervisor(host) for host in bed.hosts[:2])
    vm = make(state, shared=True)
    what = f"moving a VM that is {state} to another connection"
    done = attempt(what, name=vm, hypervisor=here, target={"hypervisor": there, **bed.abroad()})
    if done:
        assert bed.run("vm_info", {"hypervisor": there, "name": vm})["vms"][0]["state"] == state
        assert bed.run("vm_info", {"hypervisor": here, "name": vm})["error"] == "NotFound"


@moves
def test_a_name_that_is_taken(bed: Bed, make: Make) -> None:
    other, vm, target = make("stopped", shared=True), make("stopped", shared=True), bed.road()["target"]
    assert bed.run("vm_migrate", {"name": other, "target": {"host": target}})["changed"]
    refused(bed, vm, "AlreadyExists", other, target={"host": target, "name": other})


@moves
@pytest.mark.parametrize(
    ("target", "error"),
    [
        ({"host": "no such"}, "InvalidOption"),
        ({"host": "$target", "storage": "no such"}, "NotFound"),
        ({"host": "$target", "network_map": {"$network": "no such"}}, "NotFound"),
        ({"host": "$target", "network_map": {"no such": "$lan"}}, "InvalidOption"),
        ({"host": "$target", "storage_map": {"no such": "$fast"}}, "InvalidOption"),
    ],
    ids=str,
)
def test_what_is_not_there(bed: Bed, make: Make, target: dict[str, Any], error: str) -> None:
    refused(bed, make("stopped"), error, "no such", target=filled(bed, target))


@moves
@pytest.mark.parametrize(("state", "mode"), [("running", "cold"), ("paused", "cold"), ("stopped", "live")])
def test_a_mode_that_does_not_fit(bed: Bed, make: Make, state: str, mode: str) -> None:
    refused(bed, make(state), "InvalidState", state, mode, target=filled(bed, {"host": "$target"}), mode=mode)


@moves
def test_disks_that_are_not_to_be_copied(bed: Bed, make: Make) -> None:
    vm, words = make("stopped"), bed.words() | bed.road()
    result = refused(bed, vm, "InvalidState", "never", target={"storage": words["fast"]}, copy_storage="never")
    assert [one["error"] for one in result["vm"]["reasons"]] == ["InvalidState"]


@moves
def test_every_reason_at_once(bed: Bed, make: Make) -> None:
    target = {"host": "$target", "storage": "no such", "network_map": {"$network": "none such"}}
    result = refused(bed, make("stopped"), None, "no such", "none such", target=filled(bed, target), mode="live")
    reasons = [one["error"] for one in result["vm"]["reasons"]]
    assert sorted(reasons) == ["InvalidState", "NotFound", "NotFound"]
    assert result["error"] == reasons[0]


@moves
def test_snapshots_come_along_or_keep_the_vm(
    bed: Bed, make: Make, attempt: Attempt, results: Results, request: pytest.FixtureRequest
) -> None:
    vm, target = make("stopped", snapshots=("one", "two"), shared=True), {"host": bed.road()["target"]}
    told = bed.run("vm_migrate", {"name": vm, "target": target}, check_mode=True)
    if "error" in told:
        refused(bed, vm, "InvalidState", "snapshots", "one", target=target)
        results.refuse(request.node.nodeid, "moving a VM that has snapshots", told["msg"])
    else:
        assert attempt("moving a VM that has snapshots", always=True, name=vm, target=target)
    assert bed.snapshots(vm) == [["one"], ["one", "two"]]


def filled(bed: Bed, target: dict[str, Any]) -> dict[str, Any]:
    """Return a target with the bed's words in their places."""
    words: dict[str, Any] = fill(target, bed.words() | bed.road())
    return words
