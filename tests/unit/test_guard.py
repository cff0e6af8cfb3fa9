# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy over whole tasks: nothing is changed, what it costs, and what it judges by."""

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import runner
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import PolicyRefused, Unsupported
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Part
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.policy import Hypervisor, Policy, Quota

from tests.unit.harness import Result, keys_of, play
from tests.unit.memory import MemoryDriver
from tests.unit.world import World

GIB = 1024**3
WEB = {"team": ["web"]}
Rule = Callable[..., None]


@pytest.fixture
def rule(monkeypatch: pytest.MonkeyPatch) -> Rule:
    """Lay down a policy."""

    def lay_down(**rules: Any) -> None:
        monkeypatch.setattr(runner, "load", lambda _warn: Policy(file="policy.yml", **rules))

    return lay_down


def fleet(**labels: Any) -> World:
    """Return two hosts, with two VMs that run and one that is off."""
    world = World("kvm1", "kvm2")
    world.add("web1", "kvm1", "running", labels=WEB, cpus=2, memory_bytes=GIB)
    world.add("web2", "kvm2", "running", labels=WEB, cpus=2, memory_bytes=GIB)
    world.add("off1", "kvm1", "stopped", cpus=2, memory_bytes=GIB, **labels)
    return world


def made(world: World, *names: str, **options: Any) -> Result:
    return play(world, "vm", **{"vms": list(names), "host": "kvm1", "memory_bytes": "1G", **options})


def assert_refused(world: World, result: Result, *words: str) -> None:
    assert (result["error"], result["changed"], world.writes) == ("PolicyRefused", False, []), result
    assert not [word for word in words if word not in result["msg"]], result["msg"]


@pytest.mark.parametrize("check_mode", [False, True])
def test_one_that_is_forbidden_stops_the_task(rule: Rule, *, check_mode: bool) -> None:
    rule(names=["web2"], operations={"start"})
    world = fleet()
    result = play(world, "vm_state", vms=["off1", "web2", "web1"], state="paused", check_mode=check_mode)
    assert result["error"] == "InvalidState"  # the first error, of a VM that cannot be paused
    assert [vm.get("error") for vm in result["vms"]] == ["InvalidState", "PolicyRefused", "PolicyRefused"]
    assert "web2 is protected by its name; pause is not among allowed.operations" in result["vms"][1]["msg"]
    assert (result["changed"], world.writes) == (False, [])


def test_what_need_not_change_is_not_judged_and_costs_nothing(rule: Rule) -> None:
    world, free = fleet(), fleet()
    play(free, "vm_state", vms=["web1", "web2"], state="running")
    rule(names=["*"], labels=WEB, operations=(), max_vms=0, quotas=(Quota(labels={}, limits={"vms": 0}),))
    result = play(world, "vm_state", vms=["web1", "web2"], state="running")
    assert "error" not in result
    assert world.calls == free.calls


def test_labels_are_read_of_those_that_change_in_one_call_per_host(rule: Rule) -> None:
    world, free = fleet(), fleet()
    play(free, "vm_state", vms=["web1", "web2"], state="paused")
    rule(labels={"tier": ["production"]})
    result = play(world, "vm_state", vms=["web1", "web2"], state="paused")
    assert result["changed"]
    assert sorted(world.calls) == sorted([*free.calls, "get_vms", "get_vms"])


def test_labels_that_cannot_be_read_are_no_way_out(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    rule(labels={"tier": ["production"]})
    real = MemoryDriver.get_vms

    def blind(driver: MemoryDriver, ids: Any, gather: Any = ()) -> Any:
        if Part.LABELS in gather:
            raise Unsupported("no labels for a token")
        return real(driver, ids, gather)

    monkeypatch.setattr(MemoryDriver, "get_vms", blind)
    world = fleet()
    result = play(world, "vm_state", name="web1", state="paused")
    assert_refused(world, result, "policy.yml", "no labels for a token")


@pytest.mark.parametrize(
    ("rules", "options", "words"),
    [
        ({"operations": {"shutdown"}}, {"shutdown": {"on_timeout": "force"}, "max_vms": 3}, ["stop is not"]),
        ({"hosts": ["kvm1"]}, {}, ["host kvm2"]),
        ({"max_vms": 1}, {}, ["this task would change 2 VMs, and max_vms is 1"]),
        ({"max_vms": 1}, {"vms": None, "select": {"name": "*"}, "max_vms": 9}, ["select matches 3 VMs"]),
        ({"max_vms": 2}, {"vms": None, "select": {"name": "*"}}, ["select matches 3 VMs"]),
    ],
)
def test_power(rule: Rule, rules: dict[str, Any], options: dict[str, Any], words: list[str]) -> None:
    rule(**rules)
    world = fleet()
    given = {"vms": ["web1", "web2"], "state": "stopped", **options}
    result = play(world, "vm_state", **{key: value for key, value in given.items() if value is not None})
    assert_refused(world, result, *words)


@pytest.mark.parametrize(
    ("rules", "options", "words"),
    [
        ({"names": ["new*"]}, {}, ["new1 is protected", "new2 is protected"]),
        ({"labels": WEB}, {"labels": WEB}, ["new1 is protected by its label"]),
        ({"operations": {"clone"}}, {}, ["create is not"]),
        ({"hosts": ["kvm2"]}, {}, ["host kvm1"]),
        ({"storage": ["fast"]}, {"disks": [{"size_bytes": "1M"}]}, ["storage default"]),
        ({"storage": ["none"]}, {"storage": "default"}, ["storage default"]),
        (
            {"storage": ["fast"]},
            {
                "disks": [
                    {"size_bytes": "11G", "storage": "fast", "image": {"storage": "default", "volume": "off1.qcow2"}}
                ]
            },
            ["storage default"],
        ),
        ({"new_labels": WEB}, {}, ["needs the label team"]),
        ({"max_vms": 1}, {}, ["2 VMs"]),
        ({"quotas": (Quota(labels=WEB, limits={"vms": 3}),)}, {"labels": WEB}, ["3 vms: there are 2", "brings 2"]),
        ({"quotas": (Quota(labels={}, limits={"cpus": 7}),)}, {}, ["all VMs is 7 cpus: there are 6", "brings 2"]),
    ],
)
def test_new_vms(rule: Rule, rules: dict[str, Any], options: dict[str, Any], words: list[str]) -> None:
    rule(**rules)
    world = fleet()
    world.sites["kvm1"].volumes["fast"] = {}
    assert_refused(world, made(world, "new1", "new2", **options), *words)


def test_a_quota_is_one_reading_of_the_fleet_and_of_the_whole_connection(rule: Rule) -> None:
    rule(quotas=(Quota(labels=WEB, limits={"vms": 4, "cpus": 6}), Quota(labels={"team": ["db"]}, limits={"vms": 0})))
    world, free = fleet(), fleet()
    assert made(world, "new1", "new2", labels=WEB)["changed"]
    rule()
    assert made(free, "new1", "new2", labels=WEB)["changed"]
    assert sorted(world.calls) == sorted([*free.calls, "find_vms", "find_vms"])
    assert len(world.machines) == 5


def test_quotas_are_told_of_the_vms_that_they_are_about(rule: Rule) -> None:
    rule(quotas=(Quota(labels=WEB, limits={"vms": 2}),))
    world = fleet()
    result = made(world, {"name": "new1", "labels": WEB}, "new2")  # type: ignore[arg-type]
    assert_refused(world, result)
    assert [vm.get("error") for vm in result["vms"]] == ["PolicyRefused", None]


@pytest.mark.parametrize(
    ("rules", "options", "words"),
    [
        ({"names": ["off1"]}, {}, ["off1 is protected"]),
        ({"names": ["copy"]}, {}, ["copy is protected"]),
        ({"labels": {"tier": ["a"]}}, {}, ["off1 is protected by its label"]),
        ({"labels": {"tier": ["a"]}}, {"labels": WEB}, ["off1 is protected by its label"]),
        ({"storage": ["fast"]}, {"storage": "fast"}, ["storage default"]),
        ({"quotas": (Quota(labels={"tier": ["a"]}, limits={"vms": 1}),)}, {}, ["there are 1", "brings 1"]),
        ({"quotas": (Quota(labels={}, limits={"cpus": 7}),)}, {}, ["there are 6", "brings 2"]),
        ({"quotas": (Quota(labels={}, limits={"memory_bytes": 4 * GIB}),)}, {"memory_bytes": "2G"}, ["brings 21474"]),
    ],
)
def test_copies(rule: Rule, rules: dict[str, Any], options: dict[str, Any], words: list[str]) -> None:
    rule(**rules)
    world = fleet(labels={"tier": ["a"]})
    world.sites["kvm1"].volumes["fast"] = {}
    result = play(world, "vm", name="copy", host="kvm1", clone={"source": {"name": "off1"}}, **options)
    assert_refused(world, result, *words)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"operations": {"start"}}, ["delete is not"]),
        ({"storage": ["fast"]}, ["storage default"]),
    ],
)
def test_removals(rule: Rule, rules: dict[str, Any], words: list[str]) -> None:
    rule(**rules)
    world = fleet()
    assert_refused(world, play(world, "vm", name="off1", state="absent", remove=["disks"]), *words)


@pytest.mark.parametrize(
    ("rules", "target", "words"),
    [
        ({"hosts": ["kvm1"]}, {"host": "kvm2"}, ["host kvm2"]),
        ({"hosts": ["kvm2"]}, {"host": "kvm2"}, ["host kvm1"]),
        ({"names": ["dc*"]}, {"host": "kvm2", "name": "DC1"}, ["DC1 is protected"]),
        ({"storage": ["default"]}, {"host": "kvm2", "storage": "fast"}, ["storage fast"]),
        ({"storage": ["fast"]}, {"host": "kvm2", "storage": "fast"}, ["storage default"]),
        ({"operations": set()}, {"host": "kvm2"}, ["migrate is not"]),
    ],
)
def test_moves(rule: Rule, rules: dict[str, Any], target: dict[str, Any], words: list[str]) -> None:
    rule(**rules)
    world = fleet()
    world.sites["kvm2"].volumes["fast"] = {}
    assert_refused(world, play(world, "vm_migrate", name="off1", target=target), *words)


def test_vms_that_move_in_count_at_their_target(rule: Rule) -> None:
    rule(quotas=(Quota(labels=WEB, limits={"vms": 1}),))
    world = fleet()
    here = keys_of(world) | {"hosts": ["kvm1"], "name": "here"}
    there = keys_of(world) | {"hosts": ["kvm2"], "name": "there"}
    moved = play(world, "vm_migrate", name="web1", hypervisor=here, target={"hypervisor": there})
    assert_refused(world, moved, "1 vms: there are 1", "brings 1")
    within = play(world, "vm_migrate", name="web1", target={"host": "kvm2"})
    assert within["changed"]


@pytest.mark.parametrize(
    "hosts", [["kvm1"], ["kvm1", "kvm2", "kvm3"], ["kvm1", "KVM2"]], ids=["a part", "one more", "another"]
)
def test_a_connection_is_refused_before_it_is_opened(rule: Rule, hosts: list[str]) -> None:
    rule(hypervisors={"memory": Hypervisor(type="libvirt", hosts=frozenset({"kvm1", "kvm2"}))})
    world = fleet()
    result = play(world, "vm_state", name="web1", state="paused", hypervisor={"hosts": hosts})
    assert_refused(world, result, "allowed.hypervisors", *hosts)
    assert world.calls == []
    moved = play(world, "vm_migrate", name="web1", target={"hypervisor": keys_of(world) | {"hosts": hosts}})
    assert_refused(world, moved, "allowed.hypervisors")
    assert world.calls == []


@pytest.mark.parametrize(("username", "allowed"), [("jobs", True), ("another", False), (None, False)])
def test_an_account_may_be_named(rule: Rule, username: str | None, *, allowed: bool) -> None:
    rule(hypervisors={"any": Hypervisor(type="libvirt", hosts=frozenset({"kvm1", "kvm2"}), username="jobs")})
    given = {"username": username} if username else {}
    result = play(fleet(), "vm_state", name="web1", state="paused", hypervisor=given)
    assert result.get("error") == (None if allowed else "PolicyRefused")


def test_an_allowed_connection_may_name_its_hosts_in_any_order(rule: Rule) -> None:
    rule(hypervisors={"any": Hypervisor(type="libvirt", hosts=frozenset({"kvm1", "kvm2"}))})
    assert play(fleet(), "vm_state", name="web1", state="paused", hypervisor={"hosts": ["kvm2", "kvm1"]})["changed"]


@pytest.mark.parametrize("module", ["vm_state", "vm_snapshot", "vm", "vm_migrate"])
def test_a_policy_that_cannot_be_read_refuses_every_change(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    def load(_warn: object) -> Policy:
        raise PolicyRefused("the policy policy.yml cannot be read")

    monkeypatch.setattr(runner, "load", load)
    world = fleet()
    needed: dict[str, Any] = {"vm_state": {"state": "paused"}, "vm_snapshot": {"snapshot": "s"}}.get(module, {})
    assert_refused(world, play(world, module, name="web1", **needed), "cannot be read")
    assert world.calls == []
    assert len(play(world, "vm_info")["vms"]) == 3
