# SPDX-License-Identifier: GPL-3.0-or-later
"""The course of a change: read, plan all, check, apply unless in check mode, read back, report; knows no Ansible."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from .apply import GLANCE_SECONDS, GRACE_SECONDS, Note, Run, apply, unheard
from .connection import Connection
from .driver import Driver
from .endpoints import SETTLE_SECONDS, Endpoint, Endpoints, Found, candidates_for, choose_all, is_gone, one_of
from .errors import CapacityExceeded, CrossvirtError, InvalidOption, NotFound
from .model import Part, PowerState, Ref, Selection, Vm
from .places import Places
from .plan import Plan
from .reading import Warn
from .registry import OpenDriver, driver_class
from .report import Result, applied, planned, refused, task_result
from .selection import Entry, Params, refs_of, wanted_from

if TYPE_CHECKING:  # machines without a policy need not compile it
    from .planning.policy import Policy

T = TypeVar("T")
Missing = Callable[[Places, Sequence[Entry]], Awaitable[list[Run | CrossvirtError]]]
Together = Callable[[Places, Sequence[tuple[Found, Params]]], Awaitable[list[Run | CrossvirtError]]]


def no_parts(_params: Params) -> Collection[Part]:
    """Gather nothing beyond the base fields."""
    return ()


def never(_params: Params) -> bool:
    """Nothing here can destroy anything."""
    return False


def nowhere_else(_params: Params) -> Sequence[Connection]:
    """Stay at home."""
    return ()


def usual_seconds(_params: Params) -> float:
    """Wait so long for what somebody else has begun."""
    return SETTLE_SECONDS


def only_one(what: str, candidates: Sequence[Found], _params: Params) -> Found:
    """Guess nothing."""
    return one_of(what, candidates)


async def nothing_more(_places: Places, _runs: Sequence[Run]) -> None:
    """Believe what was answered."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told beside the result: what is wrong yet not an error, and how far long work is."""

    warn: Warn
    note: Note = unheard


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a module asks of the engine.

    `plan` plans one VM that is there, or `together` all of them at once; `missing` answers for entries that are not
    (else NotFound). `gather` says which parts planning needs, `own_keys` are the options that an entry of `vms` may
    carry, `careful` says whether `select` without `max_vms` means one VM at most, `others` are the connections that a
    task leads to beside its own, `settle_seconds` is how long a VM may still be changing, `follows` says that one which
    goes away meanwhile counts as missing, `choose` picks the VM that is meant, `find_out` looks after the end for what
    the answers leave open, `drivers` is the registry that is sent along with what the job needs.
    """

    plan: Callable[[Driver, Vm, Params], Plan] | None = None
    together: Together | None = None
    gather: Callable[[Params], Collection[Part]] = no_parts
    missing: Missing | None = None
    own_keys: Collection[str] = ()
    careful: Callable[[Params], bool] = never
    others: Callable[[Params], Sequence[Connection]] = nowhere_else
    settle_seconds: Callable[[Params], float] = usual_seconds
    follows: bool = False
    choose: Callable[[str, Sequence[Found], Params], Found] = only_one
    find_out: Callable[[Places, Sequence[Run]], Coroutine[Any, Any, None]] = nothing_more
    drivers: OpenDriver = driver_class


@dataclass(frozen=True, slots=True)
class Choice:
    """One VM of the task before it is planned: found, or what is wrong, and the options as they hold for it."""

    who: Ref | Vm
    found: Found | CrossvirtError
    params: Params

    def is_missing(self) -> bool:
        """Say whether it is named and not there."""
        return isinstance(self.found, NotFound)


@dataclass(frozen=True, slots=True)
class Subject:
    """One VM of the task: as it was named or found, and its run or what is wrong."""

    who: Ref | Vm
    run: Run | CrossvirtError


async def change(
    connection: Connection,
    params: Params,
    job: Job,
    *,
    check_mode: bool,
    audience: Audience,
    policy: Policy | None = None,
) -> Result:
    """Bring the VMs to what the task asks for, all planned and held to the policy before the first is changed.

    Raises a CrossvirtError only where no VM is known yet; after that, errors are in the result.
    """
    wanted = wanted_from(params, job.own_keys)
    if policy:
        from .guard import refuse_connections

        refuse_connections(policy, [connection, *job.others(params)])
    places = await Places.open(connection, job.drivers)
    try:
        subjects = await subjects_of(places, wanted, params, job)
        if policy:
            subjects = await permitted(policy, places, subjects, chosen=isinstance(wanted, Selection))
        runs = [subject.run for subject in subjects if isinstance(subject.run, Run)]
        if len(runs) < len(subjects):
            reasons = [(s.who, s.run if isinstance(s.run, CrossvirtError) else None) for s in subjects]
            return task_result([refused(who, reason, connection.label) for who, reason in reasons], whole=True)
        if check_mode:
            return task_result([planned(run, places.label_of(run.endpoint)) for run in runs])
        await apply(
            runs,
            parallel=params["parallel"],
            per_host=params.get("per_host"),
            stop_on_failure=params["on_failure"] == "stop",
            note=audience.note,
        )
        await to_the_end(job.find_out(places, runs))
        now = await to_the_end(read_back(places.home, runs, job.gather(params)))
        labels = [places.label_of(run.endpoint) for run in runs]
        return task_result([applied(run, vm, label) for run, vm, label in zip(runs, now, labels, strict=True)])
    finally:
        for problem in places.failures:
            audience.warn(str(problem))
        await to_the_end(places.close())


async def permitted(policy: Policy, places: Places, subjects: list[Subject], *, chosen: bool) -> list[Subject]:
    """Put in the place of every run that the policy forbids why it does."""
    from .guard import refusals

    runs = [subject.run for subject in subjects if isinstance(subject.run, Run)]
    forbidden = await refusals(policy, places, runs, selected=len(subjects) if chosen else 0)
    return [
        replace(subject, run=forbidden.get(subject.run, subject.run)) if isinstance(subject.run, Run) else subject
        for subject in subjects
    ]


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Finish what the report needs; a cancellation that comes meanwhile is too late to stop anything."""
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise


async def subjects_of(places: Places, wanted: list[Entry] | Selection, params: Params, job: Job) -> list[Subject]:
    """Find and plan every VM of the task."""
    endpoints = places.home
    gather = {*job.gather(params), *((Part.LABELS,) if isinstance(wanted, Selection) and wanted.labels else ())}
    found = await endpoints.find(refs_of(wanted), gather)
    if isinstance(wanted, Selection):
        choices = selected(found, params, job)
    else:
        choices = [Choice(entry.ref, named(entry, found, endpoints, job), entry.params) for entry in wanted]
    choices = await at_rest(endpoints, choices, gather, params, job)
    absent = [Entry(one.who, one.params) for one in choices if isinstance(one.who, Ref) and one.is_missing()]
    made = iter(await job.missing(places, absent) if job.missing and absent else ())
    there = [(one.found, one.params) for one in choices if isinstance(one.found, Found)]
    plans = iter(await (job.together(places, there) if job.together else one_by_one(there, job)))
    subjects: list[Subject] = []
    for one in choices:
        if isinstance(one.found, Found):
            subjects.append(Subject(one.found.vm, next(plans)))
        elif job.missing and one.is_missing():
            subjects.append(Subject(one.who, next(made)))
        else:
            subjects.append(Subject(one.who, one.found))
    return same_vm_twice(subjects)


async def at_rest(
    endpoints: Endpoints, choices: Sequence[Choice], gather: Collection[Part], params: Params, job: Job
) -> list[Choice]:
    """Wait until none of the VMs is changing."""
    found = [one.found for one in choices if isinstance(one.found, Found)]
    settled = iter(await endpoints.settled(found, gather, job.settle_seconds(params)))
    now = [replace(one, found=next(settled)) if isinstance(one.found, Found) else one for one in choices]
    if not job.follows:
        return now
    return [
        replace(one, found=NotFound(f"{one.found.vm.name} went away"))
        if isinstance(one.found, Found) and is_gone(one.found.vm)
        else one
        for one in now
    ]


async def one_by_one(there: Sequence[tuple[Found, Params]], job: Job) -> list[Run | CrossvirtError]:
    """Plan each VM by itself."""
    return [await plan_one(found, params, job) for found, params in there]


def selected(found: Sequence[Found], params: Params, job: Job) -> list[Choice]:
    """Return what `select` chose; where that is more than `max_vms` each of them is refused."""
    chosen = choose_all(found, lambda what, candidates: job.choose(what, candidates, params))
    choices = [Choice(ref, one, params) for ref, one in chosen]
    limit = params["max_vms"] if params["max_vms"] is not None else 1 if job.careful(params) else None
    if limit is None or len(choices) <= limit:
        return choices
    refusal = CapacityExceeded(f"select matches {len(choices)} VMs, and max_vms is {limit}")
    return [Choice(one.found.vm if isinstance(one.found, Found) else one.who, refusal, params) for one in choices]


def named(entry: Entry, found: Sequence[Found], endpoints: Endpoints, job: Job) -> Found | CrossvirtError:
    """Return the VM that is meant, or what is wrong."""
    try:
        candidates = candidates_for(entry.ref, found, complete=endpoints.complete)
        return job.choose(str(entry.ref), candidates, entry.params)
    except CrossvirtError as error:
        return error


def same_vm_twice(subjects: list[Subject]) -> list[Subject]:
    """Refuse a VM that was named in two ways."""
    seen: dict[tuple[Endpoint, str], int] = {}
    for position, subject in enumerate(subjects):
        if isinstance(subject.run, Run) and subject.run.vm:
            first = seen.setdefault((subject.run.endpoint, subject.run.vm_id), position)
            if first != position:
                error = InvalidOption(f"{subject.run.name} is named twice, in two ways; its id is {subject.run.vm_id}")
                subjects[position] = Subject(subject.who, error)
    return subjects


async def plan_one(found: Found, params: Params, job: Job) -> Run | CrossvirtError:
    """Plan one VM and check the plan against what the hypervisor can."""

    def make(driver: Driver) -> Plan:
        plan = job.plan(driver, found.vm, params) if job.plan else Plan({}, {})
        plan.check(driver, found.vm)
        return plan

    try:
        return Run(found.endpoint, found.vm.name, await found.endpoint.call(make), found.vm)
    except CrossvirtError as error:
        return error


async def read_back(endpoints: Endpoints, runs: Sequence[Run], gather: Collection[Part]) -> list[Vm | None]:
    """Read what was begun, each endpoint's in one go; one that fails is an error of its VMs that have none yet."""
    begun: dict[Endpoint, list[Run]] = {}
    for run in runs:
        if run.steps and run.vm_id:
            begun.setdefault(run.endpoint, []).append(run)

    async def look(mine: Sequence[Run]) -> list[tuple[Run, Vm | None]]:
        try:
            return list(zip(mine, await read_at_rest(endpoints, mine, gather), strict=True))
        except CrossvirtError as error:
            for run in mine:
                run.error = run.error or error
            return []

    seen = {run: vm for pairs in await asyncio.gather(*map(look, begun.values())) for run, vm in pairs}
    return [seen.get(run, None if run.steps else run.vm) for run in runs]


async def read_at_rest(endpoints: Endpoints, runs: Sequence[Run], gather: Collection[Part]) -> list[Vm | None]:
    """Read VMs; one that still changes, because a step on it was just aborted, is given a moment to come to rest."""
    end = asyncio.get_running_loop().time() + GRACE_SECONDS
    while True:
        vms = await endpoints.read([(run.endpoint, run.vm_id) for run in runs], gather)
        if asyncio.get_running_loop().time() > end or not any(vm and vm.state is PowerState.CHANGING for vm in vms):
            return vms
        await asyncio.sleep(GLANCE_SECONDS)
