# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves in memory: what arrives, what is refused with every reason at once, and who has moved before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Nic

from tests.unit.harness import Result, play
from tests.unit.machines import GIB, Drive, Machine, Volume
from tests.unit.world import World

TO_KVM2: dict[str, Any] = {"target": {"host": "kvm2"}}
WEST = {"type": "libvirt", "name": "west", "hosts": ["west1", "west2"]}
HOME = {"hosts": ["kvm1", "kvm2"]}


def world_with(name: str = "vm", state: str = "running", **facts: Any) -> World:
    """Two hosts, and a VM on the first."""
    world = World()
    world.add(name, "kvm1", state, memory="what it remembers", **facts)
    return world


def two_sites(state: str = "running", host: str = "kvm1") -> World:
    """Two connections with two hosts each, and a VM."""
    world = World("kvm1", "kvm2", "west1", "west2")
    world.add("vm", host, state)
    return world


def move(world: World, **options: Any) -> Result:
    """Run vm_migrate in check mode and for real, and hold both to each other; a third run has nothing to do."""
    asked = {"name": "vm", **options} if not {"vms", "select", "uuid", "id"} & options.keys() else options
    reads = len(world.writes)
    predicted = play(world, "vm_migrate", check_mode=True, **asked)
    assert len(world.writes) == reads
    done = play(world, "vm_migrate", **asked)
    assert [told(vm) for vm in predicted["vms"]] == [told(vm) for vm in done["vms"]]
    assert predicted["diff"] == done["diff"]
    return done


def told(vm: Result) -> Result:
    """Return what check mode has to predict."""
    steps = [{key: step[key] for key in ("action", "mode", "copied")} for step in vm["steps"]]
    return {**{key: vm.get(key) for key in ("changed", "error", "before", "after")}, "steps": steps}


def only(world: World, name: str = "vm") -> Machine:
    """Return the VM of a name, of which there is one."""
    (machine,) = [one for one in world.machines if one.name == name]
    return machine


def disks(world: World) -> dict[str, list[str]]:
    """Return the volumes by host."""
    return {host: sorted(name for one in site.volumes.values() for name in one) for host, site in world.sites.items()}


@pytest.mark.parametrize("state", ["running", "paused", "stopped"])
def test_a_vm_arrives_as_it_left(state: str) -> None:
    world = world_with(state=state)
    result = move(world, **TO_KVM2)
    assert result["vm"]["before"] == {"name": "vm", "host": "kvm1", "state": state}
    assert result["vm"]["after"] == {"name": "vm", "host": "kvm2", "state": state}
    assert (result["vm"]["host"], result["vm"]["steps"][0]["outcome"]) == ("kvm2", "done")
    assert result["vm"]["steps"][0]["mode"] == ("cold" if state == "stopped" else "live")
    machine = only(world)
    assert (machine.host, machine.state, machine.memory) == ("kvm2", state, "what it remembers")
    assert world.content(machine) == {"vm.qcow2": "disk of vm"}
    assert disks(world) == {"kvm1": [], "kvm2": ["vm.qcow2"]}
    again = play(world, "vm_migrate", name="vm", **TO_KVM2)
    assert (again["changed"], again["vm"]["steps"], again["vm"]["after"]) == (False, [], result["vm"]["after"])
    assert world.writes == ["migrate"]


def test_shared_disks_stay_where_they_are() -> None:
    world = world_with()
    world.share("default")
    result = move(world, **TO_KVM2, copy_storage="never")
    assert result["vm"]["steps"][0]["copied"] == []
    assert disks(world) == {"kvm1": ["vm.qcow2"], "kvm2": ["vm.qcow2"]}


def test_disks_move_alone() -> None:
    world = world_with()
    world.sites["kvm1"].volumes["fast"] = {}
    result = move(world, target={"storage": "fast"})
    assert result["vm"]["after"] == {"name": "vm", "host": "kvm1", "state": "running", "storage": ["fast"]}
    assert [one["storage"] for one in result["vm"]["steps"][0]["copied"]] == ["fast"]
    assert list(world.sites["kvm1"].volumes["fast"]) == ["vm.qcow2"]
    assert world.sites["kvm1"].volumes["default"] == {}
    assert not move(world, target={"storage": "fast"})["changed"]


def test_storages_networks_and_the_name_are_mapped() -> None:
    world = world_with(
        drives=[Drive("a", "1"), Drive("b", "2")], nics=[Nic(network="default", mac="52:54:00:00:00:01")]
    )
    world.sites["kvm1"].volumes |= {"a": {"1": Volume(1, "one")}, "b": {"2": Volume(2, "two")}}
    world.sites["kvm2"].volumes |= {"a": {}, "c": {}}
    world.sites["kvm2"].networks = ("lan",)
    target = {
        "host": "kvm2",
        "storage": "a",
        "storage_map": {"b": "c"},
        "network_map": {"default": "lan"},
        "name": "new",
    }
    result = move(world, target=target)
    assert result["vm"]["name"] == "new"
    assert result["vm"]["after"] == {
        "name": "new",
        "host": "kvm2",
        "state": "running",
        "storage": ["a", "c"],
        "networks": ["lan"],
    }
    assert world.content(only(world, "new")) == {"1": "one", "2": "two"}
    again = play(world, "vm_migrate", name="vm", target=target)  # known by its new name now
    assert (again["changed"], again["vm"]["name"]) == (False, "new")
    assert not play(world, "vm_migrate", name="new", target=target)["changed"]
    assert not play(world, "vm_migrate", uuid=only(world, "new").uuid, target=target)["changed"]


def test_one_map_serves_vms_that_need_different_parts_of_it() -> None:
    world = world_with(nics=[Nic(network="dmz", mac="52:54:00:00:00:01")])
    world.add("bare", "kvm1", "stopped")
    world.sites["kvm1"].networks, world.sites["kvm2"].networks = ("dmz",), ("lan",)
    target = {"host": "kvm2", "network_map": {"dmz": "lan"}}
    result = move(world, vms=["vm", "bare"], target=target)
    assert [vm["after"].get("networks") for vm in result["vms"]] == [["lan"], None]
    refused = play(world, "vm_migrate", name="bare", target={"host": "kvm1", "network_map": {"nowhere": "dmz"}})
    assert (refused["error"], "nowhere" in refused["msg"]) == ("InvalidOption", True)


def plug(world: World, network: str, **twin: str) -> None:
    """Give the VM a NIC in a network of its host, and another VM the same address."""
    nic = Nic(network=network, mac="52:54:00:00:00:01")
    only(world).nics, world.sites["kvm1"].networks = [nic], ("default", network)
    for name, host in twin.items():
        world.add(name, host, nics=[nic])


def build_on(world: World) -> None:
    """Let another VM build on the disk."""
    world.sites["kvm1"].volumes["default"]["copy"] = Volume(1, backing="vm.qcow2")
    world.add("copy", "kvm1", drives=[Drive("default", "copy")])


def set_target(world: World, **facts: Any) -> None:
    """Let the target be different."""
    for key, value in facts.items():
        setattr(world.sites["kvm2"], key, value)


OBSTACLES: dict[str, tuple[str, Callable[[World], object]]] = {
    "name": ("AlreadyExists", lambda world: world.add("vm", "kvm2", uuid="another", drives=[])),
    "address": ("AlreadyExists", lambda world: plug(world, "default", other="kvm2")),
    "volume": ("AlreadyExists", lambda world: set_target(world, volumes={"default": {"vm.qcow2": Volume(1)}})),
    "network": ("NotFound", lambda world: plug(world, "lan")),
    "storage": ("NotFound", lambda world: set_target(world, volumes={})),
    "memory": ("CapacityExceeded", lambda world: set_target(world, memory_free_bytes=GIB)),
    "space": ("CapacityExceeded", lambda world: set_target(world, free_bytes=GIB)),
    "cpu": ("Unsupported", lambda world: setattr(only(world), "cpu", "newest")),
    "device": ("Unsupported", lambda world: setattr(only(world), "bound", "a USB stick")),
    "snapshot": ("InvalidState", lambda world: world.snap(only(world), "one")),
    "users": ("InvalidState", build_on),
}


@pytest.mark.parametrize("what", OBSTACLES)
def test_what_stands_in_the_way_is_named(what: str) -> None:
    world = world_with()
    error, put = OBSTACLES[what]
    put(world)
    before = disks(world)
    result = move(world, uuid=only_on(world, "kvm1").uuid, **TO_KVM2)
    assert (result["error"], result["changed"], world.writes) == (error, False, [])
    assert [one["error"] for one in result["vm"]["reasons"]] == [error]
    assert result["vm"]["reasons"][0]["msg"] == result["vm"]["msg"]
    assert disks(world) == before


def only_on(world: World, host: str) -> Machine:
    """Return the first VM of a host."""
    return next(one for one in world.machines if one.host == host)


@pytest.mark.parametrize("first", ["device", "cpu", "snapshot"])
def test_every_reason_is_told_at_once(first: str) -> None:
    world = world_with()
    for what in (first, "memory", "space", "network", "volume"):
        OBSTACLES[what][1](world)
    result = move(world, **TO_KVM2, copy_storage="never")
    reasons = result["vm"]["reasons"]
    assert result["error"] == OBSTACLES[first][0] == reasons[0]["error"]
    assert {one["error"] for one in reasons} >= {"NotFound", "AlreadyExists", "CapacityExceeded", "InvalidState"}
    assert len(reasons) == 6
    assert all(one["msg"] in result["msg"] for one in reasons)


def test_each_vm_of_a_task_has_its_own_reasons() -> None:
    world = world_with("vm1")
    for name in ("vm2", "vm3"):
        world.add(name, "kvm1", "running")
    world.machine("vm1").bound = "a USB stick"
    world.machine("vm3").cpu = "newest"
    result = move(world, vms=["vm1", "vm2", "vm3"], **TO_KVM2)
    assert [vm.get("error") for vm in result["vms"]] == ["Unsupported", None, "Unsupported"]
    assert [len(vm.get("reasons", ())) for vm in result["vms"]] == [1, 0, 1]
    assert world.writes == []


@pytest.mark.parametrize(
    ("state", "mode", "error"),
    [
        ("running", "live", None),
        ("running", "cold", "InvalidState"),
        ("paused", "live", None),
        ("paused", "cold", "InvalidState"),
        ("stopped", "live", "InvalidState"),
        ("stopped", "cold", None),
        *(
            (state, mode, "InvalidState")
            for state in ("suspended", "crashed", "unknown")
            for mode in ("auto", "live", "cold")
        ),
    ],
)
def test_the_mode_fits_the_state(state: str, mode: str, error: str | None) -> None:
    world = world_with(state=state)
    assert move(world, **TO_KVM2, mode=mode).get("error") == error
    assert only(world).host == ("kvm1" if error else "kvm2")


def test_room_is_shared_by_those_who_come() -> None:
    world = world_with("vm1")
    world.add("vm2", "kvm1", "running")
    world.sites["kvm2"].memory_free_bytes = 3 * GIB
    result = move(world, vms=["vm1", "vm2"], **TO_KVM2)
    assert [vm.get("error") for vm in result["vms"]] == [None, "CapacityExceeded"]
    assert move(world, name="vm2", **TO_KVM2)["changed"]


def test_two_of_one_name_cannot_both_come() -> None:
    world = world_with("vm1")
    world.add("vm2", "kvm1", "running")
    result = move(world, vms=["vm1", "vm2"], target={"host": "kvm2", "name": "same"})
    assert [vm.get("error") for vm in result["vms"]] == [None, "AlreadyExists"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"target": {"host": "kvm3"}}, "InvalidOption"),
        ({"target": {}}, "InvalidOption"),
        ({}, "InvalidOption"),
        ({"target": {"host": "kvm2", "folder": "x"}}, "Unsupported"),
        ({"target": {"host": "kvm2"}, "copy_storage": "never"}, "InvalidState"),
        ({"target": {"host": "kvm2", "storage": "nowhere"}}, "NotFound"),
        ({"target": {"host": "kvm2"}, "per_host": 0}, "InvalidOption"),
        ({"target": {"host": "kvm2"}, "mode": "warm"}, "InvalidOption"),
        ({"target": {"host": "kvm2"}, "on_timeout": "force"}, "InvalidOption"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], error: str) -> None:
    world = world_with()
    result = play(world, "vm_migrate", name="vm", **options)
    assert (result["error"], result["changed"], world.writes) == (error, False, [])


def test_encryption_is_as_asked_and_told() -> None:
    assert move(world_with(), **TO_KVM2)["vm"]["steps"][0]["encrypted"] is True
    assert move(world_with(), **TO_KVM2, encryption="disabled")["vm"]["steps"][0]["encrypted"] is False
    world = world_with()
    world.sites["kvm2"].encrypts = False
    assert move(world, **TO_KVM2, encryption="required")["error"] == "Unsupported"
    assert move(world, **TO_KVM2)["vm"]["steps"][0]["encrypted"] is False


def test_entries_have_targets_and_modes_of_their_own() -> None:
    world = World("kvm1", "kvm2", "kvm3")
    for name, state in (("vm1", "running"), ("vm2", "stopped"), ("vm3", "running")):
        world.add(name, "kvm1", state)
    for site in world.sites.values():
        site.volumes["fast"] = {}
    vms = [
        {"name": "vm1", "target": {"host": "kvm3"}},
        {"name": "vm2", "mode": "cold", "target": {"storage_map": {"default": "default"}}},
        "vm3",
    ]
    result = move(world, vms=vms, target={"host": "kvm2", "storage": "fast"})
    assert [(vm["after"]["host"], vm["after"]["storage"]) for vm in result["vms"]] == [
        ("kvm3", ["fast"]),
        ("kvm2", ["default"]),
        ("kvm2", ["fast"]),
    ]
    back = [{"name": name, "target": {"host": "kvm1"}} for name in ("vm1", "vm2", "vm3")]
    assert [vm["host"] for vm in move(world, vms=back)["vms"]] == ["kvm1"] * 3


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "vm", "target": {"hypervisor": {"name": "west"}}},
        {"name": "vm", "target": {"hosts": "kvm2"}},
        {"name": "vm", "target": "kvm2"},
        {"name": "vm", "mode": "warm"},
        {"name": "vm", "per_host": 1},
    ],
)
def test_entries_have_no_more_than_that(entry: dict[str, Any]) -> None:
    result = play(world_with(), "vm_migrate", vms=[entry], **TO_KVM2)
    assert (result["error"], result["changed"]) == ("InvalidOption", False)


def test_a_selection_moves_those_that_are_not_there_yet() -> None:
    world = world_with("vm1")
    world.add("vm2", "kvm2", "running")
    result = move(world, select={"name": "vm*"}, **TO_KVM2)
    assert [(vm["name"], vm["changed"], vm["after"]["host"]) for vm in result["vms"]] == [
        ("vm1", True, "kvm2"),
        ("vm2", False, "kvm2"),
    ]


def test_both_sides_are_asked_once_for_all() -> None:
    world = World()
    for number in range(20):
        world.add(f"vm{number:02}", "kvm1", "stopped")
    play(world, "vm_migrate", select={"host": "kvm1"}, **TO_KVM2, check_mode=True)
    asked = ("find_vms", "list_hosts", "depart", "receive", "get_vms")
    assert [world.calls.count(call) for call in asked] == [2, 2, 1, 1, 0]
    assert len(move(world, select={"host": "kvm1"}, **TO_KVM2, per_host=20, parallel=20)["diff"]) == 20
    world.calls.clear()
    assert not play(world, "vm_migrate", vms=[f"vm{number:02}" for number in range(20)], **TO_KVM2)["changed"]
    assert [world.calls.count(call) for call in ("find_vms", "depart", "receive")] == [2, 1, 1]


# To another connection.


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_vm_moves_to_another_connection(state: str) -> None:
    world = two_sites(state)
    target = {"hypervisor": WEST, "host": "west2"}
    result = move(world, hypervisor=HOME, target=target)
    assert (result["vm"]["host"], result["vm"]["hypervisor"], result["vm"]["after"]["state"]) == (
        "west2",
        "west",
        state,
    )
    assert disks(world) == {"kvm1": [], "kvm2": [], "west1": [], "west2": ["vm.qcow2"]}
    again = move(world, hypervisor=HOME, target=target)
    assert (again["changed"], again["vm"]["host"], again["vm"]["hypervisor"]) == (False, "west2", "west")
    by_uuid = move(world, hypervisor=HOME, target=target, uuid=only(world).uuid)
    assert not by_uuid["changed"]
    assert world.writes == ["migrate"]


def test_one_endpoint_is_meant_without_its_name_and_of_several_one_is_named() -> None:
    result = move(two_sites(), hypervisor=HOME, target={"hypervisor": {**WEST, "hosts": ["west1"]}})
    assert result["vm"]["host"] == "west1"
    result = move(two_sites(), hypervisor=HOME, target={"hypervisor": WEST})
    assert result["error"] == "InvalidOption"
    assert "west1, west2" in result["msg"]


def test_endpoints_that_are_known_count_once() -> None:
    world = two_sites()
    same = {"type": "libvirt", "name": "same", "hosts": ["kvm2", "kvm1"]}
    result = move(world, hypervisor=HOME, target={"hypervisor": same, "host": "kvm2"})
    assert (result["vm"]["host"], result["vm"]["hypervisor"]) == ("kvm2", "memory")
    assert world.sessions == 0
    assert not move(world, hypervisor=HOME, target={"hypervisor": same, "host": "kvm2"})["changed"]


def test_every_connection_is_closed_and_its_failures_warned_of() -> None:
    world = two_sites()
    world.sites["west2"].down = True
    target = {"hypervisor": {**WEST, "unreachable": "warn"}, "host": "west1"}
    result = play(world, "vm_migrate", name="vm", hypervisor=HOME, target=target)
    assert result["vm"]["host"] == "west1"
    assert result["warnings"] == ["west2 is down"]
    assert world.sessions == 0


def test_a_target_that_does_not_answer_is_waited_for_once() -> None:
    world = two_sites()
    world.add("vm2", "kvm1")
    world.sites["west1"].down = True
    target = {"hypervisor": WEST, "host": "west2"}
    result = play(world, "vm_migrate", vms=["vm", "vm2", "gone"], hypervisor=HOME, target=target)
    assert [vm["error"] for vm in result["vms"]] == ["ConnectionFailed"] * 3
    assert world.calls.count("connect") == 4
    assert world.writes == []


def test_another_family_is_refused() -> None:
    vsphere = {"type": "vsphere", "hosts": ["vc"], "username": "automation", "password": "geheim-4711"}
    result = move(two_sites(), hypervisor=HOME, target={"hypervisor": vsphere, "host": "esx1"})
    assert result["error"] == "Unsupported"
    assert "vsphere" in result["msg"]


def test_variables_never_fill_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TYPE": "libvirt", "LIBVIRT_HOSTS": "west1", "LIBVIRT_PASSWORD": "x"}.items():
        monkeypatch.setenv(f"CROSSVIRT_{name}", value)
    world = two_sites()
    for target in ({"unreachable": "warn"}, {"type": "libvirt"}):
        result = play(world, "vm_migrate", name="vm", hypervisor=HOME, target={"hypervisor": target, "host": "west1"})
        assert (result["error"], world.writes) == ("InvalidOption", [])


def test_a_vm_that_is_nowhere_is_not_found() -> None:
    world = two_sites()
    result = move(world, name="gone", hypervisor=HOME, target={"hypervisor": WEST, "host": "west1"})
    assert result["error"] == "NotFound"
    assert "neither here nor at its target" in result["msg"]
    assert move(world, name="gone", hypervisor=HOME, target={"host": "kvm2"})["error"] == "NotFound"
    assert play(world, "vm_migrate", vms=["vm", "gone"], **TO_KVM2)["changed"] is False


@pytest.mark.parametrize(
    "target", [{"host": "west2"}, {"host": "west1", "storage": "fast"}, {"host": "west1", "name": "new"}]
)
def test_a_vm_that_only_the_target_has_is_not_changed(target: dict[str, Any]) -> None:
    world = two_sites(host="west1")
    for site in world.sites.values():
        site.volumes["fast"] = {}
    result = move(world, hypervisor=HOME, target={"hypervisor": WEST, **target})
    assert (result["error"], result["changed"], world.writes) == ("InvalidState", False, [])


def test_an_id_of_another_hypervisor_is_another_vm() -> None:
    world = two_sites(host="west1")
    only(world).id = "vm-7"
    result = move(world, id="vm-7", hypervisor=HOME, target={"hypervisor": WEST, "host": "west1"})
    assert result["error"] == "NotFound"


def test_a_name_at_the_target_means_nothing_while_one_of_its_endpoints_is_silent() -> None:
    world = two_sites(host="west1")
    world.sites["west2"].down = True
    target = {"hypervisor": {**WEST, "unreachable": "warn"}, "host": "west1"}
    assert move(world, name="vm", hypervisor=HOME, target=target)["error"] == "ConnectionFailed"
    assert not move(world, uuid=only(world).uuid, hypervisor=HOME, target=target)["changed"]


def test_both_sides_having_it_without_a_record_is_for_people() -> None:
    world = two_sites()
    world.add("vm", "west1", "stopped", uuid=only(world).uuid)
    result = play(world, "vm_migrate", name="vm", hypervisor=HOME, target={"hypervisor": WEST, "host": "west1"})
    assert (result["error"], world.writes) == ("InvalidState", [])
    world = world_with()
    world.add("vm", "kvm2", "running", uuid=only(world).uuid)
    result = play(world, "vm_migrate", name="vm", **TO_KVM2)
    assert (result["error"], world.writes) == ("InvalidState", [])
    result = play(world, "vm_migrate", select={"name": "v*"}, **TO_KVM2)
    assert (result["error"], world.writes) == ("InvalidState", [])


def test_a_pair_without_a_way_to_tell_is_ambiguous() -> None:
    world = World("kvm1", "kvm2", "kvm3")
    for host in world.sites:
        world.add("vm", host, "stopped", uuid="00000000-0000-4000-8000-000000000001")
    for where in ("kvm1", "kvm2"):
        assert play(world, "vm_migrate", name="vm", target={"host": where})["error"] == "Ambiguous"
