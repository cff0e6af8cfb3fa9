# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan would do, in the words that a policy judges; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from ..model import Draft, Vm
from ..plan import Plan
from ..steps import Create, Delete, Migrate, Step
from .policy import Being, Deed, Labels

T = TypeVar("T")


def steps_of(plan: Plan) -> list[Step]:
    """Return all that may be begun, also what only a missed deadline brings."""
    return [step for step in plan.every_step() if step.changes]


def drafts_of(plan: Plan) -> list[Draft]:
    """Return the VMs that would be made."""
    return [step.draft for step in steps_of(plan) if isinstance(step, Create)]


def deed_of(plan: Plan, vm: Vm | None, source: Vm | None, *, foldered: bool) -> Deed:
    """Return what a plan does to a VM, or to make one; `source` is the VM that is copied.

    `foldered` says whether this hypervisor has folders, so that none means one that cannot be seen.
    """
    steps = steps_of(plan)
    here = [one for one in (vm, source) if one]
    made = next((made_by(draft, source, foldered=foldered) for draft in drafts_of(plan)), None)
    moved = [after(plan, vm, foldered=foldered) for step in steps if isinstance(step, Migrate) and vm]
    return Deed(
        actions=unique(step.action for step in steps),
        vms=[*(being_of(one, foldered=foldered) for one in here), *moved, *([made] if made else ())],
        hosts=unique([*(one.host for one in here), *hosts_of(plan, steps)]),
        storage=unique(storage_of(plan, steps, source)),
        made=made,
        given=next((draft.spec.labels or {} for draft in drafts_of(plan)), {}),
    )


def being_of(vm: Vm, *, foldered: bool) -> Being:
    """Return a VM that is there."""
    folder = vm.folder if foldered else ""
    return Being(name=vm.name, labels=vm.labels, folder=folder, cpus=vm.cpus, memory_bytes=vm.memory_bytes)


def made_by(draft: Draft, source: Vm | None, *, foldered: bool) -> Being:
    """Return a VM that would be made: a copy has at most the labels of its source, and another size in a snapshot."""
    spec, size = draft.spec, source if draft.clone and not draft.clone.snapshot else None
    folder = spec.folder if spec.folder and spec.folder.startswith("/") else None
    return Being(
        name=str(spec.name),
        labels=labels_of(spec.labels, source),
        folder=folder if foldered else "",
        cpus=spec.cpus or (size.cpus if size else None),
        memory_bytes=spec.memory_bytes or (size.memory_bytes if size else None),
    )


def labels_of(given: Labels | None, source: Vm | None) -> Labels | None:
    """Return the labels that a new VM can have."""
    if given is not None:
        return given
    return source.labels if source else {}


def after(plan: Plan, vm: Vm, *, foldered: bool) -> Being:
    """Return a VM as it would be after a move."""
    name, folder = (plan.after.get(key, getattr(vm, key)) for key in ("name", "folder"))
    return Being(name=name, labels=vm.labels, folder=folder if foldered else "")


def hosts_of(plan: Plan, steps: Iterable[Step]) -> Iterator[str | None]:
    """Return where VMs would be made, and where they would be after a move."""
    for step in steps:
        if isinstance(step, Create):
            yield step.draft.host
        elif isinstance(step, Migrate):
            yield None if "host" in step.move.unforeseen else plan.after.get("host")


def storage_of(plan: Plan, steps: Iterable[Step], source: Vm | None) -> Iterator[str]:
    """Return where volumes would be made, copied from and removed."""
    yield from named(disk.storage for disk in (source and source.disks) or () if disk.device in ("disk", "lun"))
    for step in steps:
        if isinstance(step, Create):
            draft = step.draft
            yield from (volume.storage for volume in draft.volumes)
            yield from filter(None, [draft.storage, draft.spec.storage])
            yield from (disk.image.storage for disk in draft.spec.disks or () if disk.image and disk.image.storage)
        elif isinstance(step, Delete):
            yield from (volume.storage for volume in step.volumes)
        elif isinstance(step, Migrate):
            spec = step.move.spec
            yield from (volume.storage for volume in step.move.copied)
            yield from filter(None, [spec.storage, *spec.storage_map.values()])
            yield from named([*plan.before.get("storage", ()), *plan.after.get("storage", ())])


def named(storages: Iterable[str | None]) -> list[str]:
    """Return storages by name, also that of a disk that no storage holds."""
    return [one or "of no name" for one in storages]


def unique(values: Iterable[T]) -> tuple[T, ...]:
    """Return each value once."""
    return tuple(dict.fromkeys(values))
