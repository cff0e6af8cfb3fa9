# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the VMs of moves that went wrong really are: both sides are asked again, over new connections if need be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from .apply import Run
from .endpoints import Endpoint, Found
from .errors import ConnectionFailed, CrossvirtError, Timeout
from .model import Ref, Vm
from .places import Places

LOOK_SECONDS = 30  # a report is waited for meanwhile
Sight = list[Vm] | CrossvirtError


async def find_out(places: Places, runs: Sequence[Run]) -> None:
    """Look where the VMs of failed moves are, and say it in their errors; each endpoint is asked once, for all."""
    failed = [run for run in runs if run.error and run.steps and run.vm]
    ends = list(dict.fromkeys(end for run in failed for end in ends_of(run)))
    refs = tuple(dict.fromkeys(Ref("uuid", run.vm.uuid) for run in failed if run.vm))
    sights = dict(zip(ends, await asyncio.gather(*(look(places, end, refs) for end in ends)), strict=True))
    for run in failed:
        tell(run, {end: sights[end] for end in ends_of(run)})


def ends_of(run: Run) -> list[Endpoint]:
    """Return the endpoints that may have a VM."""
    return list(dict.fromkeys(end for end in (run.endpoint, run.target) if end))


async def look(places: Places, endpoint: Endpoint, refs: tuple[Ref, ...]) -> Sight:
    """Return which of these VMs an endpoint has, or why that cannot be known."""
    for attempt in (1, 2):
        try:
            if attempt == 2:  # noqa: PLR2004
                await places.again(endpoint)
            return await endpoint.call(lambda driver: driver.find_vms(refs), LOOK_SECONDS)
        except (ConnectionFailed, Timeout) as error:
            lost: CrossvirtError = error
        except CrossvirtError as error:
            return error
    return lost


def tell(run: Run, sights: dict[Endpoint, Sight]) -> None:
    """Put what was seen of one VM into its error, and let the run go on where the VM is as it was before."""
    if not run.error or not run.vm:
        return
    found: list[dict[str, Any]] = []
    seen: list[Found] = []
    for endpoint, sight in sights.items():
        if isinstance(sight, CrossvirtError):
            found.append({"host": endpoint.host, "state": "unknown", "state_reason": str(sight)})
            continue
        for vm in sight:
            if vm.uuid == run.vm.uuid:
                reason = {"state_reason": vm.state_reason} if vm.state_reason else {}
                found.append({"host": vm.host, "name": vm.name, "state": vm.state.value, **reason})
                seen.append(Found(endpoint, vm))
    run.error.facts["found"] = found
    if seen:
        best = next((one for one in seen if one.vm.state is run.vm.state), seen[0])
        run.endpoint, run.vm_id = best.endpoint, best.vm.id
