# SPDX-License-Identifier: GPL-3.0-or-later
"""A host goes into maintenance when nothing runs there, takes no VMs then, and takes them again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability, Driver

from tests.conformance.bed import Bed, Start
from tests.unit.harness import Result

REFUSED = ("InvalidState", "Unsupported")


@pytest.fixture
def host(bed: Bed, driver: Driver) -> Iterator[str]:
    """The first host, on which nothing runs, and which takes VMs again afterwards."""
    if reason := driver.refuses(Capability.ENTER_MAINTENANCE):
        pytest.skip(reason)
    name = bed.words()["host"]
    off = {"select": {"host": name}, "state": "stopped", "shutdown": {"method": "hard"}, "discard_state": True}
    assert "error" not in bed.run("vm_state", off | {"max_vms": 100})
    yield name
    assert "error" not in maintenance(bed, name, "up")


def maintenance(bed: Bed, host: str, state: str, *, check_mode: bool = False) -> Result:
    return bed.run("host_maintenance", {"host": host, "state": state}, check_mode=check_mode)


def shown(bed: Bed, host: str) -> str:
    (state,) = {one["state"] for one in bed.run("host_info", {})["hosts"] if one["name"] == host}
    return str(state)


def test_check_mode_tells_the_truth_about_maintenance(bed: Bed, host: str) -> None:
    for wanted, action in (("maintenance", "enter_maintenance"), ("up", "exit_maintenance")):
        before = bed.in_maintenance(host)
        with bed.watching() as writes:
            told = maintenance(bed, host, wanted, check_mode=True)
        assert writes == []
        assert bed.in_maintenance(host) is before
        done = maintenance(bed, host, wanted)
        assert done["host"]["steps"] == [{"action": action, "outcome": "done"}]
        assert told["host"]["steps"] == [{"action": action}]
        assert [told[key] for key in ("changed", "diff")] == [done[key] for key in ("changed", "diff")]
        assert bed.in_maintenance(host) is (wanted == "maintenance")
        assert shown(bed, host) == done["host"]["after"]["state"] == wanted
        with bed.watching() as writes:
            again = maintenance(bed, host, wanted)
        assert (again["changed"], again["host"]["steps"], writes) == (False, [], [])


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_host_with_vms_that_are_not_off_is_refused(bed: Bed, host: str, state: str) -> None:
    vm = bed.vm(Start(state))
    for check_mode in (True, False):
        with bed.watching() as writes:
            refused = maintenance(bed, host, "maintenance", check_mode=check_mode)
        assert (refused["error"], refused["changed"], writes) == ("InvalidState", False, [])
        assert f"{vm} ({state})" in refused["host"]["msg"]
    assert (bed.state(vm), bed.in_maintenance(host)) == (state, False)


def test_a_host_in_maintenance_takes_no_vm(bed: Bed, host: str) -> None:
    vm, new = bed.vm(Start("stopped")), bed.free_name()
    assert "error" not in maintenance(bed, host, "maintenance")
    attempts: list[tuple[str, dict[str, Any]]] = [
        ("vm_state", {"name": vm, "state": "running"}),
        ("vm", {"name": new, "host": host, "memory_bytes": "32M"}),
    ]
    for module, options in attempts:
        result = bed.run(module, options)
        assert result["error"] in REFUSED
    assert (bed.state(vm), bed.exists(new)) == ("stopped", False)
    assert "error" not in maintenance(bed, host, "up")
    assert bed.run("vm_state", {"name": vm, "state": "running"})["vm"]["after"] == {"state": "running"}


def test_a_host_in_maintenance_is_left_and_not_come_to(bed: Bed, host: str, driver: Driver) -> None:
    if reason := driver.refuses(Capability.MIGRATE):
        pytest.skip(reason)
    there, vm = bed.road()["target"], bed.traveller(Start("stopped", shared=True))
    assert "error" not in maintenance(bed, host, "maintenance")
    assert bed.run("vm_migrate", {"name": vm, "target": {"host": there}})["vm"]["after"]["host"] == there
    back = bed.run("vm_migrate", {"name": vm, "target": {"host": host}})
    assert back["error"] == "InvalidState"
    assert list(bed.sightings(vm)) == [there]
    bed.forget(vm)


def test_vms_are_placed_on_another_host_that_takes_them(bed: Bed, host: str, driver: Driver) -> None:
    if reason := driver.refuses(Capability.MIGRATE):
        pytest.skip(reason)
    there, vm = bed.road()["target"], bed.vm(Start("running"))
    placed = bed.run("placement_info", {"name": vm})
    assert [one["host"] for one in placed["placements"]] == [host]
    assert placed["moves"][0]["target"]["host"] != host
    chosen = bed.run("placement_info", {"name": vm, "hosts": [there]})
    assert chosen["moves"] == [{"uuid": chosen["placements"][0]["uuid"], "target": {"host": there}}]
    nowhere = bed.run("placement_info", {"name": vm, "hosts": [host]})
    assert (nowhere["error"], nowhere["placements"]) == ("CapacityExceeded", [])
    assert f"{host} is where it is" in nowhere["msg"]
