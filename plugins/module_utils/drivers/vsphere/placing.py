# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a VM is made: host, cluster, pool and folder as a task names them, settled to one place; nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import Ambiguous, CrossvirtError, InvalidOption, InvalidState, NotFound
from .estate import CLUSTER, COMPUTES, Estate, Place, listed
from .properties import Row


def choose(
    estate: Estate,
    *,
    host: str | None = None,
    cluster: str | None = None,
    pool: str | None = None,
    folder: str | None = None,
    beside: Row | None = None,
) -> Place:
    """Return where these words lead to; `beside` is a VM whose folder and pool hold where no other is named.

    Raises NotFound, Ambiguous, InvalidState for a host that takes no VMs now, and InvalidOption where the words
    contradict each other or more than one place could be meant.
    """
    into = vm_folder(estate, folder) if folder else None
    named = {"host": host, "cluster": cluster, "pool": pool}
    compute = only_one(estate, {option: name for option, name in named.items() if name}, into)
    datacenter, chosen, near = estate.datacenter(compute), host_for(estate, compute, host), beside or {}
    if into is None and is_in(estate, near.get("parent"), datacenter):
        into = near["parent"]
    return Place(
        datacenter=datacenter,
        folder=str(into or estate.row(datacenter)["vmFolder"]),
        compute=compute,
        pool=pool_for(estate, compute, pool, near.get("resourcePool")),
        host=chosen,
        says=f"host {estate.name(chosen)}" if chosen else f"cluster {estate.name(compute)}",
    )


def only_one(estate: Estate, named: dict[str, str], into: str | None) -> str:
    """Return the cluster, or the host that stands alone, that has all that is named; `into` is a folder for VMs."""
    there = {compute: names(estate, compute) for compute in estate.ids(*COMPUTES)}
    for option, name in named.items():
        known = sorted({one for every in there.values() for one in every[option]})
        if name not in known:
            raise NotFound(f"there is no {option} {name!r} on {estate.where}; there are {listed(known)}")
    fit = [
        compute
        for compute, every in there.items()
        if all(name in every[option] for option, name in named.items())
        and (into is None or estate.datacenter(compute) == estate.datacenter(into))
    ]
    if len(fit) != 1:
        raise undecided(estate, fit, named)
    return fit[0]


def names(estate: Estate, compute: str) -> dict[str, list[str]]:
    """Return what a cluster, or a host that stands alone, answers to, by options of the task."""
    return {
        "host": [estate.name(host) for host in estate.hosts(compute)],
        "cluster": [estate.name(compute)] if estate.kind(compute) == CLUSTER else [],
        "pool": list(estate.pools(compute)),
    }


def undecided(estate: Estate, fit: Iterable[str], named: dict[str, str]) -> CrossvirtError:
    """Return why not one place is meant, but none or several."""
    choices = sorted(estate.path(compute) for compute in fit)
    if not choices:
        return InvalidOption(f"{estate.where} has no host that fits all of {listed(named)} and folder")
    if not named:
        return InvalidOption(f"host or cluster is needed on {estate.where}; there are {listed(choices)}")
    said = ", ".join(f"{option} {name}" for option, name in named.items())
    return Ambiguous(f"{said} can mean {listed(choices)} on {estate.where}; a folder tells datacenters apart")


def vm_folder(estate: Estate, path: str) -> str:
    """Return the folder for VMs with this inventory path."""
    fit = [one for one in estate.ids("Folder") if "VirtualMachine" in estate.row(one).get("childType", ())]
    there = {estate.path(one): one for one in fit}
    if path not in there:
        raise NotFound(f"there is no folder {path!r} on {estate.where}; there are {listed(sorted(there))}")
    return there[path]


def is_in(estate: Estate, folder: str | None, datacenter: str) -> bool:
    """Say whether this is a folder, and in this datacenter."""
    return folder is not None and estate.kind(folder) == "Folder" and estate.datacenter(folder) == datacenter


def pool_for(estate: Estate, compute: str, named: str | None, near: str | None) -> str:
    """Return the resource pool: that which is named, that of the VM to copy if it is here, else the root pool."""
    pools = estate.pools(compute)
    return pools[named] if named else str(near if near in pools.values() else estate.row(compute)["resourcePool"])


def host_for(estate: Estate, compute: str, name: str | None) -> str | None:
    """Return the host; None where DRS chooses one.

    Folder.CreateVM_Task does without a host for the pools of a cluster with DRS only.
    """
    hosts = [host for host in estate.hosts(compute) if name in (None, estate.name(host))]
    usable = [host for host in hosts if not estate.why_not(host)]
    if not usable:
        reasons = [reason for host in hosts if (reason := estate.why_not(host))]
        raise InvalidState("; ".join(reasons) or f"{estate.name(compute)} has no host")
    if len(usable) == 1:
        return usable[0]
    drs = getattr(estate.row(compute).get("configurationEx"), "drsConfig", None)
    if not getattr(drs, "enabled", False):
        raise InvalidOption(
            f"host is needed: nothing chooses one in {estate.name(compute)}, where DRS is off; there are"
            f" {listed(map(estate.name, usable))}"
        )
    return None
