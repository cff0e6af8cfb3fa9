# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs as hosts of an inventory: names, variables and groups made of documents; pure, and knows no Ansible."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from .errors import InvalidOption

Document = dict[str, Any]

# What Ansible reads as something else than one remote host.
RESERVED = frozenset({"all", "ungrouped", "localhost", "127.0.0.1"})
# Ansible reads commas, colons, spaces, brackets and more in a host's name as patterns, ssh a leading dash as an option,
# caches a slash as a folder, and ansible-core 2.18 braces as templates.
NOT_IN_NAMES = re.compile(r"^\W|[^\w.-]")
# What names that clash get, one after the other until none does.
ADDED = ("", "_{uuid:.8}", "_{uuid:.8}_{host}", "_{uuid}_{host}")


@dataclass(frozen=True, slots=True)
class ListedHost:
    """One VM as a host."""

    name: str
    variables: dict[str, Any]
    groups: tuple[str, ...]


def hosts_of(
    readings: Sequence[tuple[Any, Sequence[Document]]],
    hostnames: Sequence[str],
    taken: Collection[str],
    safe_group: Callable[[str], str],
) -> list[ListedHost]:
    """Return the hosts for what was read of several connections, each given by its reference; a VM counts once.

    No host gets a name that is taken, or that of a group.
    """
    distinct: dict[tuple[str, ...], tuple[Any, Document]] = {}
    for reference, documents in readings:
        for vm in documents:
            distinct.setdefault((vm["type"], vm["uuid"], vm["host"]), (reference, vm))
    safe = cache(safe_group)
    groups = [tuple(map(safe, groups_of(vm))) for _reference, vm in distinct.values()]
    names = names_of([vm for _reference, vm in distinct.values()], hostnames, RESERVED.union(taken, *groups))
    return [
        ListedHost(name, variables_of(vm, reference), member_of)
        for name, (reference, vm), member_of in zip(names, distinct.values(), groups, strict=True)
    ]


def names_of(vms: Sequence[Document], hostnames: Sequence[str], taken: Collection[str] = RESERVED) -> list[str]:
    """Return a name for each VM: all that clash get 8 digits of their uuid, then their host, then the whole uuid."""
    wished = [wish(vm, hostnames) for vm in vms]
    levels = [0] * len(vms)
    while True:
        names = [
            NOT_IN_NAMES.sub("_", name + ADDED[level].format_map(vm))
            for name, level, vm in zip(wished, levels, vms, strict=True)
        ]
        counts = Counter(names)
        clashing = [
            n for n, name in enumerate(names) if (counts[name] > 1 or name in taken) and levels[n] + 1 < len(ADDED)
        ]
        if not clashing:
            return names
        for n in clashing:
            levels[n] += 1


def wish(vm: Document, hostnames: Sequence[str]) -> str:
    """Return the value of the first key that has one, else the VM's name."""
    for key in hostnames:
        value: Any = vm
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str) and value:
            return value
    return str(vm["name"] or vm["uuid"])


def check_hostnames(hostnames: Sequence[str], known: Collection[str]) -> None:
    """Raise InvalidOption for a key that no document can have, because there is none or its part is not gathered."""
    for key in hostnames:
        if key.partition(".")[0] not in known:
            raise InvalidOption(f"hostnames: {key!r} is none of what is read, which is {', '.join(known)}")


def variables_of(vm: Document, reference: Any) -> dict[str, Any]:
    """Return the host variables of a VM."""
    variables = {f"crossvirt_{key}": value for key, value in vm.items()}
    variables["crossvirt_hypervisor"] = reference
    variables["crossvirt_ref"] = {"uuid": vm["uuid"]}
    if "guest" in vm:
        variables["crossvirt_addresses"] = addresses = addresses_of(vm["guest"])
        if best := best_address(addresses):
            variables["ansible_host"] = best
    return variables


def addresses_of(guest: Document) -> list[str]:
    """Return what the guest says, as far as it is addresses: anything else could be an option of ssh."""
    return [text for one in guest["addresses"] for text in [one["address"]] if is_address(text)]


def is_address(text: str) -> bool:
    """Say whether this is an address without a scope."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def best_address(addresses: Sequence[str]) -> str | None:
    """Return the first address that others can reach, IPv4 before IPv6."""
    able = [
        (isinstance(one, IPv6Address), n)
        for n, one in enumerate(map(ip_address, addresses))
        if not (one.is_link_local or one.is_loopback or one.is_multicast or one.is_unspecified)
    ]
    return addresses[min(able)[1]] if able else None


def groups_of(vm: Document) -> tuple[str, ...]:
    """Return the names of the groups that a VM is in, not yet made safe."""
    base = (f"crossvirt_{vm['type']}", f"crossvirt_state_{vm['state']}", f"crossvirt_host_{vm['host']}")
    return (*base, f"crossvirt_cluster_{vm['cluster']}") if vm["cluster"] else base
