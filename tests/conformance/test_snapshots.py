# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots hold what they say: trees are right, and a revert brings content back, compared by hash."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import NotFound
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Ref

from tests.conformance.bed import Bed, Start
from tests.conformance.results import Results
from tests.unit.harness import Result

pytestmark = pytest.mark.usefixtures("snapshots_are_there")


def snapshot(bed: Bed, vm: str, state: str, name: str, **options: Any) -> Result:
    result = bed.run("vm_snapshot", {"name": vm, "state": state, "snapshot": name, **options})
    assert "error" not in result, result["msg"]
    return result


def shown(bed: Bed, vm: str) -> list[Result]:
    (one,) = bed.run("vm_info", {"name": vm, "gather": ["snapshots"]})["vms"]
    snapshots: list[Result] = one["snapshots"]
    return snapshots


def current(trees: list[Result]) -> list[str]:
    """Return the names of all snapshots that claim to be the current one."""
    return [name for one in trees for name in ([one["name"]] if one["current"] else []) + current(one["children"])]


def test_a_tree_grows_where_the_vm_is(bed: Bed) -> None:
    vm = bed.vm(Start("stopped"))
    snapshot(bed, vm, "present", "base", description="a <b> & 'c'")
    snapshot(bed, vm, "present", "left")
    snapshot(bed, vm, "reverted", "base")
    snapshot(bed, vm, "present", "right")
    assert bed.snapshots(vm) == [["base"], ["base", "left"], ["base", "right"]]
    (root,) = trees = shown(bed, vm)
    assert (root["name"], root["description"], root["state"]) == ("base", "a <b> & 'c'", "stopped")
    assert sorted(child["name"] for child in root["children"]) == ["left", "right"]
    assert current(trees) == ["right"]
    assert root["created"].endswith(("Z", "+00:00"))
    snapshot(bed, vm, "absent", "base")
    assert bed.snapshots(vm) == [["left"], ["right"]]
    assert current(shown(bed, vm)) == ["right"]


@pytest.mark.parametrize("state", ["stopped", "running"])
def test_a_revert_brings_the_content_back(bed: Bed, state: str) -> None:
    vm = bed.vm(Start(state, "agent"))
    bed.write(vm, "first")
    first = bed.content(vm)
    snapshot(bed, vm, "present", "good", consistency="memory" if state == "running" else "crash")
    bed.write(vm, "second")
    assert bed.content(vm) != first
    snapshot(bed, vm, "present", "bad", consistency="memory" if state == "running" else "crash")
    result = snapshot(bed, vm, "reverted", "good")
    assert result["vm"]["after"]["state"] == bed.state(vm) == state
    assert bed.content(vm) == first
    snapshot(bed, vm, "absent", "good", children="remove")
    assert bed.snapshots(vm) == []
    assert bed.content(vm) == first


def test_a_snapshot_of_memory_is_gone_back_to_from_off(bed: Bed) -> None:
    vm = bed.vm(Start("running"))
    snapshot(bed, vm, "present", "awake", consistency="memory")
    assert "error" not in bed.run("vm_state", {"name": vm, "state": "stopped", "shutdown": {"method": "hard"}})
    result = snapshot(bed, vm, "reverted", "awake")
    assert (result["vm"]["before"]["state"], result["vm"]["after"]["state"]) == ("stopped", "running")
    assert bed.state(vm) == "running"


@pytest.mark.parametrize(("held", "now"), list(product(("running", "stopped", "suspended"), repeat=2)))
def test_after_a_revert_the_vm_is_in_the_state_that_the_snapshot_holds(bed: Bed, held: str, now: str) -> None:
    vm = bed.vm(Start(held))
    consistency = "memory" if held == "running" else "crash"
    options = {"name": vm, "snapshot": "held", "consistency": consistency}
    if (taken := bed.run("vm_snapshot", options)).get("error"):
        assert (taken["error"], bed.snapshots(vm)) == ("Unsupported", [])
        return
    (root,) = shown(bed, vm)
    assert root["state"] in (held, "stopped" if held == "suspended" else held)  # its saved memory may be left out
    for state in ("running", now) if now != held else ():
        assert "error" not in bed.run("vm_state", {"name": vm, "state": state, "shutdown": {"method": "hard"}})
    reverted = bed.run("vm_snapshot", {"name": vm, "state": "reverted", "snapshot": "held"})
    if reverted.get("error"):
        assert (reverted["error"], bed.state(vm)) == ("Unsupported", now)
        return
    assert (reverted["vm"]["before"]["state"], reverted["vm"]["after"]["state"]) == (now, root["state"])
    assert bed.state(vm) == root["state"]


def test_file_systems_at_rest_hold_what_the_guest_wrote(
    bed: Bed, results: Results, request: pytest.FixtureRequest
) -> None:
    vm = bed.vm(Start("running", "agent"))
    bed.write(vm, "written before")
    content = bed.content(vm)
    result = snapshot(bed, vm, "present", "quiet", consistency="filesystem", allow_unrevertable=True)
    assert result["vm"]["steps"][0]["consistency"] in ("filesystem", "memory")
    assert bed.snapshots(vm) == [["quiet"]]
    bed.write(vm, "written after")
    assert bed.content(vm) != content
    (root,) = shown(bed, vm)
    reverted = bed.run("vm_snapshot", {"name": vm, "state": "reverted", "snapshot": "quiet"})
    if "unrevertable" in root:
        assert reverted["error"] == "Unsupported"
        results.refuse(request.node.nodeid, "going back to a snapshot of file systems at rest", reverted["msg"])
    else:
        assert reverted["vm"]["after"]["state"] == bed.state(vm)
    snapshot(bed, vm, "absent", "quiet")
    assert bed.snapshots(vm) == []


def test_an_unknown_snapshot_cannot_be_gone_back_to_and_is_gone_already(bed: Bed, driver: Driver) -> None:
    (vm,) = driver.find_vms((Ref("name", bed.vm(Start("stopped"))),))
    with pytest.raises(NotFound):
        driver.revert_snapshot(vm.id, "no such snapshot").result(30)
    driver.delete_snapshot(vm.id, "no such snapshot").result(30)
