# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds what a task has planned to the policy: reads what the policy judges by, and answers why not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from .apply import Run
from .connection import Connection
from .endpoints import Endpoints
from .errors import CrossvirtError, NotFound, PolicyRefused
from .model import Part, Selection, Vm
from .places import Places
from .planning.deeds import being_of, deed_of, drafts_of, steps_of
from .planning.policy import Being, Deed, Hypervisor, Policy, counts, exceeded, judge

WITH_FOLDERS = ("vsphere",)
WAY = ("port", "proxy", "username")


def refuse_connections(policy: Policy, connections: Iterable[Connection]) -> None:
    """Raise PolicyRefused for a connection that is not, with all that decides where it leads, one of those allowed."""
    if policy.hypervisors is None:
        return
    reasons = [
        f"{one.label}, of type {one.type} with {', '.join(way_to(one))}, is not among allowed.hypervisors; "
        f"each of them goes whole, with all its hosts: {', '.join(policy.hypervisors) or 'there is none'}"
        for one in connections
        if not {hypervisor_of(one), replace(hypervisor_of(one), username=None)} & set(policy.hypervisors.values())
    ]
    if reasons:
        raise PolicyRefused(policy.words(reasons))


def hypervisor_of(connection: Connection) -> Hypervisor:
    """Return a connection in the words of a policy."""
    given = {key: connection.settings.get(key) for key in WAY}
    return Hypervisor(type=connection.type, hosts=frozenset(connection.hosts), **given)


def way_to(connection: Connection) -> list[str]:
    """Return what decides where a connection leads, and as whom."""
    given = {key: connection.settings.get(key) for key in WAY}
    return [f"hosts {', '.join(connection.hosts)}", *(f"{key} {value}" for key, value in given.items() if value)]


async def refusals(
    policy: Policy, places: Places, runs: Sequence[Run], *, selected: int = 0
) -> dict[Run, CrossvirtError]:
    """Return for every run that the policy forbids why it does; one without steps that change something is let be.

    `selected` is how many VMs `select` chose.
    """
    changing = [run for run in runs if any(step.changes for step in run.plan.steps)]
    if not changing:
        return {}
    try:
        deeds = await deeds_of(policy, places, changing)
        quotas = await over_quota(policy, places, deeds)
    except CrossvirtError as error:
        said = f"what the policy {policy.file} judges by cannot be read, and so nothing is changed: {error}"
        return dict.fromkeys(changing, PolicyRefused(said))
    task = too_many(policy, len(changing), selected)
    reasons = {run: [*judge(policy, deed), *quotas.get(run, ()), *task] for run, deed in deeds.items()}
    return {run: PolicyRefused(policy.words(why)) for run, why in reasons.items() if why}


def host_refusal(policy: Policy, run: Run) -> CrossvirtError | None:
    """Return why the policy forbids what a run would do to a host, which the run is named after; None where it may."""
    deed = Deed(actions=[step.action for step in steps_of(run.plan)], hosts=(run.name,))
    why = judge(policy, deed) if deed.actions else []
    return PolicyRefused(policy.words(why)) if why else None


def too_many(policy: Policy, changing: int, selected: int) -> list[str]:
    """Say which numbers of VMs are above what one task may change."""
    if policy.max_vms is None or max(changing, selected) <= policy.max_vms:
        return []
    said = f"select matches {selected}" if selected > policy.max_vms else f"this task would change {changing}"
    return [f"{said} VMs, and max_vms is {policy.max_vms}"]


async def deeds_of(policy: Policy, places: Places, runs: Sequence[Run]) -> dict[Run, Deed]:
    """Return what each run would do; raises NotFound where a VM went away meanwhile."""
    labels = {Part.LABELS} if policy.labels or policy.quotas else set()
    disks = {Part.DISKS} if policy.storage is not None else set()
    there = {run: run.vm_id for run in runs if run.vm}
    copied = {run: clone.source_id for run in runs for draft in drafts_of(run.plan) if (clone := draft.clone)}
    vms = await read(places, there, labels) if labels else {run: run.vm for run in there}
    sources = await read(places, copied, labels | disks)
    foldered = places.connection.type in WITH_FOLDERS
    return {run: deed_of(run.plan, vms.get(run), sources.get(run), foldered=foldered) for run in runs}


async def read(places: Places, wanted: Mapping[Run, str], parts: Collection[Part]) -> dict[Run, Vm]:
    """Read a VM for each of these runs, with one call per endpoint; raises NotFound."""
    found = await places.home.read([(run.endpoint, vm_id) for run, vm_id in wanted.items()], parts) if wanted else []
    seen = dict(zip(wanted, found, strict=True))
    if gone := [wanted[run] for run, vm in seen.items() if vm is None]:
        raise NotFound(f"there is no VM with id {gone[0]} any more")
    return {run: vm for run, vm in seen.items() if vm}


async def over_quota(policy: Policy, places: Places, deeds: Mapping[Run, Deed]) -> dict[Run, list[str]]:
    """Return which quotas VMs exceed that come to a connection: made, copied, or moved from another one."""
    coming: dict[Endpoints, dict[Run, Being]] = {}
    for run, deed in deeds.items() if policy.quotas else ():
        here, there = places.endpoints_of(run.endpoint), places.endpoints_of(run.target or run.endpoint)
        if deed.made or there is not here:
            coming.setdefault(there, {})[run] = deed.made or deed.vms[0]
    reasons: dict[Run, list[str]] = {}
    for endpoints, arriving in coming.items():
        fleet = await fleet_of(endpoints)
        for quota in policy.quotas:
            counted = {run: vm for run, vm in arriving.items() if counts(quota, vm)}
            why = list(exceeded(quota, fleet, list(counted.values())))
            for run in counted:
                reasons.setdefault(run, []).extend(why)
    return reasons


async def fleet_of(endpoints: Endpoints) -> list[Being]:
    """Return all VMs of a connection; raises what endpoints fail with where not all of them can be seen."""
    found = await endpoints.find(Selection(), (Part.LABELS,))
    if not endpoints.complete:
        raise endpoints.failures[0]
    return [being_of(one.vm, foldered=False) for one in found]
