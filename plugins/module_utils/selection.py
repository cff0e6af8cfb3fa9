# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs a task means: the options, and what they become."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from .errors import InvalidOption
from .model import PowerState, Ref, Selection, Wanted
from .planning.labels import labels_from

Params = dict[str, Any]
REFS = ("name", "uuid", "id", "path")
SELECT = ("name", "host", "cluster", "folder", "pool", "state")
ADDED_TO = {"target"}  # of an entry's own options those whose keys stand beside the task's, not in their place
WHICH: dict[str, Any] = {
    **{key: {"type": "str"} for key in REFS},
    "vms": {"type": "list", "elements": "raw"},
    "select": {
        "type": "dict",
        "options": {
            **{key: {"type": "str"} for key in SELECT if key != "state"},
            "state": {"type": "str", "choices": [state.value for state in PowerState]},
            "labels": {"type": "dict"},
        },
    },
}
BULK: dict[str, Any] = {
    "max_vms": {"type": "int"},
    "parallel": {"type": "int", "default": 10},
    "on_failure": {"type": "str", "choices": ["continue", "stop"], "default": "continue"},
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One VM that a task means, and the task's options as they hold for this one."""

    ref: Ref
    params: Params


def wanted_from(params: Params, own_keys: Collection[str] = ()) -> list[Entry] | Selection:
    """Return the VMs that the options mean; entries of `vms` may carry `own_keys` over those of the task.

    Raises InvalidOption for an entry that is none, a VM named twice, or a `select` without a condition.
    """
    if params["select"] is not None:
        return selection_from(params["select"])
    items = (
        params["vms"] if params["vms"] is not None else [{key: params[key] for key in REFS if params[key] is not None}]
    )
    if not items:
        raise InvalidOption("vms is empty; use select where it may well be that no VM is meant")
    entries = [entry_from(item, params, own_keys) for item in items]
    refs = [entry.ref for entry in entries]
    if twice := [ref for n, ref in enumerate(refs) if ref in refs[:n]]:
        raise InvalidOption(f"the VM with {twice[0]} is named twice")
    return entries


def entry_from(item: Any, params: Params, own_keys: Collection[str]) -> Entry:
    """Return one entry of `vms`."""
    keys = {"name": item} if isinstance(item, str) else item
    refs = [key for key in REFS if key in keys] if isinstance(keys, dict) else []
    if len(refs) != 1 or not isinstance(keys[refs[0]], str) or not keys[refs[0]]:
        raise InvalidOption(
            f"an entry of vms is a name, or has exactly one of {', '.join(REFS)}, with a text in it; not {item!r}"
        )
    own: Params = {key: value for key, value in keys.items() if key not in REFS}
    if unknown := set(own) - set(own_keys):
        raise InvalidOption(
            f"the entry of vms for {keys[refs[0]]!r} has unknown keys: {', '.join(sorted(map(str, unknown)))}"
        )
    for key in ADDED_TO & own.keys():
        own[key] = {**(params[key] or {}), **{name: value for name, value in own[key].items() if value is not None}}
    return Entry(Ref(refs[0], keys[refs[0]]), params | own)


def selection_from(given: Params) -> Selection:
    """Return a selection with at least one condition."""
    fields = {key: value for key, value in given.items() if value is not None and key != "labels"}
    labels = labels_from(given.get("labels") or {}, "select.labels")
    if not fields and not labels:
        raise InvalidOption("select needs at least one condition; an empty one would mean every VM")
    return Selection(**fields, labels=labels)


def refs_of(wanted: list[Entry] | Selection) -> Wanted:
    """Return what drivers look for."""
    return wanted if isinstance(wanted, Selection) else tuple(entry.ref for entry in wanted)
