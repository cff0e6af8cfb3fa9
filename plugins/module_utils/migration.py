# SPDX-License-Identifier: GPL-3.0-or-later
"""Where VMs move to: both sides are asked before anything is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .apply import Run
from .connection import Connection, settle_target
from .driver import Capability, Driver
from .endpoints import Endpoint, Endpoints, Found, candidates_for, one_of
from .errors import Ambiguous, CrossvirtError, InvalidOption, InvalidState, NotFound, Unsupported
from .model import Departure, Move, MoveSpec, Ref, Vm
from .places import Places
from .planning.migration import fitted, names_in_use, plan_move, spec_from, what_is_read
from .selection import Entry, Params

Outcome = Run | CrossvirtError
WORK_OUT_SECONDS = 600


def targets(params: Params) -> list[Connection]:
    """Return the other connections that the options lead to, settled."""
    given = (params["target"] or {}).get("hypervisor")
    return [settle_target(given)] if given else []


def settle_seconds(params: Params) -> float:
    """Wait for a move that is under way as long as for one of our own."""
    return float(params["timeout_seconds"] or 24 * 3600)


def meant(what: str, candidates: Sequence[Found], params: Params) -> Found:
    """Return the VM to move; of one that is on two hosts and at rest or awake on both, the one not at the target.

    Such a pair is what an interrupted move may leave; the driver then says what it is. Raises Ambiguous.
    """
    try:
        return one_of(what, candidates)
    except Ambiguous:
        wanted = (params["target"] or {}).get("host")
        elsewhere = [one for one in candidates if wanted not in (one.endpoint.host, one.vm.host)]
        if len({one.vm.uuid for one in candidates}) == 1 and len(elsewhere) == 1 and len(candidates) > 1:
            return elsewhere[0]
        raise


@dataclass(frozen=True, slots=True)
class Wish:
    """A VM that is to move, and where."""

    found: Found
    params: Params
    spec: MoveSpec
    target: Endpoint


async def together(places: Places, chosen: Sequence[tuple[Found, Params]]) -> list[Outcome]:
    """Plan the moves of all VMs that are there, in the order asked."""
    known: dict[str, Endpoint] = {}
    wishes = [await wish_or_reason(places, found, params, known) for found, params in chosen]
    everybody = {name for found, _params in chosen for name in names_in_use(found.vm)}
    outcomes: dict[int, Outcome] = {n: wish for n, wish in enumerate(wishes) if isinstance(wish, CrossvirtError)}
    for target in dict.fromkeys(wish.target for wish in wishes if isinstance(wish, Wish)):
        coming = {n: wish for n, wish in enumerate(wishes) if isinstance(wish, Wish) and wish.target is target}
        fitting = [replace(wish, spec=fitted(wish.spec, wish.found.vm, everybody)) for wish in coming.values()]
        moves = await worked_out(places, target, fitting)
        for (n, wish), move in zip(coming.items(), moves, strict=True):
            outcomes[n] = await planned(wish, move)
    return [outcomes[n] for n in range(len(chosen))]


async def wish_or_reason(
    places: Places, found: Found, params: Params, known: dict[str, Endpoint]
) -> Wish | CrossvirtError:
    """Settle what one VM's task means; nothing is worked out for a hypervisor that cannot move VMs at all."""
    try:
        spec = spec_from(params)
        if reason := await found.endpoint.call(lambda driver: driver.refuses(Capability.MIGRATE)):
            raise Unsupported(reason)
        return Wish(found, params, spec, await receiving(places, found, params, known))
    except CrossvirtError as error:
        return error


async def receiving(places: Places, found: Found, params: Params, known: dict[str, Endpoint]) -> Endpoint:
    """Return the endpoint that a VM moves to; without a host or a connection it stays where it is.

    `known` are hosts that were asked for before. Raises what place_named raises, and InvalidOption.
    """
    host = params["target"].get("host")
    if host is None and not params["target"].get("hypervisor"):
        return found.endpoint
    endpoints = await at_target(places, params)
    if host is None and len(endpoints.members) > 1:
        raise InvalidOption(
            f"target.hypervisor has {len(endpoints.members)} endpoints; target.host says which of them is meant: "
            f"{', '.join(await hosts_of(endpoints))}"
        )
    if host is None:
        return endpoints.members[0]
    if host not in known:
        known[host] = await place_named(endpoints, host)
    return known[host]


async def at_target(places: Places, params: Params) -> Endpoints:
    """Return the endpoints among which VMs are to be; raises Unsupported for another type of hypervisor than here."""
    for other in targets(params):
        if other.type != places.connection.type:
            raise Unsupported(
                f"target.hypervisor {other.label} is of type {other.type}, and a VM moves only between hypervisors of "
                f"one type, here {places.connection.type}"
            )
        return await places.at(other)
    return places.home


async def place_named(endpoints: Endpoints, host: str) -> Endpoint:
    """Return the endpoint that leads to a host; raises InvalidOption where there is none."""
    for endpoint, name in await endpoints.ask(lambda driver: driver.host_named(host)):
        if name:
            return endpoint
    silent = f" ({'; '.join(map(str, endpoints.failures))})" if endpoints.failures else ""
    raise InvalidOption(
        f"target.host: there is no host {host!r}{silent}; there are {', '.join(await hosts_of(endpoints))}"
    )


async def hosts_of(endpoints: Endpoints) -> list[str]:
    """Return the names of all hosts behind endpoints."""
    return [host.name for _member, hosts in await endpoints.ask(lambda driver: driver.list_hosts()) for host in hosts]


async def worked_out(places: Places, target: Endpoint, wishes: Sequence[Wish]) -> list[Move | CrossvirtError]:
    """Have the sources say what leaves, side by side, and then the target whether all of that can come."""
    sources = [member.driver for member in places.home.members if member.driver]
    origins = list(dict.fromkeys(wish.found.endpoint for wish in wishes))
    leaving = [[wish.found.vm for wish in wishes if wish.found.endpoint is origin] for origin in origins]

    def receive(driver: Driver) -> list[Move | CrossvirtError]:
        return driver.receive([(next(departures[wish.found.endpoint]), wish.spec) for wish in wishes], sources)

    try:
        answers = await asyncio.gather(*map(departing, origins, leaving))
        departures = dict(zip(origins, map(iter, answers), strict=True))
        return await target.call(receive, WORK_OUT_SECONDS)
    except CrossvirtError as error:
        return [error for _wish in wishes]


async def departing(origin: Endpoint, vms: Sequence[Vm]) -> list[Departure]:
    """Return what a source says of VMs that are to leave it."""
    return await origin.call(lambda driver: driver.depart(vms), WORK_OUT_SECONDS)


async def planned(wish: Wish, move: Move | CrossvirtError) -> Outcome:
    """Plan one move and check the plan against what the source can."""
    if isinstance(move, CrossvirtError):
        return move
    source, vm = wish.found.endpoint, wish.found.vm
    try:
        plan = plan_move(vm, move, wish.params)
        await source.call(lambda driver: plan.check(driver, vm))
    except CrossvirtError as error:
        return error
    hosts = {f"{source.host} {vm.host}", f"{wish.target.host} {move.after.get('host', vm.host)}"}
    return Run(source, vm.name, plan, vm, target=wish.target, hosts=frozenset(hosts))


async def elsewhere(places: Places, entries: Sequence[Entry]) -> list[Outcome]:
    """Answer for VMs that are not at home: one that is at its target already has moved before."""
    parts = what_is_read({})
    try:
        endpoints = await at_target(places, entries[0].params)  # connections belong to the task
        seen = await endpoints.find(tuple({ref for entry in entries for ref in names_at_target(entry)}), parts)
        moved = [moved_before(endpoints, entry, seen) for entry in entries]
        there = [one for one in moved if isinstance(one, Found)]
        settled = await endpoints.settled(there, parts, settle_seconds(entries[0].params))
    except CrossvirtError as error:
        return [error for _entry in entries]
    params = [entry.params for entry, one in zip(entries, moved, strict=True) if isinstance(one, Found)]
    plans = iter(await together(places, list(zip(settled, params, strict=True))))
    return [one if isinstance(one, CrossvirtError) else left_alone(next(plans)) for one in moved]


def names_at_target(entry: Entry) -> list[Ref]:
    """Return by what a VM that has moved is known: a path, or an id of another hypervisor, stands for another VM."""
    name = (entry.params["target"] or {}).get("name")
    renamed = [Ref("name", name)] if name and entry.ref.key == "name" else []
    return [] if entry.ref.key == "path" else [entry.ref, *renamed]


def moved_before(endpoints: Endpoints, entry: Entry, seen: Sequence[Found]) -> Found | CrossvirtError:
    """Return a VM that is at its target, or what is wrong."""
    for ref in names_at_target(entry):
        known = [one for one in seen if ref.key != "id" or one.vm.id == one.vm.uuid]
        try:
            return one_of(str(ref), candidates_for(ref, known, complete=endpoints.complete))
        except NotFound:
            continue
        except CrossvirtError as error:
            return error
    return NotFound(f"there is no VM with {entry.ref}, neither here nor at its target")


def left_alone(outcome: Outcome) -> Outcome:
    """Refuse to change more of a VM that only its target has than to tidy up: it may be another one of that name."""
    if isinstance(outcome, CrossvirtError):
        return outcome
    before, after = outcome.plan.before, outcome.plan.after
    keys = [key for key in after if key != "state" and before.get(key) != after[key]]
    if odd := [f"{key} {before.get(key)}, not {after[key]}" for key in keys]:
        return InvalidState(
            f"a VM {outcome.name} is only at its target, and not as asked there, with {'; '.join(odd)}; to move it "
            f"from where it is, name it and its own hypervisor"
        )
    return outcome
