# SPDX-License-Identifier: GPL-3.0-or-later
"""Where VMs move to: both sides are asked before anything is changed, and again when an answer was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .apply import Run
from .connection import Connection, settle_target
from .driver import Capability, Driver
from .endpoints import Endpoint, Endpoints, Found, candidates_for, one_of
from .errors import Ambiguous, ConnectionFailed, CrossvirtError, InvalidOption, NotFound, Timeout, Unsupported
from .model import Departure, Move, MoveSpec, Part, Ref, Vm
from .places import Places
from .planning.migration import plan_move, spec_from
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
    wishes = [await wish_or_reason(places, found, params) for found, params in chosen]
    outcomes: dict[int, Outcome] = {n: wish for n, wish in enumerate(wishes) if isinstance(wish, CrossvirtError)}
    for target in dict.fromkeys(wish.target for wish in wishes if isinstance(wish, Wish)):
        coming = {n: wish for n, wish in enumerate(wishes) if isinstance(wish, Wish) and wish.target is target}
        moves = await worked_out(places, target, list(coming.values()))
        for (n, wish), move in zip(coming.items(), moves, strict=True):
            outcomes[n] = await planned(wish, move)
    return [outcomes[n] for n in range(len(chosen))]


async def wish_or_reason(places: Places, found: Found, params: Params) -> Wish | CrossvirtError:
    """Settle what one VM's task means; nothing is worked out for a hypervisor that cannot move VMs at all."""
    try:
        spec = spec_from(params)
        if reason := await found.endpoint.call(lambda driver: driver.refuses(Capability.MIGRATE)):
            raise Unsupported(reason)
        return Wish(found, params, spec, await receiving(places, found, params, spec))
    except CrossvirtError as error:
        return error


async def receiving(places: Places, found: Found, params: Params, spec: MoveSpec) -> Endpoint:
    """Return the endpoint that a VM moves to; without a host or a connection it stays where it is.

    Raises InvalidOption for a host that no endpoint leads to, Unsupported for another type of hypervisor.
    """
    given = params["target"]["hypervisor"]
    if given is None and spec.host is None:
        return found.endpoint
    endpoints = await places.at(family(places, settle_target(given))) if given else places.home
    if spec.host is None:
        if len(endpoints.members) == 1:
            return endpoints.members[0]
        raise InvalidOption(
            f"target.hypervisor has {len(endpoints.members)} endpoints; target.host says which of them is meant: "
            f"{', '.join(await hosts_of(endpoints))}"
        )
    for endpoint in endpoints.members:
        if await endpoint.call(lambda driver: driver.host_named(str(spec.host))):
            return endpoint
    silent = f" ({'; '.join(map(str, endpoints.failures))})" if endpoints.failures else ""
    raise InvalidOption(
        f"target.host: there is no host {spec.host!r}{silent}; there are {', '.join(await hosts_of(endpoints))}"
    )


def family(places: Places, other: Connection) -> Connection:
    """Return the target's connection; raises Unsupported for another type of hypervisor than the source's."""
    if other.type != places.connection.type:
        raise Unsupported(
            f"target.hypervisor {other.label} is of type {other.type}, and a VM moves only between hypervisors of one "
            f"type, here {places.connection.type}"
        )
    return other


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
    return [await at_target(places, entry) for entry in entries]


async def at_target(places: Places, entry: Entry) -> Outcome:
    """Plan for a VM that is at its target already, or say that it is nowhere."""
    try:
        spec = spec_from(entry.params)
        given = entry.params["target"]["hypervisor"]
        endpoints = await places.at(family(places, settle_target(given))) if given else places.home
        ref = Ref("name", spec.name) if entry.ref.key == "name" and spec.name else entry.ref
        candidates = await endpoints.find((ref,), (Part.DISKS, Part.NICS))
        try:
            found = one_of(str(ref), candidates_for(ref, candidates, complete=endpoints.complete))
        except NotFound as error:
            silent = "" if places.home.complete else ", as far as the endpoints answer"
            raise NotFound(f"there is no VM with {entry.ref}, neither here nor at its target{silent}") from error
        (now,) = await endpoints.settled([found], (Part.DISKS, Part.NICS), settle_seconds(entry.params))
        (outcome,) = await together(places, [(now, entry.params)])
        return outcome
    except CrossvirtError as error:
        return error


async def find_out(places: Places, runs: Sequence[Run]) -> None:
    """Look where the VMs of failed moves are, on both sides and with new connections, and say it in the error."""
    for run in runs:
        if run.error and run.steps and run.vm and run.target:
            sightings = [await sighting(places, run, end) for end in dict.fromkeys((run.endpoint, run.target))]
            seen = [found for found, _fact in sightings if found]
            run.error.facts["found"] = [fact for _found, fact in sightings if fact]
            if seen:
                best = next((one for one in seen if one.vm.state == run.vm.state), seen[0])
                run.endpoint, run.vm_id = best.endpoint, best.vm.id


async def sighting(places: Places, run: Run, endpoint: Endpoint) -> tuple[Found | None, dict[str, Any] | None]:
    """Return the VM as an endpoint has it, and what a result says of that; two Nones where it is not."""
    uuid = run.vm.uuid if run.vm else ""
    for attempt in (endpoint, None):
        try:
            place = attempt or await places.again(endpoint)
            vms = await place.call(lambda driver: driver.find_vms((Ref("uuid", uuid),)))
            if not vms:
                return None, None
            vm = vms[0]
            reason = {"state_reason": vm.state_reason} if vm.state_reason else {}
            return Found(place, vm), {"host": vm.host, "name": vm.name, "state": vm.state.value, **reason}
        except (ConnectionFailed, Timeout) as error:
            lost = {"host": endpoint.host, "state": "unknown", "state_reason": str(error)}
        except CrossvirtError as error:
            return None, {"host": endpoint.host, "state": "unknown", "state_reason": str(error)}
    return None, lost
