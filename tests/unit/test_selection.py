# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs the options mean."""

from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import InvalidOption
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import PowerState, Ref, Selection, Vm
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.labels import labels_from
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.selection import Entry, wanted_from

NONE: dict[str, Any] = dict.fromkeys(("name", "uuid", "id", "path", "vms", "select"))


def refs(**given: Any) -> list[Ref]:
    wanted = wanted_from(NONE | given)
    assert isinstance(wanted, list)
    return [entry.ref for entry in wanted]


@pytest.mark.parametrize("key", ["name", "uuid", "id", "path"])
def test_one_vm(key: str) -> None:
    assert refs(**{key: "x"}) == [Ref(key, "x")]


def test_a_list_keeps_its_order() -> None:
    assert refs(vms=["b", {"uuid": "u"}, "a", {"id": "1"}, {"path": "/dc/vm/x"}]) == [
        Ref("name", "b"),
        Ref("uuid", "u"),
        Ref("name", "a"),
        Ref("id", "1"),
        Ref("path", "/dc/vm/x"),
    ]


@pytest.mark.parametrize("vms", [[], ["a", "b", "a"], ["a", {"name": "a"}], [{"id": "1"}, {"id": "1"}]])
def test_nothing_and_twice_are_refused(vms: list[Any]) -> None:
    with pytest.raises(InvalidOption):
        refs(vms=vms)


@pytest.mark.parametrize(
    "entry", ["", 7, None, ["a"], {}, {"name": ""}, {"name": 7}, {"name": "a", "uuid": "u"}, {"cpus": 2}, {"nmae": "a"}]
)
def test_an_entry_that_is_none_is_refused(entry: Any) -> None:
    with pytest.raises(InvalidOption):
        refs(vms=["fine", entry])


def test_entries_carry_only_what_the_module_allows() -> None:
    with pytest.raises(InvalidOption, match="cpus"):
        refs(vms=[{"name": "a", "cpus": 2}])
    wanted = wanted_from({**NONE, "cpus": 1, "vms": [{"name": "a", "cpus": 2}, "b"]}, ["cpus"])
    assert isinstance(wanted, list)
    assert [entry.params["cpus"] for entry in wanted] == [2, 1]
    assert wanted[0] == Entry(Ref("name", "a"), {**NONE, "cpus": 2, "vms": wanted[0].params["vms"]})


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, {"host": "a", "storage": "s"}),
        ({"host": "b"}, {"host": "b", "storage": "s"}),
        ({"host": None, "name": "n"}, {"host": "a", "storage": "s", "name": "n"}),
        ({"storage": "t", "host": "b"}, {"host": "b", "storage": "t"}),
    ],
)
def test_a_target_of_an_entry_adds_to_that_of_the_task(own: dict[str, Any], expected: dict[str, Any]) -> None:
    task = {**NONE, "mode": "auto", "target": {"host": "a", "storage": "s"}}
    wanted = wanted_from({**task, "vms": [{"name": "x", "target": own, "mode": "cold"}, "y"]}, ["target", "mode"])
    assert isinstance(wanted, list)
    assert [entry.params["target"] for entry in wanted] == [expected, task["target"]]
    assert [entry.params["mode"] for entry in wanted] == ["cold", "auto"]


@pytest.mark.parametrize(
    "name", ["with space", "quo'te", 'quo"te', "ünïcode-名", "-dash", "--", "*", "a;b", "$(x)", "<xml>&amp;"]
)
def test_names_are_taken_as_they_are(name: str) -> None:
    assert refs(vms=[name, {"name": name + "2"}]) == [Ref("name", name), Ref("name", name + "2")]


def select(**conditions: Any) -> Selection:
    wanted = wanted_from({**NONE, "select": conditions})
    assert isinstance(wanted, Selection)
    return wanted


@pytest.mark.parametrize("conditions", [{}, {"name": None}, {"labels": {}}, {"name": None, "labels": None}])
def test_a_selection_needs_a_condition(conditions: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match="at least one"):
        select(**conditions)


VM = Vm(
    name="web1",
    id="1",
    uuid="U-1",
    state=PowerState.RUNNING,
    host="kvm1",
    cluster="c1",
    folder="f",
    pool="p",
    labels={"role": ["web", "front"], "tier": ["1"], "empty": []},
)


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        ({"name": "web*"}, True),
        ({"name": "WEB*"}, False),
        ({"name": "web?"}, True),
        ({"name": "web"}, False),
        ({"name": "[vw]eb1"}, True),
        ({"host": "kvm1"}, True),
        ({"host": "kvm*"}, False),
        ({"cluster": "c1", "folder": "f", "pool": "p", "state": "running"}, True),
        ({"state": "stopped"}, False),
        ({"name": "web*", "host": "kvm2"}, False),
        ({"labels": {"role": "web"}}, True),
        ({"labels": {"role": ["db", "front"]}}, True),
        ({"labels": {"role": "db"}}, False),
        ({"labels": {"role": "web", "tier": 1}}, True),
        ({"labels": {"role": "web", "tier": 2}}, False),
        ({"labels": {"role": []}}, True),
        ({"labels": {"empty": []}}, True),
        ({"labels": {"empty": "x"}}, False),
        ({"labels": {"missing": []}}, False),
    ],
)
def test_all_conditions_must_hold(conditions: dict[str, Any], *, matches: bool) -> None:
    assert select(**conditions).matches(VM) is matches


@pytest.mark.parametrize(
    ("key", "value", "matches"), [("uuid", "u-1", True), ("name", "WEB1", False), ("id", "1", True)]
)
def test_only_uuids_forgive_the_case_of_letters(key: str, value: str, *, matches: bool) -> None:
    assert Ref(key, value).matches(VM) is matches


def test_labels_have_one_form() -> None:
    assert labels_from({"a": "x", "b": ["y", 2], "c": 1.5}, "labels") == {"a": ["x"], "b": ["2", "y"], "c": ["1.5"]}


@pytest.mark.parametrize("value", [{"b": 1}, None, [["x"]]])
def test_labels_that_are_none_are_refused(value: Any) -> None:
    with pytest.raises(InvalidOption, match=r"select\.labels"):
        labels_from({"a": value}, "select.labels")
