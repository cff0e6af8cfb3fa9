# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of VMs that a task names and that are not there: their place is chosen, and they are drafted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .apply import Run
from .driver import Driver
from .endpoints import Endpoint, Endpoints, choose
from .errors import AlreadyExists, ConnectionFailed, CrossvirtError, InvalidOption, NotFound, Unsupported
from .model import CloneSpec, Part, Ref, Selection, VmSpec
from .places import Places
from .plan import Plan
from .planning.provision import plan_creation, spec_from
from .selection import Entry

DRAFT_SECONDS = 3600  # checksums of images are added up meanwhile


@dataclass(frozen=True, slots=True)
class Wish:
    """A VM to be made, and where."""

    endpoint: Endpoint
    spec: VmSpec
    clone: CloneSpec | None


Taken = dict[str, str]


async def missing(places: Places, entries: Sequence[Entry]) -> list[Run | CrossvirtError]:
    """Answer for each entry with its run, or the reason why it cannot be made; one to be absent has nothing to do."""
    endpoints = places.home
    if entries[0].params["state"] == "absent":
        if not endpoints.complete:
            return [ConnectionFailed(f"{entry.ref} may be at an endpoint that does not answer") for entry in entries]
        return [Run(endpoints.members[0], entry.ref.value, Plan({}, {})) for entry in entries]
    taken = await macs_in_use(endpoints, entries)
    wishes = [await wish_or_reason(endpoints, entry, taken) for entry in entries]
    runs: dict[int, Run | CrossvirtError] = {}
    for endpoint in endpoints.members:
        here = {n: wish for n, wish in enumerate(wishes) if isinstance(wish, Wish) and wish.endpoint is endpoint}
        runs |= dict(zip(here, await drafted(endpoint, list(here.values())), strict=True))
    return [wish if isinstance(wish, CrossvirtError) else runs[n] for n, wish in enumerate(wishes)]


async def macs_in_use(endpoints: Endpoints, entries: Sequence[Entry]) -> Taken:
    """Return who has which hardware address, on all endpoints; read only where the task gives one."""
    if not any(nic["mac"] for entry in entries for nic in entry.params["nics"] or ()):
        return {}
    everyone = await endpoints.find(Selection(), (Part.NICS,))
    return {
        nic.mac.lower(): f"{one.vm.name} on {one.vm.host}" for one in everyone for nic in one.vm.nics or () if nic.mac
    }


async def wish_or_reason(endpoints: Endpoints, entry: Entry, taken: Taken) -> Wish | CrossvirtError:
    """Settle where one VM is to be made, and from what; its hardware addresses are taken from then on."""
    try:
        if entry.ref.key != "name":
            raise NotFound(f"there is no VM with {entry.ref}, and only a name creates one")
        spec = spec_from(entry.params, entry.ref.value)
        endpoint, host = await place_of(endpoints, spec.host)
        clone = await clone_of(endpoints, endpoint, entry.params["clone"])
        claim_macs(spec, taken)
        return Wish(endpoint, replace(spec, host=host), clone)
    except CrossvirtError as error:
        return error


async def place_of(endpoints: Endpoints, host: str | None) -> tuple[Endpoint, str | None]:
    """Return the endpoint that leads to a host, and the host's own name; without a host the only endpoint."""
    if host is None and len(endpoints.members) == 1:
        return endpoints.members[0], None
    for endpoint in endpoints.members if host else ():
        if name := await endpoint.call(lambda driver: driver.host_named(str(host))):
            return endpoint, name
    hosts = [one.name for each in endpoints.members for one in await each.call(lambda driver: driver.list_hosts())]
    said = f"there is no host {host!r}" if host else "several hosts are connected and none is named"
    raise InvalidOption(f"host: {said}; there are {', '.join(hosts)}")


async def clone_of(endpoints: Endpoints, endpoint: Endpoint, given: dict[str, Any] | None) -> CloneSpec | None:
    """Find the VM to copy; it must be where the copy will be."""
    if not given:
        return None
    ref = next(Ref(key, value) for key, value in given["source"].items() if value is not None)
    source = choose(ref, await endpoints.find((ref,)), complete=endpoints.complete)
    if source.endpoint is not endpoint:
        raise Unsupported(f"{source.vm.name} is on {source.vm.host}, and a copy is made on the same host only")
    return CloneSpec(source_id=source.vm.id, snapshot=given["snapshot"], linked=given["mode"] == "linked")


def claim_macs(spec: VmSpec, taken: Taken) -> None:
    """Take the hardware addresses of a new VM; raises AlreadyExists naming who has one of them."""
    for nic in spec.nics or ():
        if nic.mac in taken:
            raise AlreadyExists(f"the hardware address {nic.mac} belongs to {taken[nic.mac]}")
        if nic.mac:
            taken[nic.mac] = f"{spec.name}, of this task"


async def drafted(endpoint: Endpoint, wishes: Sequence[Wish]) -> list[Run | CrossvirtError]:
    """Have an endpoint's driver work out its creations, and plan them."""
    if not wishes:
        return []

    def work_out(driver: Driver) -> list[Run | CrossvirtError]:
        drafts = driver.draft([(wish.spec, wish.clone) for wish in wishes])
        return [planned(driver, wish, draft) for wish, draft in zip(wishes, drafts, strict=True)]

    def planned(driver: Driver, wish: Wish, draft: Any) -> Run | CrossvirtError:
        if isinstance(draft, CrossvirtError):
            return draft
        try:
            plan = plan_creation(wish.spec, draft)
            plan.check(driver, None)
        except CrossvirtError as error:
            return error
        return Run(endpoint, str(wish.spec.name), plan)

    return await endpoint.call(work_out, DRAFT_SECONDS)
