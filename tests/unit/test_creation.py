# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that are not there: where they are made, what they copy, which addresses are free; on the reference driver."""

from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import BackendError, ConnectionFailed
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Nic

from tests.unit.harness import Result, play
from tests.unit.world import World

NEW: dict[str, Any] = {"memory_bytes": "1G", "disks": [{"size_bytes": "1G"}]}
MAC = "52:54:00:00:00:01"


@pytest.fixture
def world() -> World:
    world = World("kvm1", "kvm2")
    world.add("db1", "kvm1", nics=[Nic(network="default", mac=MAC.upper())])
    world.add("db2", "kvm2")
    return world


def refused(world: World, **options: Any) -> Result:
    """Run a task that nothing comes of."""
    result = play(world, "vm", **options)
    assert (result["changed"], world.writes) == (False, [])
    return result


def test_a_vm_is_made_once_and_as_check_mode_says(world: World) -> None:
    checked = play(world, "vm", check_mode=True, name="web1", host="kvm2", **NEW)
    assert world.writes == []
    made = play(world, "vm", name="web1", host="kvm2", **NEW)
    assert world.writes == ["create"]
    assert made["vm"]["uuid"] == world.machine("web1").uuid
    for step in made["vm"]["steps"]:
        assert step.pop("outcome") == "done"
    assert checked["vm"] == {key: value for key, value in made["vm"].items() if key not in ("id", "uuid")}
    again = play(world, "vm", name="web1", host="kvm2", **NEW)
    assert (again["changed"], world.writes) == (False, ["create"])


def test_entries_say_more_than_the_task(world: World) -> None:
    vms = ["web1", {"name": "web2", "cpus": "4", "host": "kvm2", "memory_bytes": "2G"}]
    result = play(world, "vm", vms=vms, host="kvm1", **NEW)
    assert [(vm["host"], vm["after"]["memory_bytes"], vm["after"].get("cpus")) for vm in result["vms"]] == [
        ("kvm1", 1024**3, None),
        ("kvm2", 2 * 1024**3, 4),
    ]


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"name": "web1", **NEW}, "InvalidOption", "kvm1, kvm2"),
        ({"name": "web1", "host": "kvm3", **NEW}, "InvalidOption", "kvm1, kvm2"),
        ({"uuid": "11111111-1111-1111-1111-111111111111", **NEW}, "NotFound", "only a name"),
        ({"name": "web1", "host": "kvm1", "cpus": 0, **NEW}, "InvalidOption", "cpus"),
        (
            {"name": "web1", "host": "kvm2", "nics": [{"network": "default", "mac": MAC}], **NEW},
            "AlreadyExists",
            "db1 on kvm1",
        ),
        (
            {
                "vms": ["web1", "web2"],
                "host": "kvm2",
                "nics": [{"network": "default", "mac": "52:54:00:00:00:02"}],
                **NEW,
            },
            "AlreadyExists",
            "web1, of this task",
        ),
        ({"name": "web1", "host": "kvm1", "clone": {"source": {"name": "nobody"}}}, "NotFound", "nobody"),
        ({"name": "web1", "host": "kvm1", "clone": {"source": {"name": "db2"}}}, "Unsupported", "on kvm2"),
        ({"vms": [{"name": "web1", "cpus": "many"}], **NEW}, "InvalidOption", "many"),
        ({"vms": [{"name": "web1", "state": "absent"}], **NEW}, "InvalidOption", "state"),
        ({"select": {"name": "*"}, **NEW}, "InvalidOption", "select"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is(
    world: World, options: dict[str, Any], error: str, word: str
) -> None:
    result = refused(world, **options)
    assert result["error"] == error
    assert word in result["msg"]


def test_one_that_cannot_be_made_holds_up_the_others(world: World) -> None:
    result = refused(world, vms=["web1", {"name": "web2", "host": "kvm9"}], host="kvm1", **NEW)
    assert [vm.get("error") for vm in result["vms"]] == [None, "InvalidOption"]


def test_a_silent_endpoint_could_hold_the_name(world: World) -> None:
    world.sites["kvm2"].connect_error = ConnectionFailed("nobody listens")
    result = refused(world, name="web1", host="kvm1", hypervisor={"unreachable": "warn"}, **NEW)
    assert result["error"] == "ConnectionFailed"


def test_a_clone_is_made_where_its_source_is(world: World) -> None:
    made = play(world, "vm", name="db3", host="kvm2", clone={"source": {"name": "db2"}}, notes="a copy")
    assert [step["action"] for step in made["vm"]["steps"]] == ["clone"]
    assert made["vm"]["after"] == {"state": "stopped", "host": "kvm2", "notes": "a copy"}


def test_absent_where_nothing_is_stays_so(world: World) -> None:
    result = refused(world, vms=["web1", {"uuid": "11111111-1111-1111-1111-111111111111"}], state="absent")
    assert "error" not in result
    assert [(vm["before"], vm["after"], "host" in vm) for vm in result["vms"]] == [({}, {}, False)] * 2


def test_what_is_made_can_be_removed(world: World) -> None:
    play(world, "vm", name="web1", host="kvm1", **NEW)
    gone = play(world, "vm", name="web1", state="absent", remove=["disks"])
    assert (gone["vm"]["before"], gone["vm"]["after"]) == ({"state": "stopped"}, {})
    assert [machine.name for machine in world.machines] == ["db1", "db2"]
    assert list(world.sites["kvm1"].volumes["default"]) == ["db1.qcow2"]


def test_a_creation_that_fails_says_what_it_leaves(world: World) -> None:
    world.fail_create = BackendError("no space", left_behind=["default/web1.qcow2"])
    vm = play(world, "vm", name="web1", host="kvm1", **NEW)["vm"]
    assert (vm["error"], vm["left_behind"], vm["after"]) == ("BackendError", ["default/web1.qcow2"], {})
    assert [(step["action"], step["outcome"]) for step in vm["steps"]] == [("create", "failed")]
