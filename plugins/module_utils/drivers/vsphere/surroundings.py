# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs live on: the hosts, datastores and networks of an endpoint, of rows of properties; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...model import Host, Network, Storage
from .convert import MIB
from .places import unescaped
from .properties import Row, Rows

HOSTS: Mapping[str, tuple[str, ...]] = {
    "HostSystem": (
        "name",
        "parent",
        "runtime.connectionState",
        "runtime.inMaintenanceMode",
        "summary.hardware.numCpuThreads",
        "summary.hardware.memorySize",
        "summary.quickStats.overallMemoryUsage",
    ),
    "ClusterComputeResource": ("name",),
}
STORAGE: Mapping[str, tuple[str, ...]] = {
    "HostSystem": ("name", "datastore"),
    "Datastore": (
        "name",
        "summary.type",
        "summary.accessible",
        "summary.maintenanceMode",
        "summary.capacity",
        "summary.freeSpace",
    ),
}
NETWORKS: Mapping[str, tuple[str, ...]] = {
    "HostSystem": ("name", "network"),
    "DistributedVirtualPortgroup": ("name", "summary.accessible", "config.uplink"),
    "OpaqueNetwork": ("name", "summary.accessible"),
    "Network": ("name", "summary.accessible"),
}
NETWORK_KINDS = {"Network": "standard", "DistributedVirtualPortgroup": "distributed", "OpaqueNetwork": "opaque"}


def name_of(thing: str, row: Row) -> str:
    """Return the name of an object; its id where the account may not read it."""
    return unescaped(row.get("name") or thing)


def hosts(rows: Rows) -> Iterator[Host]:
    """Yield the hosts."""
    clusters = rows.get("ClusterComputeResource", {})
    for thing, row in rows.get("HostSystem", {}).items():
        memory = row.get("summary.hardware.memorySize") or 0
        used_mib = row.get("summary.quickStats.overallMemoryUsage")
        cluster = row.get("parent")
        yield Host(
            name=name_of(thing, row),
            id=thing,
            state=host_state(row),
            cpus=row.get("summary.hardware.numCpuThreads") or 0,
            memory_bytes=memory,
            memory_free_bytes=None if used_mib is None else max(0, memory - used_mib * MIB),
            cluster=name_of(cluster, clusters[cluster]) if cluster in clusters else None,
        )


def host_state(row: Row) -> str:
    """Return whether a host can run VMs; one that vCenter has lost touch with is down."""
    if row.get("runtime.connectionState") != "connected":
        return "down"
    return "maintenance" if row.get("runtime.inMaintenanceMode") else "up"


def storage(rows: Rows) -> Iterator[Storage]:
    """Yield the datastores."""
    for thing, row in rows.get("Datastore", {}).items():
        serving = row.get("summary.maintenanceMode") or "normal"
        yield Storage(
            name=name_of(thing, row),
            id=thing,
            kind=row.get("summary.type") or "",
            active=bool(row.get("summary.accessible")) and serving == "normal",
            capacity_bytes=row.get("summary.capacity") or 0,
            free_bytes=row.get("summary.freeSpace") or 0,
            hosts=hosts_with(rows, "datastore", thing),
        )


def networks(rows: Rows) -> Iterator[Network]:
    """Yield the networks and port groups, without those of uplinks: no NIC of a VM is plugged into one."""
    for kind, word in NETWORK_KINDS.items():
        for thing, row in rows.get(kind, {}).items():
            if not row.get("config.uplink"):
                yield Network(
                    name=name_of(thing, row),
                    id=thing,
                    kind=word,
                    active=bool(row.get("summary.accessible")),
                    hosts=hosts_with(rows, "network", thing),
                )


def hosts_with(rows: Rows, what: str, thing: str) -> tuple[str, ...]:
    """Return the names of the hosts that have a datastore or a network."""
    all_hosts = rows.get("HostSystem", {})
    return tuple(sorted(name_of(host, row) for host, row in all_hosts.items() if thing in row.get(what, ())))
