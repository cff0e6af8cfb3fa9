# SPDX-License-Identifier: GPL-3.0-or-later
"""Made VMs are what was asked for, copies hold what their source holds, and removed ones leave what they should."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability, Driver

from tests.conformance.bed import Bed, Start
from tests.conformance.results import Results
from tests.unit.harness import Result


@pytest.fixture
def name(bed: Bed) -> Iterator[str]:
    """The name of a VM that is not there yet, and that is gone afterwards."""
    free = bed.free_name()
    yield free
    bed.forget(free)


def make(bed: Bed, name: str, **options: Any) -> Result:
    result = bed.run("vm", {"name": name, "host": bed.words()["host"], **options})
    assert "error" not in result, result["msg"]
    vm: Result = result["vm"]
    return vm


def info(bed: Bed, name: str) -> Result:
    parts = ["labels", "config", "disks", "nics"]
    (vm,) = bed.run("vm_info", {"name": name, "gather": parts})["vms"]
    found: Result = vm
    return found


def test_a_new_vm_is_what_was_asked_for(bed: Bed, name: str) -> None:
    words = bed.words()
    mib = 1024 * 1024
    disks = [{"size_bytes": 2 * mib, "storage": words["storage"]}, {"size_bytes": 3 * mib, "storage": words["storage"]}]
    asked = {"cpus": 2, "memory_bytes": 64 * mib, "notes": "<b>&amp;\nü", "labels": bed.labels}
    made = make(bed, name, **asked, disks=disks, nics=[{"network": words["network"], "mac": "52:54:00:c0:ff:ee"}])
    assert bed.exists(name)
    assert bed.state(name) == made["after"]["state"] == "stopped"
    volumes = {volume["volume"] for volume in made["steps"][0]["volumes"]}
    assert len(volumes) == 2
    assert volumes <= bed.volumes()
    vm = info(bed, name)
    assert (vm["cpus"], vm["memory_bytes"], vm["labels"]) == (2, 64 * mib, asked["labels"])
    assert vm["config"]["notes"] == asked["notes"]
    assert [(disk["size_bytes"], disk["storage"]) for disk in vm["disks"]] == [
        (disk["size_bytes"], disk["storage"]) for disk in disks
    ]
    assert [(nic["network"], nic["mac"]) for nic in vm["nics"]] == [(words["network"], "52:54:00:c0:ff:ee")]


def test_a_disk_made_from_an_image_holds_the_image(bed: Bed, name: str) -> None:
    words = bed.words()
    disk = {"storage": words["storage"], "image": {"storage": words["storage"], "volume": words["volume"]}}
    make(bed, name, memory_bytes="32M", disks=[disk])
    assert bed.content(name) == bed.content_of_image()


@pytest.mark.parametrize("mode", ["full", "linked"])
def test_a_copy_holds_what_its_source_holds(
    bed: Bed, driver: Driver, name: str, mode: str, results: Results, request: pytest.FixtureRequest
) -> None:
    source = bed.vm(Start("stopped", "agent"))
    bed.write(source, "of the source")
    before = bed.content(source)
    options = {"name": name, "host": bed.words()["host"], "clone": {"source": {"name": source}, "mode": mode}}
    volumes = bed.volumes()
    result = bed.run("vm", options)
    if refused := driver.refuses(Capability.CLONE):
        assert (result["error"], bed.volumes(), bed.exists(name)) == ("Unsupported", volumes, False)
        assert refused in result["msg"]
        return
    if result.get("error") == "Unsupported" and mode == "linked":
        results.refuse(request.node.nodeid, "a linked clone of a VM that can write to its disks", result["msg"])
        assert (bed.volumes(), bed.exists(name)) == (volumes, False)
        return
    assert "error" not in result, result["msg"]
    assert bed.content(name) == before
    one, other = info(bed, source), info(bed, name)
    assert one["uuid"] != other["uuid"]
    assert not {nic["mac"] for nic in one["nics"]} & {nic["mac"] for nic in other["nics"]}
    assert one["memory_bytes"] == other["memory_bytes"]
    bed.write(name, "of the copy")
    assert bed.content(name) != before
    assert bed.content(source) == before


@pytest.mark.parametrize("remove", [[], ["disks"]])
def test_a_removed_vm_leaves_its_disks_unless_they_go_too(bed: Bed, name: str, remove: list[str]) -> None:
    disk = {"size_bytes": 1024 * 1024, "storage": bed.words()["storage"]}
    made = make(bed, name, memory_bytes="32M", disks=[disk])
    (volume,) = {one["volume"] for one in made["steps"][0]["volumes"]}
    assert volume in bed.volumes()
    result = bed.run("vm", {"name": name, "state": "absent", "remove": remove})
    assert "error" not in result, result["msg"]
    assert (result["changed"], result["vm"]["after"], bed.exists(name)) == (True, {}, False)
    assert (volume in bed.volumes()) == (not remove)


def test_a_name_that_is_taken_on_another_host_is_not_made_again(bed: Bed) -> None:
    taken = bed.vm(Start("stopped"), bed.hosts[-1])
    result = bed.run("vm", {"name": taken, "host": bed.words()["host"], "memory_bytes": "33M"})
    assert (result["error"], result["changed"]) == ("InvalidState", False)


def test_an_address_that_is_in_use_is_not_given_twice(bed: Bed, name: str) -> None:
    words = bed.words()
    nics = [{"network": words["network"], "mac": "52:54:00:c0:ff:ee"}]
    given: dict[str, Any] = {"memory_bytes": "32M", "nics": nics, "storage": words["storage"]}
    make(bed, name, **given)
    other = bed.free_name()
    result = bed.run("vm", {"name": other, "host": words["host"], **given})
    assert (result["error"], bed.exists(other)) == ("AlreadyExists", False)
