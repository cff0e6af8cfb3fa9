# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: what is asked for, which one is meant, how a new one is taken, which are old, and the tree afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any
from unicodedata import category

from ..driver import Capability, Driver
from ..errors import Ambiguous, InvalidOption, NotFound, Unsupported
from ..model import Part, Snapshot, SnapshotKind, Vm
from ..plan import Fields, Plan
from ..steps import CreateSnapshot, DeleteSnapshot, RevertSnapshot, Step

STATES = ("present", "absent", "reverted", "pruned")
CONSISTENCIES = ("crash", "filesystem", "memory")  # each holds what those before it hold
IDENTITY = ("snapshot", "snapshot_id", "snapshot_path")
GOES_WITH = {
    "snapshot": ("present", "absent", "reverted"),
    "snapshot_id": ("absent", "reverted"),
    "snapshot_path": ("absent", "reverted"),
    "description": ("present",),
    "consistency": ("present",),
    "allow_unrevertable": ("present",),
    "children": ("absent",),
    "retention": ("present", "pruned"),
}
DEFAULTS = {"consistency": "crash", "allow_unrevertable": False, "children": "keep"}

Path = tuple[str, ...]
Trees = Sequence[Snapshot]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Which snapshots are old: those that fit `match`, are not among the newest `keep`, and are at least so old."""

    keep: int | None = None
    older_than_seconds: float | None = None
    match: str | None = None

    def counts(self, name: str) -> bool:
        """Say whether a snapshot of this name counts at all."""
        return self.match is None or fnmatchcase(name, self.match)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What vm_snapshot was asked for; `key` says by what the snapshot is named in `value`."""

    state: str
    key: str | None = None
    value: Any = None
    description: str = ""
    consistency: str = "crash"
    allow_unrevertable: bool = False
    with_children: bool = False
    retention: Retention | None = None


def wish_from(params: dict[str, Any]) -> Wish:
    """Return the options in one form; raises InvalidOption, naming the option, for what makes no sense."""
    state = params["state"]
    for key, states in GOES_WITH.items():
        if state not in states and params[key] != DEFAULTS.get(key):
            raise InvalidOption(f"{key} goes with state {' or '.join(states)}, not with {state}")
    fitting = [key for key in IDENTITY if state in GOES_WITH[key]]
    named = [key for key in fitting if params[key] is not None]
    if fitting and len(named) != 1:
        raise InvalidOption(f"state {state} needs {'exactly one of ' if fitting[1:] else ''}{', '.join(fitting)}")
    for key in named:
        if not params[key] or not all(params[key]):
            raise InvalidOption(f"{key} must not be empty")
    description = params["description"] or ""
    if state == "present":
        refuse_control_characters("snapshot", params["snapshot"])
        refuse_control_characters("description", description, allowed="\t\r\n")
    return Wish(
        state=state,
        key=named[0] if named else None,
        value=params[named[0]] if named else None,
        description=description,
        consistency=params["consistency"],
        allow_unrevertable=params["allow_unrevertable"],
        with_children=params["children"] == "remove",
        retention=retention_from(params["retention"], state),
    )


def refuse_control_characters(option: str, text: str, allowed: str = "") -> None:
    """Raise InvalidOption for what no hypervisor can keep in a text."""
    if bad := [one for one in text if one not in allowed and (category(one) in ("Cc", "Cs") or one in "\ufffe\uffff")]:
        raise InvalidOption(f"{option} must not contain {bad[0]!r}")


def retention_from(given: dict[str, Any] | None, state: str) -> Retention | None:
    """Return the rule by which snapshots are old, if there is one."""
    if given is None and state != "pruned":
        return None
    retention = Retention(**(given or {}))
    bounds = {"keep": retention.keep, "older_than_seconds": retention.older_than_seconds}
    if not any(value is not None for value in bounds.values()):
        raise InvalidOption("retention needs keep or older_than_seconds")
    for key, value in bounds.items():
        if value is not None and not value >= 0:
            raise InvalidOption(f"retention.{key} must not be {value:g}")
    return retention


def plan_snapshot(driver: Driver, vm: Vm, params: dict[str, Any]) -> Plan:
    """Plan what vm_snapshot was asked for; ages are told by the clock of where the module runs."""
    return plan_wish(driver, vm, wish_from(params), datetime.now(UTC))


def plan_wish(driver: Driver, vm: Vm, wish: Wish, now: datetime) -> Plan:
    """Plan one of the four states.

    Raises NotFound, Ambiguous, and what taking a snapshot raises: Unsupported or InvalidOption.
    """
    match wish.state:
        case "present":
            return plan_present(driver, vm, wish, now)
        case "absent":
            gone = [one for _path, one in meant(vm, wish)]
            return plan_removal(vm, gone[0].walk() if gone and wish.with_children else gone)
        case "reverted":
            return plan_revert(vm, wish)
    return plan_removal(vm, old(vm.snapshots or (), wish.retention, now))


def plan_present(driver: Driver, vm: Vm, wish: Wish, now: datetime) -> Plan:
    """Plan a snapshot where none has that name, and then the end of those that are old with it."""
    trees, name = vm.snapshots or (), str(wish.value)
    same = [one for _path, one in walk(trees) if one.name == name]
    create = () if same else (creation(driver, vm, wish, name),)
    newer = int(bool(create) and wish.retention is not None and wish.retention.counts(name))
    victims = [one for one in old(trees, wish.retention, now, newer=newer) if one not in same]
    after = fields(trees, gone={one.id for one in victims}, new=None if same else name)
    return Plan(view(vm), after, (*create, *deletions(trees, victims)), view)


def creation(driver: Driver, vm: Vm, wish: Wish, name: str) -> Step:
    """Return the step of the kind that is taken; raises Unsupported with every reason at once."""
    if reason := driver.refuses(Capability.CREATE_SNAPSHOT):
        raise Unsupported(reason)
    kind = choose_kind(driver.snapshot_kinds(vm, name), vm, wish)
    return CreateSnapshot(name=name, description=wish.description, consistency=kind.consistency, how=kind.how)


def choose_kind(kinds: Sequence[SnapshotKind], vm: Vm, wish: Wish) -> SnapshotKind:
    """Return the kind to take: one that can be reverted, and of those the least that is enough.

    Who asks for the guest's file systems at rest and allows a snapshot that cannot be reverted wants just that.
    """
    asked = CONSISTENCIES.index(wish.consistency)
    just_that = wish.consistency == "filesystem" and wish.allow_unrevertable
    enough = [kind for kind in kinds if kind.consistency in CONSISTENCIES[asked : asked + 1 if just_that else None]]
    possible = [kind for kind in enough if not kind.refused and (wish.allow_unrevertable or not kind.unrevertable)]
    if not possible:
        reasons: dict[str, list[str]] = {}
        for kind in enough:
            reasons.setdefault(kind.refused or kind.unrevertable or "", []).append(kind.consistency)
        hint = "" if all(kind.refused for kind in enough) else "; allow_unrevertable: true takes one all the same"
        said = "; ".join(
            f"{reason} ({', '.join(dict.fromkeys(consistencies))})" for reason, consistencies in reasons.items()
        )
        raise Unsupported(f"no {wish.consistency} snapshot of {vm.name} can be taken: {said}{hint}")
    return min(possible, key=lambda kind: (bool(kind.unrevertable), CONSISTENCIES.index(kind.consistency)))


def plan_removal(vm: Vm, victims: Sequence[Snapshot]) -> Plan:
    """Plan the end of these snapshots."""
    trees = vm.snapshots or ()
    return Plan(view(vm), fields(trees, gone={one.id for one in victims}), deletions(trees, victims), view)


def deletions(trees: Trees, victims: Sequence[Snapshot]) -> tuple[Step, ...]:
    """Return a step for each, leaves first."""
    ordered = [one for _path, one in walk(trees) if one in victims]
    return tuple(DeleteSnapshot(snapshot_id=one.id, snapshot=one.name) for one in reversed(ordered))


def plan_revert(vm: Vm, wish: Wish) -> Plan:
    """Plan the way back; the VM is then in the state that the snapshot holds. Raises NotFound."""
    found = meant(vm, wish)
    if not found:
        raise NotFound(f"{vm.name} has no {described(wish)}")
    ((path, target),) = found
    before = view_with_state(vm)
    after = {**before, "state": target.state.value, "current": list(path)}
    return Plan(before, after, (RevertSnapshot(snapshot_id=target.id, snapshot=target.name),), view_with_state)


def meant(vm: Vm, wish: Wish) -> list[tuple[Path, Snapshot]]:
    """Return the snapshot that is meant, or nothing; raises Ambiguous with id and path of each that could be."""
    every = walk(vm.snapshots or ())
    match wish.key:
        case "snapshot":
            found = [(path, one) for path, one in every if one.name == wish.value]
        case "snapshot_id":
            found = [(path, one) for path, one in every if one.id == wish.value]
        case _:
            found = [(path, one) for path, one in every if list(path) == wish.value]
    if len(found) > 1:
        listed = "; ".join(f"id {one.id} at {' / '.join(path)}" for path, one in found)
        facts = [{"id": one.id, "path": list(path)} for path, one in found]
        raise Ambiguous(f"{vm.name} has more than one {described(wish)}: {listed}", candidates=facts)
    return found


def described(wish: Wish) -> str:
    """Return the snapshot that is meant in words."""
    return {
        "snapshot": f"snapshot {wish.value!r}",
        "snapshot_id": f"snapshot with id {wish.value!r}",
        "snapshot_path": f"snapshot at {wish.value!r}",
    }[str(wish.key)]


def old(trees: Trees, retention: Retention | None, now: datetime, *, newer: int = 0) -> list[Snapshot]:
    """Return those that are old, when `newer` more than are there yet count as newest."""
    if retention is None:
        return []
    dated = [
        (datetime.fromisoformat(one.created), one)
        for _path, one in walk(trees)
        if one.created and retention.counts(one.name)
    ]
    newest_first = sorted(dated, key=lambda pair: pair[0])[::-1]
    kept = 0 if retention.keep is None else max(retention.keep - newer, 0)
    age = retention.older_than_seconds or 0
    return [
        one
        for when, one in newest_first[kept:]
        if retention.older_than_seconds is None or (now - when).total_seconds() >= age
    ]


def walk(trees: Trees, above: Path = ()) -> Iterator[tuple[Path, Snapshot]]:
    """Return every snapshot with its path, parents first."""
    for one in trees:
        path = (*above, one.name)
        yield path, one
        yield from walk(one.children, path)


def surviving(trees: Trees, gone: Collection[str], above: Path = ()) -> Iterator[tuple[Path, Snapshot]]:
    """Return every snapshot that stays, with the path that it then has."""
    for one in trees:
        path = above if one.id in gone else (*above, one.name)
        if one.id not in gone:
            yield path, one
        yield from surviving(one.children, gone, path)


def fields(trees: Trees, *, gone: Collection[str] = (), new: str | None = None) -> Fields:
    """Return what the module manages, once some snapshots are gone and a new one hangs below the current one.

    Where the current one goes, its nearest ancestor that stays is the current one.
    """
    current = [one.name for one in lineage(trees) if one.id not in gone] + ([new] if new else [])
    paths = [list(path) for path, _one in surviving(trees, gone)] + ([current] if new else [])
    return {"snapshots": sorted(paths), "current": current}


def lineage(trees: Trees) -> list[Snapshot]:
    """Return the snapshots from the root to the current one; nothing where none is."""
    for one in trees:
        below = lineage(one.children)
        if one.current or below:
            return [one, *below]
    return []


def view(vm: Vm | None) -> Fields:
    """Read the fields that snapshots are about; paths are sorted, so that equal trees read equal."""
    return fields(vm.snapshots or ()) if vm else {}


def view_with_state(vm: Vm | None) -> Fields:
    """Read them with the power state, which a revert changes."""
    return {"state": vm.state.value, **view(vm)} if vm else {}


def may_destroy(params: dict[str, Any]) -> bool:
    """Say whether more than one VM needs an explicit max_vms: snapshots go, or the present is lost."""
    return bool(params["state"] != "present")


def what_is_read(params: dict[str, Any]) -> tuple[Part, ...]:
    """Return what planning needs to know; raises InvalidOption before anything is read."""
    wish_from(params)
    place = (Part.PLACE,) if params["state"] == "reverted" else ()  # a snapshot may hold a VM that runs
    return Part.SNAPSHOTS, Part.LIMITS, *place
