# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves as they are asked for, and as one step between what is there and what will be read."""

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    AlreadyExists,
    CapacityExceeded,
    InvalidOption,
    all_of,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import (
    Disk,
    Move,
    MoveSpec,
    Nic,
    PowerState,
    Vm,
    Volume,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.migration import plan_move, spec_from
from ansible_collections.crossvirt.lifecycle.plugins.modules.vm_migrate import OPTIONS

VM = Vm(
    name="web1",
    id="1",
    uuid="u1",
    host="kvm1",
    state=PowerState.RUNNING,
    folder="prod",
    disks=(Disk(volume="web1.qcow2", storage="default"), Disk(volume="a.iso", storage="iso", device="cdrom")),
    nics=(Nic(network="lan", mac=None), Nic(network=None, mac=None)),
)


def params(**options: Any) -> dict[str, Any]:
    """Return what Ansible reads from a task's options."""
    validator: Any = ArgumentSpecValidator  # Ansible's own are untyped
    result = validator(OPTIONS).validate(options)
    assert not result.error_messages
    return dict(result.validated_parameters)


def spec(**options: Any) -> MoveSpec:
    return spec_from(params(**options))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"target": {"host": "kvm2"}}, MoveSpec(host="kvm2")),
        ({"target": {"hypervisor": {"name": "west"}}}, MoveSpec()),
        (
            {"target": {"storage": "a", "storage_map": {"b": "c"}, "network_map": {"d": "e"}, "name": "n"}},
            MoveSpec(storage="a", storage_map={"b": "c"}, network_map={"d": "e"}, name="n"),
        ),
        (
            {"target": {"cluster": "c", "folder": "f", "pool": "p"}, "mode": "cold", "copy_storage": "never"},
            MoveSpec(cluster="c", folder="f", pool="p", mode="cold", copy_storage="never"),
        ),
        (
            {"target": {"host": "a"}, "encryption": "required", "bandwidth_bytes_per_second": 1, "post_copy": True},
            MoveSpec(host="a", encryption="required", bandwidth_bytes_per_second=1, post_copy=True),
        ),
        (
            {"target": {"host": "a"}, "mode": "live", "auto_converge": True},
            MoveSpec(host="a", mode="live", auto_converge=True),
        ),
    ],
)
def test_what_is_asked_for_is_what_drivers_get(options: dict[str, Any], expected: MoveSpec) -> None:
    assert spec(**options) == expected


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "target says nothing"),
        ({"target": {}}, "target says nothing"),
        ({"target": {"host": ""}}, r"target\.host"),
        ({"target": {"host": "kvm2", "name": ""}}, r"target\.name"),
        ({"target": {"storage_map": {"a": ""}}}, "storage_map"),
        ({"target": {"storage_map": {"a": None}}}, "storage_map"),
        ({"target": {"network_map": {"": "b"}}}, "network_map"),
        ({"target": {"network_map": {"a": ["b"]}}}, "network_map"),
        ({"target": {"network_map": {"a": "b", "b": "a"}}}, "network_map leads from 'a' to 'b'"),
        ({"target": {"storage_map": {"a": "b", "b": "c"}}}, "storage_map leads from 'a' to 'b'"),
        ({"target": {"host": "a"}, "bandwidth_bytes_per_second": 0}, "bandwidth_bytes_per_second"),
        ({"target": {"host": "a"}, "timeout_seconds": -1}, "timeout_seconds"),
        ({"target": {"host": "a"}, "mode": "cold", "post_copy": True}, "post_copy"),
        ({"target": {"host": "a"}, "mode": "cold", "auto_converge": True}, "auto_converge"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidOption, match=word):
        spec(**options)


@pytest.mark.parametrize(
    ("storage", "mapped", "now", "then"),
    [
        (None, {}, "a", None),
        ("x", {}, "a", "x"),
        ("x", {}, None, "x"),
        ("x", {"a": "b"}, "a", "b"),
        ("x", {"a": "b"}, "b", "b"),
        ("x", {"a": "b"}, "c", "x"),
        (None, {"a": "a", "b": "a"}, "a", "a"),
    ],
)
def test_a_disk_goes_where_it_is_mapped_and_stays_there(
    storage: str | None, mapped: dict[str, str], now: str | None, then: str | None
) -> None:
    target = {"host": "kvm2", "storage_map": mapped} | ({"storage": storage} if storage else {})
    assert spec(target=target).storage_for(now) == then


def test_a_move_is_one_step_that_says_its_way() -> None:
    copied = (Volume(storage="fast", volume="web1.qcow2", size_bytes=7),)
    after = {"name": "web1", "host": "kvm2", "storage": ["fast"], "networks": ["dmz", None], "folder": "test"}
    options = params(target={"host": "kvm2"}, timeout_seconds=90)
    plan = plan_move(VM, Move(spec=MoveSpec(), after=after, mode="live", copied=copied), options)
    (step,) = plan.steps
    assert step.describe() == {
        "action": "migrate",
        "mode": "live",
        "copied": [{"storage": "fast", "volume": "web1.qcow2", "size_bytes": 7}],
    }
    assert step.timeout_seconds == 90
    assert plan.before == {
        "name": "web1",
        "host": "kvm1",
        "state": "running",
        "storage": ["default"],
        "networks": ["lan", None],
        "folder": "prod",
    }
    assert plan.after == {**after, "state": "running"}
    assert plan.view(VM) == plan.before
    assert plan.view(None) == {}


def test_a_move_may_take_a_day_unless_it_is_said() -> None:
    (step,) = plan_move(VM, Move(spec=MoveSpec(), after={}), params(target={"host": "kvm2"})).steps
    assert step.timeout_seconds == 24 * 3600


def test_what_nobody_knows_before_is_in_no_field() -> None:
    move = Move(spec=MoveSpec(), after={"cluster": "east"}, unforeseen=("host",))
    plan = plan_move(VM, move, params(target={"cluster": "east"}))
    assert plan.after == {"name": "web1", "state": "running", "cluster": "east"}
    assert plan.before.keys() == plan.view(VM).keys() == plan.after.keys()


def test_warnings_are_told_with_the_step() -> None:
    move = Move(spec=MoveSpec(), after={}, warnings=("its clock will jump",))
    (step,) = plan_move(VM, move, params(target={"host": "kvm2"})).steps
    assert step.describe()["warnings"] == ["its clock will jump"]


def test_what_is_there_already_has_no_step() -> None:
    plan = plan_move(VM, Move(spec=MoveSpec(), after={"host": "kvm1"}, needed=False), params(target={"host": "kvm1"}))
    assert (plan.steps, plan.before) == ((), plan.after)


def test_tidying_up_is_a_step_though_nothing_else_changes() -> None:
    plan = plan_move(VM, Move(spec=MoveSpec(), after={"host": "kvm1"}), params(target={"host": "kvm1"}))
    assert len(plan.steps) == 1
    assert plan.before == plan.after


def test_several_reasons_are_one_error_of_the_first_ones_class() -> None:
    error = all_of([CapacityExceeded("too little memory"), AlreadyExists("name taken"), AlreadyExists("name taken")])
    assert error.__class__ is CapacityExceeded
    assert str(error) == "too little memory; name taken"
    assert [one["error"] for one in error.facts["reasons"]] == ["CapacityExceeded", "AlreadyExists"]
