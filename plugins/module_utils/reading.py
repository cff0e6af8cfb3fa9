# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is only looked at: the documents of VMs, and what endpoints say of themselves.

The inventory needs no more than this, and Ansible compiles what a plugin imports anew in every run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from .connection import Connection
from .driver import Driver
from .endpoints import Endpoints, Found, candidates_for, one_of
from .errors import CrossvirtError, InvalidOption, MissingLibrary, Unsupported
from .model import PLANNING_ONLY, Part, Selection, plain
from .registry import OpenDriver, driver_class
from .selection import Entry, Params, refs_of, wanted_from

Document = dict[str, Any]
Warn = Callable[[str], None]

BASE = (
    "name",
    "id",
    "uuid",
    "path",
    "host",
    "cluster",
    "folder",
    "pool",
    "state",
    "state_reason",
    "template",
    "cpus",
    "memory_bytes",
)
BASE_OF = attrgetter(*BASE)
SHOWN = tuple(part.value for part in Part if part not in PLANNING_ONLY)


async def read(
    connection: Connection, params: Params, gather: Collection[Part], *, warn: Warn, drivers: OpenDriver = driver_class
) -> list[Document]:
    """Return documents of the VMs that the options mean, or of all where they mean none in particular."""
    everything = all(params[key] is None for key in ("name", "uuid", "id", "path", "vms", "select"))
    wanted = Selection() if everything else wanted_from(params)
    endpoints = await Endpoints.open(connection, drivers(connection.type))
    try:
        return [document(one, connection) for one in await chosen_for_reading(endpoints, wanted, gather)]
    finally:
        for problem in endpoints.failures:
            warn(str(problem))
        await endpoints.close()


@dataclass(frozen=True, slots=True)
class Reading:
    """What one connection's VMs are, and why some may be missing."""

    connection: Connection
    documents: list[Document] = field(repr=False)  # asyncio.run takes the repr of what it returns
    failures: Sequence[CrossvirtError] = ()


async def read_all(
    connections: Sequence[Connection],
    wanted: Selection,
    gather: Collection[Part],
    *,
    drivers: OpenDriver = driver_class,
) -> list[Reading]:
    """Read many connections side by side; where `unreachable` is `warn`, one that fails is a reading without VMs."""

    async def look(connection: Connection) -> Reading:
        try:
            endpoints = await Endpoints.open(connection, drivers(connection.type))
            try:
                found = await chosen_for_reading(endpoints, wanted, gather)
                return Reading(connection, [document(one, connection) for one in found], endpoints.failures)
            finally:
                await endpoints.close()
        except (InvalidOption, MissingLibrary, Unsupported):  # trying again, or elsewhere, will not help
            raise
        except CrossvirtError as error:
            if connection.settings["unreachable"] == "fail":
                raise
            return Reading(connection, [], [error])

    return list(await asyncio.gather(*map(look, connections)))


async def chosen_for_reading(
    endpoints: Endpoints, wanted: list[Entry] | Selection, gather: Collection[Part]
) -> list[Found]:
    """Find VMs to look at: one that is defined twice is shown twice, a name that is not unique is still Ambiguous."""
    parts = {*gather, *((Part.LABELS,) if isinstance(wanted, Selection) and wanted.labels else ())}
    found = await endpoints.find(refs_of(wanted), parts)
    if isinstance(wanted, Selection):
        return sorted(found, key=lambda one: (one.vm.name, one.vm.id, one.vm.host))
    chosen: list[Found] = []
    for entry in wanted:
        candidates = candidates_for(entry.ref, found, complete=endpoints.complete)
        same = len({one.vm.uuid for one in candidates}) == 1
        chosen += candidates if same else [one_of(str(entry.ref), candidates)]
    if twice := [one for n, one in enumerate(chosen) if one in chosen[:n]]:
        raise InvalidOption(f"{twice[0].vm.name} is named twice, in two ways; its id is {twice[0].vm.id}")
    return chosen


def document(found: Found, connection: Connection) -> Document:
    """Return a VM as vm_info and the inventory show it: base fields always, parts only if they were gathered."""
    vm = found.vm
    shown = dict(zip(BASE, BASE_OF(vm), strict=True))
    shown |= {"state": vm.state.value, "type": connection.type, "hypervisor": connection.label}
    for part in SHOWN:
        if (value := getattr(vm, part)) is not None:
            shown[part] = plain(value)
    return shown


async def survey(
    connection: Connection,
    ask: Callable[[Driver], Mapping[str, Sequence[Any]]],
    *,
    warn: Warn,
    drivers: OpenDriver = driver_class,
) -> list[dict[str, list[Document]]]:
    """Ask every endpoint the same, side by side, and return the answers in order; rows say whence."""
    endpoints = await Endpoints.open(connection, drivers(connection.type))
    try:
        answers = await endpoints.ask(ask)
        common = {"type": connection.type, "hypervisor": connection.label}
        return [
            {key: [plain(row) | common | {"endpoint": member.host} for row in rows] for key, rows in answer.items()}
            for member, answer in answers
        ]
    finally:
        for problem in endpoints.failures:
            warn(str(problem))
        await endpoints.close()
