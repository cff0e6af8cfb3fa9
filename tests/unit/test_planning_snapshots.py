# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshot planning: options, which snapshot is meant, which kind is taken, which are old, and trees that come true."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    Ambiguous,
    CrossvirtError,
    InvalidOption,
    NotFound,
    Unsupported,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import (
    Part,
    PowerState,
    Snapshot,
    SnapshotKind,
    Vm,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.snapshots import (
    CONSISTENCIES,
    Retention,
    Wish,
    choose_kind,
    may_destroy,
    meant,
    old,
    plan_wish,
    walk,
    what_is_read,
    wish_from,
)

from tests.unit.harness import play
from tests.unit.machines import Site
from tests.unit.memory import MemoryDriver
from tests.unit.world import World

DRIVER = MemoryDriver(Site("kvm1", "kvm1"))
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNGIVEN: dict[str, Any] = {
    "state": "present",
    "snapshot": None,
    "snapshot_id": None,
    "snapshot_path": None,
    "description": None,
    "consistency": "crash",
    "allow_unrevertable": False,
    "children": "keep",
    "retention": None,
}


def taken(seconds_ago: float, name: str, *children: Snapshot, **facts: Any) -> Snapshot:
    created = (NOW - timedelta(seconds=seconds_ago)).isoformat()
    return Snapshot(**({"id": f"id-{name}", "name": name, "created": created, "children": children} | facts))


def vm(*trees: Snapshot, state: str = "running") -> Vm:
    return Vm(name="web1", id="1", uuid="1", host="kvm1", state=PowerState(state), snapshots=trees, limits={})


def retention(**bounds: Any) -> dict[str, Any]:
    return {"keep": None, "older_than_seconds": None, "match": None, **bounds}


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({}, "snapshot"),
        ({"snapshot": ""}, "snapshot"),
        ({"snapshot": "a\tb"}, "snapshot"),
        ({"snapshot": "a\ud800"}, "snapshot"),
        ({"snapshot": "a\uffff"}, "snapshot"),
        ({"snapshot": "a", "description": "b\x01"}, "description"),
        ({"snapshot": "a", "snapshot_id": "a"}, "snapshot_id"),
        ({"snapshot": "a", "snapshot_path": ["a"]}, "snapshot_path"),
        ({"snapshot": "a", "children": "remove"}, "children"),
        ({"snapshot": "a", "retention": retention()}, "retention"),
        ({"snapshot": "a", "retention": retention(match="a*")}, "retention"),
        ({"snapshot": "a", "retention": retention(keep=-1)}, "retention.keep"),
        ({"snapshot": "a", "retention": retention(older_than_seconds=-0.1)}, "retention.older_than_seconds"),
        ({"snapshot": "a", "retention": retention(older_than_seconds=float("nan"))}, "retention.older_than_seconds"),
        ({"state": "pruned"}, "retention"),
        ({"state": "pruned", "snapshot": "a", "retention": retention(keep=1)}, "snapshot"),
        *(
            ({"state": state, **given}, option)
            for state in ("absent", "reverted")
            for given, option in (
                ({}, "snapshot_id"),
                ({"snapshot": "a", "snapshot_id": "a"}, "snapshot_path"),
                ({"snapshot_id": ""}, "snapshot_id"),
                ({"snapshot_path": []}, "snapshot_path"),
                ({"snapshot_path": ["a", ""]}, "snapshot_path"),
                ({"snapshot": "a", "description": "b"}, "description"),
                ({"snapshot": "a", "consistency": "memory"}, "consistency"),
                ({"snapshot": "a", "allow_unrevertable": True}, "allow_unrevertable"),
                ({"snapshot": "a", "retention": retention(keep=1)}, "retention"),
            )
        ),
        ({"state": "reverted", "snapshot": "a", "children": "remove"}, "children"),
    ],
)
def test_options_that_make_no_sense_are_named_before_anything_is_read(given: dict[str, Any], option: str) -> None:
    with pytest.raises(InvalidOption, match=rf"\b{option}\b"):
        what_is_read(UNGIVEN | given)


def test_options_become_a_wish() -> None:
    given = {"snapshot": "a", "description": "b\n\tc", "retention": retention(keep=0, match="x*")}
    rule = Retention(keep=0, match="x*")
    assert wish_from(UNGIVEN | given) == Wish(
        state="present", key="snapshot", value="a", description="b\n\tc", retention=rule
    )
    assert what_is_read(UNGIVEN | given) == (Part.SNAPSHOTS, Part.LIMITS)


def test_only_going_back_asks_whether_the_host_takes_vms() -> None:
    given = {"state": "reverted", "snapshot": "a"}
    assert what_is_read(UNGIVEN | given) == (Part.SNAPSHOTS, Part.LIMITS, Part.PLACE)


def test_only_taking_one_needs_no_care() -> None:
    assert {state: may_destroy({"state": state}) for state in ("present", "absent", "reverted", "pruned")} == {
        "present": False,
        "absent": True,
        "reverted": True,
        "pruned": True,
    }


def at_random(chance: random.Random, names: str, size: int) -> tuple[Snapshot, ...]:
    """Trees of any shape with many snapshots of one name."""
    parents = [None if number == 0 else chance.choice([None, *range(number)]) for number in range(size)]
    name = [chance.choice(names) for _number in range(size)]
    current = chance.randrange(size)

    def below(parent: int | None) -> tuple[Snapshot, ...]:
        return tuple(
            taken(size - number, name[number], *below(number), id=str(number), current=number == current)
            for number in range(size)
            if parents[number] == parent
        )

    return below(None)


@pytest.mark.parametrize("seed", range(30))
def test_a_snapshot_is_meant_by_name_id_or_path(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - trees to repeat
    machine = vm(*at_random(chance, "abc", chance.randrange(1, 9)))
    every = list(walk(machine.snapshots or ()))
    for path, one in every:
        for key, value, same in (
            ("snapshot", one.name, [other for _path, other in every if other.name == one.name]),
            ("snapshot_path", list(path), [other for theirs, other in every if theirs == path]),
            ("snapshot_id", one.id, [one]),
        ):
            wish = Wish(state="absent", key=key, value=value)
            if len(same) == 1:
                assert meant(machine, wish) == [(path, one)]
                continue
            with pytest.raises(Ambiguous) as caught:
                meant(machine, wish)
            assert [each["id"] for each in caught.value.facts["candidates"]] == [other.id for other in same]
            assert all(f"id {other.id} at" in str(caught.value) for other in same)
    assert meant(machine, Wish(state="absent", key="snapshot", value="z")) == []
    with pytest.raises(NotFound, match="web1 has no snapshot at"):
        plan_wish(DRIVER, machine, Wish(state="reverted", key="snapshot_path", value=["z"]), NOW)


def test_present_takes_no_second_one_where_several_have_the_name() -> None:
    machine = vm(taken(2, "a", id="1"), taken(1, "a", id="2"))
    plan = plan_wish(DRIVER, machine, Wish(state="present", key="snapshot", value="a"), NOW)
    assert (plan.steps, plan.after) == ((), plan.before)


def kind(consistency: str, how: str = "", *, one_way: bool = False, refused: bool = False) -> SnapshotKind:
    return SnapshotKind(
        consistency=consistency,
        how=how,
        unrevertable="one way" if one_way else None,
        refused="cannot be" if refused else None,
    )


FILES = (kind("memory"), kind("filesystem", one_way=True), kind("crash", one_way=True))  # as libvirt before 9.9
NO_MEMORY = (kind("memory", refused=True), *FILES[1:])
EVERY = tuple(kind(one) for one in CONSISTENCIES)


@pytest.mark.parametrize(
    ("kinds", "asked", "by_default", "allowed"),
    [
        (FILES, "crash", "memory", "memory"),
        (FILES, "filesystem", "memory", "filesystem"),
        (FILES, "memory", "memory", "memory"),
        (NO_MEMORY, "crash", None, "crash"),
        (NO_MEMORY, "filesystem", None, "filesystem"),
        (NO_MEMORY, "memory", None, None),
        (EVERY, "crash", "crash", "crash"),
        (EVERY, "filesystem", "filesystem", "filesystem"),
        (EVERY, "memory", "memory", "memory"),
        ((kind("filesystem", refused=True), kind("memory")), "filesystem", "memory", None),
        ((kind("crash"),), "filesystem", None, None),
        ((), "crash", None, None),
    ],
)
def test_the_least_that_is_enough_is_taken_but_one_that_can_be_reverted(
    kinds: Sequence[SnapshotKind], asked: str, by_default: str | None, allowed: str | None
) -> None:
    for allow, expected in ((False, by_default), (True, allowed)):
        wish = Wish(state="present", key="snapshot", value="a", consistency=asked, allow_unrevertable=allow)
        if expected:
            assert choose_kind(kinds, vm(), wish).consistency == expected
        else:
            with pytest.raises(Unsupported, match=f"no {asked} snapshot of web1 can be taken"):
                choose_kind(kinds, vm(), wish)


@pytest.mark.parametrize("order", [0, 1])
def test_of_equal_kinds_one_that_can_be_reverted_is_taken(order: int) -> None:
    kinds = [kind("crash", "good"), kind("crash", "bad", one_way=True)]
    wish = Wish(state="present", key="snapshot", value="a", allow_unrevertable=True)
    assert choose_kind(kinds[:: 1 if order else -1], vm(), wish).how == "good"


def test_a_refusal_has_every_reason_once_and_says_what_would_help() -> None:
    wish = Wish(state="present", key="snapshot", value="a")
    with pytest.raises(Unsupported) as caught:
        choose_kind([*NO_MEMORY, kind("crash", one_way=True)], vm(), wish)
    assert str(caught.value).endswith(
        "cannot be (memory); one way (filesystem, crash); allow_unrevertable: true takes one all the same"
    )


AGES = vm(taken(50, "n1", taken(40, "x1", taken(30, "n2"), taken(20, "n3"))), taken(10, "n4", current=True)).snapshots


@pytest.mark.parametrize(
    ("rule", "newer", "victims"),
    [
        (Retention(keep=0), 0, {"n1", "x1", "n2", "n3", "n4"}),
        (Retention(keep=2), 0, {"n1", "x1", "n2"}),
        (Retention(keep=2), 1, {"n1", "x1", "n2", "n3"}),
        (Retention(keep=0), 1, {"n1", "x1", "n2", "n3", "n4"}),
        (Retention(keep=9), 0, set()),
        (Retention(keep=2, match="n*"), 0, {"n1", "n2"}),
        (Retention(older_than_seconds=30), 0, {"n1", "x1", "n2"}),
        (Retention(older_than_seconds=30.1), 0, {"n1", "x1"}),
        (Retention(older_than_seconds=0), 0, {"n1", "x1", "n2", "n3", "n4"}),
        (Retention(older_than_seconds=float("inf")), 0, set()),
        (Retention(older_than_seconds=20, match="n[23]"), 0, {"n2", "n3"}),
        (Retention(keep=4, older_than_seconds=20), 0, {"n1"}),
        (Retention(keep=1, older_than_seconds=45), 0, {"n1"}),
        (Retention(keep=1, match="N*"), 0, set()),
        (None, 0, set()),
    ],
)
def test_what_is_old(rule: Retention | None, newer: int, victims: set[str]) -> None:
    assert {one.name for one in old(AGES or (), rule, NOW, newer=newer)} == victims


def test_in_one_second_a_parent_is_older_than_its_child() -> None:
    trees = vm(taken(0, "b", taken(0, "a"))).snapshots
    assert [one.name for one in old(trees or (), Retention(keep=1), NOW)] == ["b"]


def test_one_of_unknown_age_is_never_old() -> None:
    assert old((taken(0, "a", created=None),), Retention(keep=0), NOW) == []


def test_victims_of_a_new_snapshot_go_after_it_leaves_first() -> None:
    machine = vm(taken(30, "n1", taken(20, "n2", taken(10, "x", current=True))))
    wish = Wish(state="present", key="snapshot", value="n3", retention=Retention(keep=1, match="n*"))
    plan = plan_wish(DRIVER, machine, wish, NOW)
    assert [(step.action, step.details()["snapshot"]) for step in plan.steps] == [
        ("create_snapshot", "n3"),
        ("delete_snapshot", "n2"),
        ("delete_snapshot", "n1"),
    ]
    assert plan.before == {"snapshots": [["n1"], ["n1", "n2"], ["n1", "n2", "x"]], "current": ["n1", "n2", "x"]}
    assert plan.after == {"snapshots": [["x"], ["x", "n3"]], "current": ["x", "n3"]}


@pytest.mark.parametrize(("name", "gone"), [("n9", {"n1"}), ("other", set())])
def test_a_new_snapshot_counts_where_its_name_fits(name: str, gone: set[str]) -> None:
    machine = vm(taken(20, "n1", taken(10, "n2")))
    wish = Wish(state="present", key="snapshot", value=name, retention=Retention(keep=2, match="n*"))
    steps = plan_wish(DRIVER, machine, wish, NOW).steps
    assert {step.details()["snapshot"] for step in steps if step.action == "delete_snapshot"} == gone


def test_the_one_that_is_to_be_present_is_never_removed() -> None:
    machine = vm(taken(30, "a", taken(20, "b")))
    wish = Wish(state="present", key="snapshot", value="a", retention=Retention(keep=0))
    assert [step.details()["snapshot"] for step in plan_wish(DRIVER, machine, wish, NOW).steps] == ["b"]


@pytest.mark.parametrize(("held", "now"), list(product(("running", "paused", "stopped"), repeat=2)))
def test_a_revert_leads_to_the_state_that_the_snapshot_holds(held: str, now: str) -> None:
    machine = vm(taken(2, "a", state=PowerState(held)), taken(1, "b", current=True), state=now)
    plan = plan_wish(DRIVER, machine, Wish(state="reverted", key="snapshot", value="a"), NOW)
    assert plan.before == {"state": now, "snapshots": [["a"], ["b"]], "current": ["b"]}
    assert plan.after == {"state": held, "snapshots": [["a"], ["b"]], "current": ["a"]}


def test_a_vm_that_is_gone_has_no_fields() -> None:
    for wish in (Wish(state="absent", key="snapshot", value="a"), Wish(state="reverted", key="snapshot", value="a")):
        assert plan_wish(DRIVER, vm(taken(1, "a")), wish, NOW).view(None) == {}


@pytest.mark.parametrize("seed", range(8))
def test_a_walk_at_random_is_always_foretold(seed: int) -> None:
    """Whatever the tree, what check mode says is what the reference hypervisor then does; a second run does nothing."""
    chance = random.Random(seed)  # noqa: S311 - a walk to repeat
    world = World("kvm1")
    machine = world.add("web1", state=chance.choice(["running", "paused", "stopped"]))
    for number in range(15):
        some = chance.choice([*(one.id for one in machine.snapshots), "none"])
        wish: dict[str, Any] = chance.choice(
            [
                {"snapshot": f"s{number}"},
                {"snapshot": f"s{number}", "retention": {"keep": chance.randrange(6), "match": "*[02468]"}},
                {"state": "absent", "snapshot_id": some, "children": chance.choice(["keep", "remove"])},
                {"state": "reverted", "snapshot_id": some},
                {"state": "pruned", "retention": {"keep": chance.randrange(3, 8)}},
            ]
        )
        if chance.random() < 0.2:  # somebody else takes one of a name that is there
            world.snap(machine, "twin")
        taken_before = [one.id for one in machine.snapshots]
        checked = play(world, "vm_snapshot", name="web1", check_mode=True, **wish)
        assert [one.id for one in machine.snapshots] == taken_before
        done = play(world, "vm_snapshot", name="web1", **wish)
        assert (
            done.get("error")
            == checked.get("error")
            == ("NotFound" if some == "none" and wish.get("state") == "reverted" else None)
        )
        assert [one.get("after") for one in done["vms"]] == [one.get("after") for one in checked["vms"]]
        if wish.get("state") != "reverted":
            assert not play(world, "vm_snapshot", name="web1", **wish)["changed"]


def test_names_that_stand_for_several_refuse_the_task() -> None:
    world = World("kvm1")
    machine = world.add("web1")
    for _time in range(2):
        world.snap(machine, "a")
    for state in ("absent", "reverted"):
        result = play(world, "vm_snapshot", name="web1", snapshot="a", state=state)
        assert (result["error"], result["changed"]) == ("Ambiguous", False)
        assert [one["path"] for one in result["vms"][0]["candidates"]] == [["a"], ["a", "a"]]
    assert play(world, "vm_snapshot", name="web1", snapshot_path=["a", "a"], state="absent")["changed"]


def test_a_failure_to_take_one_removes_none() -> None:
    world = World("kvm1")
    machine = world.add("web1", errors={"create_snapshot": CrossvirtError("no room")})
    world.snap(machine, "old")
    result = play(world, "vm_snapshot", name="web1", snapshot="new", retention={"keep": 1})
    assert [step["outcome"] for step in result["vms"][0]["steps"]] == ["failed"]
    assert [one.name for one in machine.snapshots] == ["old"]
