# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves: what is asked for, what is read back afterwards, and the one step between."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from ..errors import InvalidOption
from ..model import Move, MoveSpec, Part, Vm
from ..plan import Fields, Plan
from ..steps import Migrate

MODES = ("auto", "live", "cold")
COPY_STORAGE = ("auto", "always", "never")
ENCRYPTION = ("auto", "required", "disabled")
ALWAYS = ("name", "host", "state")
WHERE = ("hypervisor", "host", "cluster", "folder", "pool", "storage", "storage_map", "network_map", "name")
LIVE_ONLY = ("post_copy", "auto_converge")


def spec_from(params: dict[str, Any]) -> MoveSpec:
    """Return what vm_migrate was asked for; raises InvalidOption for what contradicts itself."""
    given = {key: value for key, value in (params["target"] or {}).items() if value is not None}
    if not given:
        raise InvalidOption(f"target says nothing; it needs at least one of {', '.join(WHERE)}")
    target = {key: value for key, value in given.items() if key != "hypervisor"}
    if empty := [key for key, value in target.items() if value == ""]:
        raise InvalidOption(f"target.{empty[0]} must not be empty")
    for key in ("storage_map", "network_map"):
        check_map(f"target.{key}", target.get(key, {}))
    for key in ("bandwidth_bytes_per_second", "timeout_seconds"):
        if params[key] is not None and params[key] <= 0:
            raise InvalidOption(f"{key} must be above 0, not {params[key]}")
    if params["mode"] == "cold" and (odd := [key for key in LIVE_ONLY if params[key]]):
        raise InvalidOption(f"{odd[0]} goes with a live move, not with mode cold")
    way = ("mode", "copy_storage", "encryption", "bandwidth_bytes_per_second", *LIVE_ONLY)
    return MoveSpec(**target, **{key: params[key] for key in way})


def check_map(what: str, names: dict[Any, Any]) -> None:
    """Hold a map to names, and to a second run that finds nothing to do; raises InvalidOption."""
    for old, new in names.items():
        if not all(isinstance(name, str) and name for name in (old, new)):
            raise InvalidOption(f"{what} maps a name to a name, not {old!r} to {new!r}")
        if new in names and names[new] != new:
            raise InvalidOption(f"{what} leads from {old!r} to {new!r} and on to {names[new]!r}: each run would go on")


def plan_move(vm: Vm, move: Move, params: dict[str, Any]) -> Plan:
    """Plan a move that its driver has worked out."""
    keys = tuple(key for key in dict.fromkeys((*ALWAYS, *move.after)) if key not in move.unforeseen)

    def view(now: Vm | None) -> Fields:
        return fields_of(now, keys) if now else {}

    before = view(vm)
    deadline = {"timeout_seconds": params["timeout_seconds"]} if params["timeout_seconds"] else {}
    steps = (Migrate(move=move, **deadline),) if move.needed else ()
    return Plan(before, before | move.after if steps else before, steps, view)


def fields_of(vm: Vm, keys: Collection[str]) -> Fields:
    """Read the fields that moves are about: `storage` is that of each disk, `networks` that of each NIC, in order."""
    read: dict[str, Callable[[], Any]] = {
        "storage": lambda: [disk.storage for disk in vm.disks or () if disk.device == "disk"],
        "networks": lambda: [nic.network for nic in vm.nics or ()],
        "state": lambda: vm.state.value,
    }
    return {key: read[key]() if key in read else getattr(vm, key) for key in keys}


def fitted(spec: MoveSpec, vm: Vm, everybody: Collection[str]) -> MoveSpec:
    """Leave out of the maps what others of the task have and this VM has not; what nobody has stays, to be refused."""
    used = names_in_use(vm)

    def meant(mapped: dict[str, str]) -> dict[str, str]:
        return {old: new for old, new in mapped.items() if {old, new} & used or not {old, new} & set(everybody)}

    return replace(spec, storage_map=meant(spec.storage_map), network_map=meant(spec.network_map))


def names_in_use(vm: Vm) -> set[str]:
    """Return the storages and networks of a VM."""
    names = {disk.storage for disk in vm.disks or ()} | {nic.network for nic in vm.nics or ()}
    return {name for name in names if name}


def what_is_read(_params: dict[str, Any]) -> tuple[Part, ...]:
    """Return what every plan of a move needs to know; the progress tells of a move that somebody has begun."""
    return (Part.DISKS, Part.NICS, Part.PROGRESS)
