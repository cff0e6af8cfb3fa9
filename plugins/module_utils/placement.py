# SPDX-License-Identifier: GPL-3.0-or-later
"""Where VMs could move to: reads VMs, hosts and networks, and lets the planner choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .connection import Connection
from .driver import Driver
from .endpoints import Endpoints
from .errors import ConnectionFailed, InvalidOption, all_of
from .model import Host, Network, Part
from .planning.placement import place
from .reading import Warn, chosen_for_reading
from .registry import OpenDriver, driver_class
from .selection import Params, wanted_from

Document = dict[str, Any]


async def placements(
    connection: Connection, params: Params, *, warn: Warn, drivers: OpenDriver = driver_class
) -> list[Document]:
    """Return for each VM the host that it could move to; raises every reason at once where one has none."""
    wanted = wanted_from(params)
    endpoints = await Endpoints.open(connection, drivers(connection.type))
    try:
        vms = [one.vm for one in await chosen_for_reading(endpoints, wanted, (Part.NICS,))]
        answers = await endpoints.ask(look)
        if endpoints.failures:
            raise ConnectionFailed("; ".join(map(str, endpoints.failures)))
        hosts = candidates([host for _member, (some, _nets) in answers for host in some], params["hosts"])
        networks = {host.id: names_on(host, nets) for _member, (some, nets) in answers for host in some}
        found = place(vms, hosts, networks)
        if reasons := [one for one in found if not isinstance(one, Host)]:
            raise all_of(reasons)
        return [
            {"name": vm.name, "id": vm.id, "uuid": vm.uuid, "host": vm.host, "target": {"host": host.name}}
            for vm, host in zip(vms, found, strict=True)
            if isinstance(host, Host)
        ]
    finally:
        for problem in endpoints.failures:
            warn(str(problem))
        await endpoints.close()


def look(driver: Driver) -> tuple[list[Host], list[Network]]:
    """Read what VMs need besides storage."""
    return driver.list_hosts(), driver.list_networks()


def candidates(hosts: Sequence[Host], names: Sequence[str] | None) -> list[Host]:
    """Return the hosts that may be chosen; raises InvalidOption for a name that none has."""
    if names is None:
        return list(hosts)
    if unknown := sorted(set(names) - {host.name for host in hosts}):
        known = ", ".join(sorted(host.name for host in hosts))
        raise InvalidOption(f"hosts: there is no host {', '.join(map(repr, unknown))}; there are {known}")
    return [host for host in hosts if host.name in names]


def names_on(host: Host, networks: Sequence[Network]) -> set[str]:
    """Return the names of the networks that a host has and that work."""
    return {network.name for network in networks if network.active and host.name in network.hosts}
