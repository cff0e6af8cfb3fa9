# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's snapshots and definitions, recorded on libvirt 9.0, into our words; what they rule out.

Of the snapshots, the copies of the VM's definition are left out; of the definitions, controllers and such.
"""

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.snapshot_kinds import (
    DISKS_INSIDE,
    DISKS_OUTSIDE,
    QUIESCED,
    WITH_MEMORY,
    check_name,
    kinds,
    limits,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.snapshots import (
    Moment,
    by_age,
    moment,
    refusal,
    ruled_out,
    trees,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import InvalidOption
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import PowerState, Snapshot, Vm

PAYLOADS = Path(__file__).parent / "payloads"
OUTSIDE = "this host is too old"
CREATE, REVERT, DELETE = Capability.CREATE_SNAPSHOT, Capability.REVERT_SNAPSHOT, Capability.DELETE_SNAPSHOT


def payload(name: str) -> str:
    return (PAYLOADS / f"{name}.xml").read_text()


def definition(name: str, *changes: tuple[str, str]) -> ET.Element:
    """A recorded definition with texts replaced, each of which is there."""
    text = payload(name)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return ET.fromstring(text)


def vm(state: str = "running", **facts: Any) -> Vm:
    return Vm(name="web1", id="1", uuid="1", host="kvm1", state=PowerState(state), **facts)


def inside(name: str, parent: str | None = None, *, seconds: int = 0, state: str = "running") -> Moment:
    return Moment(name=name, parent=parent, seconds=seconds, state=state, memory=True)


def outside(name: str, parent: str | None = None, *, seconds: int = 0) -> Moment:
    return Moment(name=name, parent=parent, seconds=seconds, state="disk-snapshot", external=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "internal-running",
            Moment(
                name="it's <a> & b",
                description='<b>&amp; "quoted"</b>\nsecond line',
                seconds=1795372847,
                state="running",
                memory=True,
            ),
        ),
        (
            "internal-paused",
            Moment(name="größe ✓", parent="it's <a> & b", seconds=1795372848, state="paused", memory=True),
        ),
        ("internal-shutoff", Moment(name="-off", parent="größe ✓", seconds=1795372850, state="shutoff")),
        ("external-running", Moment(name="outside", seconds=1795372857, state="disk-snapshot", external=True)),
        (
            "external-memory",
            Moment(name="full", parent="outside", seconds=1795372857, state="running", memory=True, external=True),
        ),
        ("test-driver", Moment(name="t", seconds=1795372859, state="running", memory=True)),
    ],
)
def test_descriptions_are_understood(name: str, expected: Moment) -> None:
    assert moment(payload(name)) == expected


def test_recorded_snapshots_make_a_tree() -> None:
    moments = [moment(payload(f"internal-{state}")) for state in ("running", "paused", "shutoff")]
    (root,) = trees(moments, "-off", OUTSIDE)
    paused, off = root.walk()[1:]
    assert [one.state for one in (root, paused, off)] == ["running", "paused", "stopped"]
    assert [one.consistency for one in (root, paused, off)] == ["memory", "memory", "crash"]
    assert [one.current for one in (root, paused, off)] == [False, False, True]
    assert root.created == "2026-11-22T18:40:47+00:00"
    assert [one.unrevertable for one in (root, paused, off)] == [None, None, None]


def test_siblings_are_ordered_by_age_then_name_whatever_libvirt_says_first() -> None:
    moments = [inside("c", "a", seconds=2), inside("b", "a", seconds=2), inside("d", "a", seconds=1), inside("a")]
    for shuffled in permutations(moments):
        (root,) = trees(sorted(shuffled, key=by_age), None, None)
        assert [one.name for one in root.walk()] == ["a", "d", "b", "c"]


def test_one_whose_parent_is_gone_is_a_root() -> None:
    assert [one.name for one in trees([inside("b", "gone")], "b", None)] == ["b"]


@pytest.mark.parametrize(
    ("one", "others", "reason"),
    [
        (inside("a"), [], None),
        (outside("a"), [], OUTSIDE),
        (inside("a", state="crashed"), [], "crashed"),
        (inside("12"), [], "number"),
        (inside("20261122"), [], None),
        (inside("012"), [], None),
        (inside("a"), [inside("b", "a"), outside("c", "b")], "would be lost: c"),
        (inside("b", "a"), [outside("a")], None),
    ],
)
def test_what_cannot_be_gone_back_to_says_why(one: Moment, others: list[Moment], reason: str | None) -> None:
    every = [snapshot for tree in trees([one, *others], None, OUTSIDE) for snapshot in tree.walk()]
    said = next(snapshot.unrevertable for snapshot in every if snapshot.name == one.name)
    assert said is None if reason is None else reason in (said or "")


@pytest.mark.parametrize(
    ("moments", "state", "kept"),
    [
        ([inside("a"), inside("b", "a")], "running", set()),
        ([outside("a"), outside("b", "a")], "running", set()),
        ([outside("a"), outside("b", "a")], "suspended", {"a", "b"}),
        ([inside("a"), inside("b", "a")], "suspended", set()),
        ([inside("a"), outside("b", "a")], "stopped", {"a", "b"}),
        ([outside("a"), inside("b", "a")], "stopped", {"a"}),  # b is in the file on top, and can go
        ([outside("a"), inside("b")], "stopped", set()),
    ],
)
def test_what_another_sort_depends_on_is_not_deleted(moments: list[Moment], state: str, kept: set[str]) -> None:
    machine = vm(state, limits=ruled_out(moments, vm(state)))
    assert {one.name for one in moments if refusal(DELETE, machine, one.name)} == kept


@pytest.mark.parametrize(
    ("moments", "refused"),
    [
        ([], set()),
        ([inside("a")], {DISKS_OUTSIDE, QUIESCED}),
        ([outside("a")], {WITH_MEMORY, DISKS_INSIDE}),
        ([inside("a"), outside("b")], {WITH_MEMORY, DISKS_INSIDE, DISKS_OUTSIDE, QUIESCED}),
    ],
)
def test_the_sorts_do_not_mix(moments: list[Moment], refused: set[str]) -> None:
    reasons = ruled_out(moments, vm())
    assert {
        how for how in (WITH_MEMORY, DISKS_INSIDE, DISKS_OUTSIDE, QUIESCED) if f"{CREATE} {how}" in reasons
    } == refused


QCOW2, UEFI_RAW = "running-qcow2", "stopped-uefi-raw"
DISK, TYPE = "device='disk'", "type='qcow2'"
NO_INSIDE, NO_OUTSIDE = {WITH_MEMORY, DISKS_INSIDE}, {DISKS_OUTSIDE, QUIESCED}


@pytest.mark.parametrize(
    ("domain", "refused", "reason"),
    [
        (definition(QCOW2), set(), ""),
        (definition(QCOW2, ("state='connected'", "")), {QUIESCED}, "agent is not connected"),
        (definition(QCOW2, (DISK, f"{DISK} snapshot='no'")), NO_INSIDE, "disk vda is marked snapshot='no'"),
        (definition(QCOW2, ("<backingStore/>", "<transient/>")), {WITH_MEMORY}, "transient"),
        (definition(QCOW2, ("<backingStore/>", "<shareable/>")), NO_OUTSIDE, "disk vda is shared"),
        (definition(QCOW2, ("<backingStore/>", "<readonly/>")), NO_INSIDE | NO_OUTSIDE, "no disk"),
        (definition(QCOW2, ("type='file'", "type='block'")), NO_OUTSIDE, "disk vda is no plain file"),
        (definition(QCOW2, (TYPE, "")), NO_INSIDE, "disk vda is raw"),
        (definition(QCOW2, ("<os>", "<os firmware='efi'>")), {WITH_MEMORY}, "UEFI"),
        (definition(QCOW2, ("<boot ", "<loader type='pflash'/><boot ")), {WITH_MEMORY}, "UEFI"),
        (definition(UEFI_RAW), NO_INSIDE | {QUIESCED}, "disk vdb is raw"),
        (definition(UEFI_RAW, ("recraw.img", "rec.img")), NO_INSIDE | NO_OUTSIDE, "vda and vdb would share"),
        (definition(QCOW2, ("type='qemu'", "type='test'")), NO_OUTSIDE, "test driver"),
    ],
)
def test_definitions_rule_out_ways_by_name(domain: ET.Element, refused: set[str], reason: str) -> None:
    found = limits(domain)
    assert set(found) == {f"{CREATE} {how}" for how in refused}
    assert any(reason in said for said in found.values()) or not refused


def offers(machine: Vm, no_way_back: str | None = OUTSIDE) -> set[tuple[str, str, bool]]:
    """What can be taken: consistency, way, and whether it can be reverted."""
    return {
        (kind.consistency, kind.how, not kind.unrevertable) for kind in kinds(machine, no_way_back) if not kind.refused
    }


def test_what_can_be_taken_follows_the_state() -> None:
    paused = {("memory", WITH_MEMORY, True), ("crash", DISKS_OUTSIDE, False)}
    assert offers(vm("paused")) == paused
    assert offers(vm("running")) == paused | {("filesystem", QUIESCED, False)}
    assert offers(vm("stopped")) == {
        (consistency, how, how == DISKS_INSIDE)
        for consistency in ("crash", "filesystem")
        for how in (DISKS_INSIDE, DISKS_OUTSIDE)
    }
    for state in ("suspended", "crashed", "changing", "unknown"):
        assert offers(vm(state)) == set()
        assert state in str(refusal(CREATE, vm(state), None))


def test_a_host_that_goes_back_to_files_makes_them_revertable() -> None:
    assert all(revertable for _consistency, _how, revertable in offers(vm("running"), None))


def test_every_refusal_of_a_state_is_said_for_each_consistency() -> None:
    assert {kind.consistency for kind in kinds(vm("suspended"), None)} == {"crash", "filesystem", "memory"}


def test_creating_is_refused_only_where_there_is_no_way() -> None:
    diskless = vm(limits=limits(definition(QCOW2, ("<backingStore/>", "<readonly/>"))))
    assert "no disk" in str(refusal(CREATE, diskless, None))
    assert refusal(CREATE, vm(limits=limits(definition(UEFI_RAW))), None) is None


def test_reverting_is_refused_by_name() -> None:
    a, b = (Snapshot(id=name, name=name, state=PowerState.STOPPED) for name in ("a", "b"))
    stuck = replace(b, unrevertable="it is one way")
    assert refusal(REVERT, vm("stopped", snapshots=(a,)), "a") is None
    assert "one way" in str(refusal(REVERT, vm("stopped", snapshots=(a, stuck)), "b"))
    assert "saved memory" in str(refusal(REVERT, vm("suspended", snapshots=(a,)), "a"))
    assert "delete it" in str(refusal(REVERT, vm("running", snapshots=(a,), transient=True), "a"))
    running = replace(a, state=PowerState.RUNNING)
    assert refusal(REVERT, vm("running", snapshots=(running,), transient=True), "a") is None


@pytest.mark.parametrize("name", ["a", "it's <a> & b", "-dash", "  ", "größe ✓", "20261122", "0", "1a", "é" * 123])
def test_names_that_libvirt_keeps(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["a/b", ".a", "1", "999999", 'a"b', "a\\b", "é" * 124])
def test_names_that_libvirt_refuses_or_gets_wrong(name: str) -> None:
    with pytest.raises(InvalidOption, match="snapshot"):
        check_name(name)
