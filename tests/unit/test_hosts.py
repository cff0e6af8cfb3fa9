# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts are found, planned all before the first is changed, and reported as VMs are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.harness import Result, play
from tests.unit.world import World


def maintain(world: World, *, check_mode: bool = False, **options: Any) -> Result:
    return play(world, "host_maintenance", check_mode=check_mode, **{"state": "maintenance", **options})


def test_many_hosts_are_one_task() -> None:
    world = World("kvm1", "kvm2", "kvm3")
    result = maintain(world, hosts=["kvm3", "kvm1"])
    assert [(one["name"], one["after"]) for one in result["hosts"]] == [
        ("kvm3", {"state": "maintenance"}),
        ("kvm1", {"state": "maintenance"}),
    ]
    assert {name: site.maintenance for name, site in world.sites.items()} == {"kvm1": True, "kvm2": False, "kvm3": True}
    assert result["diff"][0]["before_header"] == "kvm3 (kvm3)"
    assert maintain(world, hosts=["kvm3", "kvm1"])["changed"] is False
    assert maintain(world, host="kvm1", state="up")["host"]["after"] == {"state": "up"}


def test_one_that_is_refused_keeps_all_as_they_are() -> None:
    world = World("kvm1", "kvm2")
    world.add("web1", "kvm2", "running")
    result = maintain(world, hosts=["kvm1", "kvm2"])
    assert (result["error"], result["changed"], world.writes) == ("InvalidState", False, [])
    assert result["hosts"][0]["msg"] == "not begun: nothing is changed when one host of a task is refused"
    assert "web1 (running)" in result["hosts"][1]["msg"]


def test_vms_of_other_hosts_and_templates_are_not_in_the_way() -> None:
    world = World("kvm1", "kvm2")
    world.add("web1", "kvm2", "running")
    world.add("web2", "kvm1", "suspended")
    assert maintain(world, host="kvm1")["changed"] is True


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"host": "kvm9"}, "NotFound", "there is no host 'kvm9'; there are kvm1, kvm2"),
        ({"hosts": []}, "InvalidOption", "at least one host"),
        ({"hosts": ["kvm1", "kvm1"]}, "InvalidOption", "names 'kvm1' twice"),
        ({}, "InvalidOption", "host, hosts"),
        ({"host": "kvm1", "hosts": ["kvm2"]}, "InvalidOption", "mutually exclusive"),
    ],
)
def test_hosts_that_cannot_be_meant_are_named(options: dict[str, Any], error: str, said: str) -> None:
    world = World("kvm1", "kvm2")
    result = maintain(world, **options)
    assert (result["error"], world.writes) == (error, [])
    assert said in result["msg"]
    assert "vms" not in result


def test_while_an_endpoint_is_silent_no_host_is_known_for_sure() -> None:
    world = World("kvm1", "kvm2")
    world.sites["kvm2"].down = True
    result = maintain(world, host="kvm1", hypervisor={"unreachable": "warn"})
    assert (result["error"], world.writes) == ("ConnectionFailed", [])


def test_where_vms_could_go_is_not_told_while_an_endpoint_is_silent() -> None:
    world = World("kvm1", "kvm2", "kvm3")
    world.add("web1", "kvm1", "running")
    world.sites["kvm2"].down = True
    hypervisor = {"unreachable": "warn"}
    uuid = world.machine("web1").uuid
    assert play(world, "placement_info", uuid=uuid, hypervisor=hypervisor)["error"] == "ConnectionFailed"


def test_a_host_that_is_not_there_cannot_be_chosen() -> None:
    world = World("kvm1", "kvm2")
    world.add("web1", "kvm1", "running")
    result = play(world, "placement_info", name="web1", hosts=["kvm2", "kvm7"])
    assert (result["error"], result["placements"]) == ("InvalidOption", [])
    assert "there is no host 'kvm7'; there are kvm1, kvm2" in result["msg"]
