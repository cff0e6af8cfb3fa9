# SPDX-License-Identifier: GPL-3.0-or-later
"""The course of a change of hosts: as engine.py's of VMs, with hosts in their place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .apply import Run, apply
from .connection import Connection
from .driver import Driver
from .endpoints import Endpoint, Endpoints
from .engine import Audience, to_the_end
from .errors import Ambiguous, ConnectionFailed, CrossvirtError, InvalidOption, NotFound
from .model import Host, Ref, Selection
from .planning.maintenance import MAINTENANCE, plan_maintenance
from .planning.policy import Policy
from .registry import OpenDriver, driver_class
from .report import Result, applied, planned, refused, task_result
from .selection import Params


@dataclass(frozen=True, slots=True)
class Subject:
    """One host of the task: as it was named or found, and its run or what is wrong."""

    who: Ref | Host
    run: Run | CrossvirtError


async def change_hosts(
    connection: Connection,
    params: Params,
    *,
    check_mode: bool,
    audience: Audience,
    drivers: OpenDriver = driver_class,
    policy: Policy | None = None,
) -> Result:
    """Bring hosts into maintenance or out of it, all planned and held to the policy before the first is changed.

    Raises a CrossvirtError only where no host is known yet; after that, errors are in the result.
    """
    names = names_from(params)
    if policy:
        from .guard import refuse_connections

        refuse_connections(policy, [connection])
    endpoints = await Endpoints.open(connection, drivers(connection.type))
    try:
        subjects = await subjects_of(endpoints, names, params)
        if policy:
            subjects = [permitted(policy, one) for one in subjects]
        begun = [(one.run, one.who) for one in subjects if isinstance(one.run, Run) and isinstance(one.who, Host)]
        if len(begun) < len(subjects):
            reasons = [(s.who, s.run if isinstance(s.run, CrossvirtError) else None) for s in subjects]
            return task_result([refused(*reason, connection.label) for reason in reasons], whole=True, of="host")
        if check_mode:
            return task_result([planned(run, connection.label, host) for run, host in begun], of="host")
        await apply([run for run, _host in begun], parallel=len(begun))
        now = await to_the_end(read_back(begun))
        results = [applied(run, host, connection.label) for (run, _host), host in zip(begun, now, strict=True)]
        return task_result(results, of="host")
    finally:
        for problem in endpoints.failures:
            audience.warn(str(problem))
        await to_the_end(endpoints.close())


def permitted(policy: Policy, subject: Subject) -> Subject:
    """Put in the place of a run that the policy forbids why it does."""
    from .guard import host_refusal

    reason = host_refusal(policy, subject.run) if isinstance(subject.run, Run) else None
    return replace(subject, run=reason) if reason else subject


def names_from(params: Params) -> list[str]:
    """Return the hosts that the options mean; raises InvalidOption for none, and for one named twice."""
    names = [params["host"]] if params["host"] is not None else list(params["hosts"])
    if not names or not all(names):
        raise InvalidOption("hosts must name at least one host, and none may be empty")
    if twice := [name for n, name in enumerate(names) if name in names[:n]]:
        raise InvalidOption(f"hosts names {twice[0]!r} twice")
    return names


async def subjects_of(endpoints: Endpoints, names: Sequence[str], params: Params) -> list[Subject]:
    """Find and plan every host of the task."""

    def look(driver: Driver) -> tuple[list[Host], dict[str, str | None]]:
        return driver.list_hosts(), {name: driver.host_named(name) for name in names}

    answers = await endpoints.ask(look)
    subjects: list[Subject] = []
    for name in names:
        meant = [
            (member, host) for member, (hosts, known) in answers for host in hosts if host.name in (name, known[name])
        ]
        if not endpoints.complete:
            why = ConnectionFailed(f"host {name!r} may be another one while an endpoint does not answer")
            subjects.append(Subject(Ref("name", name), why))
        elif len(meant) == 1:
            subjects.append(Subject(meant[0][1], await plan_one(*meant[0], params)))
        else:
            there = sorted(host.name for _member, (hosts, _known) in answers for host in hosts)
            subjects.append(Subject(Ref("name", name), not_one(name, meant, there)))
    return subjects


def not_one(name: str, meant: Sequence[tuple[Endpoint, Host]], there: Sequence[str]) -> CrossvirtError:
    """Return why a name does not stand for one host."""
    if not meant:
        return NotFound(f"there is no host {name!r}; there are {', '.join(there)}")
    listed = "; ".join(f"{host.name} with id {host.id} at {member.host}" for member, host in meant)
    facts = [{"name": host.name, "id": host.id, "host": member.host} for member, host in meant]
    return Ambiguous(f"host {name!r} stands for more than one: {listed}", candidates=facts)


async def plan_one(endpoint: Endpoint, host: Host, params: Params) -> Run | CrossvirtError:
    """Plan one host, and check the plan against what the hypervisor can."""
    wanted = params["state"]

    def make(driver: Driver) -> Run:
        goes = wanted == MAINTENANCE and host.state != wanted
        vms = driver.find_vms(Selection(host=host.name)) if goes else []
        plan = plan_maintenance(host, vms, wanted, params["timeout_seconds"])
        plan.check(driver, None)
        run = Run(endpoint, host.name, plan)
        run.vm_id = host.id
        return run

    try:
        return await endpoint.call(make)
    except CrossvirtError as error:
        return error


async def read_back(begun: Sequence[tuple[Run, Host]]) -> list[Host | None]:
    """Read the hosts as they are now, side by side."""
    return list(await asyncio.gather(*(look_again(run, host) for run, host in begun)))


async def look_again(run: Run, before: Host) -> Host | None:
    """Read a host that was changed; a failure is an error of its, unless it has one."""
    if not run.steps:
        return before
    try:
        hosts = await run.endpoint.call(lambda driver: driver.list_hosts())
    except CrossvirtError as error:
        run.error = run.error or error
        return None
    return next((host for host in hosts if host.id == before.id), None)
