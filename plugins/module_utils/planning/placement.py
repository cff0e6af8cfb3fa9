# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host each of many VMs could move to: what is known without asking the hypervisor whether it agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import CapacityExceeded, CrossvirtError, InvalidState, Unsupported
from ..model import Host, PowerState, Vm

UP = "up"
IN_MEMORY = (PowerState.RUNNING, PowerState.PAUSED)


def place(vms: Sequence[Vm], hosts: Sequence[Host], networks: Mapping[str, set[str]]) -> list[Host | CrossvirtError]:
    """Return a host for each VM, in their order, or why there is none; `networks` are those of each host, by id.

    The VMs with the most memory are placed first, each on the host with the most memory left, of its own cluster where
    one fits. Only VMs that are in memory take room.
    """
    free = {host.id: host.memory_bytes if host.memory_free_bytes is None else host.memory_free_bytes for host in hosts}
    found: dict[int, Host | CrossvirtError] = {}
    for n, vm in sorted(enumerate(vms), key=lambda pair: -needed(pair[1])):
        reasons = {host.id: why_not(vm, host, free[host.id], networks.get(host.id, set())) for host in hosts}
        fitting = [host for host in hosts if reasons[host.id] is None]
        if fitting:
            chosen = max(fitting, key=lambda host: (host.cluster == vm.cluster, free[host.id]))
            free[chosen.id] -= needed(vm)
            found[n] = chosen
        else:
            found[n] = nowhere(vm, [reason for reason in reasons.values() if reason])
    return [found[n] for n in range(len(vms))]


def needed(vm: Vm) -> int:
    """Return the memory in bytes that a VM takes where it is."""
    return (vm.memory_bytes or 0) if vm.state in IN_MEMORY else 0


def why_not(vm: Vm, host: Host, free: int, networks: set[str]) -> CrossvirtError | None:
    """Return why a VM cannot be placed on a host."""
    missing = sorted({nic.network for nic in vm.nics or () if nic.network} - networks)
    if host.name == vm.host:
        return InvalidState(f"{host.name} is where it is")
    if host.state != UP:
        return InvalidState(f"{host.name} is {'in maintenance' if host.state == 'maintenance' else host.state}")
    if missing:
        return Unsupported(f"{host.name} has no network {', '.join(missing)}")
    if (vm.cpus or 0) > host.cpus:
        return CapacityExceeded(f"{host.name} has {host.cpus} processors, and {vm.cpus} are needed")
    if needed(vm) > free:
        return CapacityExceeded(f"{host.name} has {free} bytes of memory left, and {needed(vm)} are needed")
    return None


def nowhere(vm: Vm, reasons: Sequence[CrossvirtError]) -> CrossvirtError:
    """Return why there is no host for a VM, host by host."""
    return CapacityExceeded(f"no host can take {vm.name}: {'; '.join(map(str, reasons)) or 'there is no other'}")
