# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a VM from moving, seen in the task and the VM alone: words that mean nothing here, devices of one host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import CapacityExceeded, CrossvirtError, InvalidOption, InvalidState, Unsupported
from ...model import MoveSpec, PowerState
from .departures import VsphereDeparture
from .estate import Estate, Place
from .properties import id_of, kind_of

UNKNOWN = ("bandwidth_bytes_per_second", "post_copy", "auto_converge")
PASSED_THROUGH = ("VirtualPCIPassthrough", "VirtualSCSIPassthrough", "VirtualSriovEthernetCard")


def in_words(one: VsphereDeparture, spec: MoveSpec) -> list[CrossvirtError]:
    """Return what of the task vSphere does not know, or what does not go with the VM as it is."""
    vm = one.vm
    reasons: list[CrossvirtError] = [
        Unsupported(f"{key}: vSphere decides by itself how a move goes on") for key in UNKNOWN if getattr(spec, key)
    ]
    if spec.mode == "live" and not is_live(one):
        reasons.append(InvalidState(f"{vm.name} is {vm.state.value}, and mode live moves only one that runs"))
    elif spec.mode == "cold" and is_live(one):
        reasons.append(InvalidState(f"{vm.name} is {vm.state.value}, and mode cold moves only one that is off"))
    return reasons


def in_maps(one: VsphereDeparture, spec: MoveSpec) -> Iterator[CrossvirtError]:
    """Yield a reason for each storage and network that is mapped, and that the VM has on neither side."""
    disks, networks = {disk.storage for disk in one.disks}, {nic.network for nic in one.vm.nics or ()}
    for word, mapped, used, what in (
        ("storage_map", spec.storage_map, disks, "disk"),
        ("network_map", spec.network_map, networks, "NIC"),
    ):
        yield from (
            InvalidOption(f"target.{word}: no {what} of {one.vm.name} is in {old!r}")
            for old, new in mapped.items()
            if not {old, new} & used
        )


def is_live(one: VsphereDeparture) -> bool:
    """Say whether the VM runs while it moves."""
    return one.vm.state is PowerState.RUNNING


def in_encryption(one: VsphereDeparture, spec: MoveSpec, *, copies: bool) -> list[CrossvirtError]:
    """Return why a move is not as encrypted as it should be: that is a setting of the VM, and of live moves alone."""
    vm, wanted, has = one.vm, spec.encryption, encryption_of(one)
    if is_live(one) and wanted not in ("auto", has):
        return [
            Unsupported(
                f"encryption {wanted}: how {vm.name} moves is a setting of its own, Encrypted vMotion, which is {has}"
            )
        ]
    if not is_live(one) and wanted == "required" and copies:
        return [Unsupported(f"encryption required: vSphere promises that for VMs that run, and {vm.name} does not")]
    return []


def encryption_of(one: VsphereDeparture) -> str:
    """Return how the VM moves while it runs: opportunistic, required or disabled."""
    return str((one.row or {}).get("config.migrateEncryption") or "opportunistic")


def in_devices(one: VsphereDeparture, estate: Estate, place: Place, *, local: bool) -> list[CrossvirtError]:
    """Return a reason for each device of a running VM that is its host's, or that the target host does not reach."""
    if not is_live(one):
        return []
    seen = estate.seen(place, "datastore") if local else []
    found = dict.fromkeys(what for device in one.hardware for what in bound_to_host(device, seen))
    return [Unsupported(f"{one.vm.name} has {what}, which cannot move with it") for what in found]


def bound_to_host(device: Any, seen: list[str]) -> Iterator[str]:
    """Yield why a device stays on its host; `seen` are the datastores of the target."""
    label = getattr(getattr(device, "deviceInfo", None), "label", None) or kind_of(device)
    backing, kind = device.backing, kind_of(device)
    if kind in PASSED_THROUGH:
        yield f"{label}, a device of its host"
    if kind == "VirtualUSB" or not getattr(getattr(device, "connectable", None), "connected", False):
        return  # which USB devices can be reached from another host, vSphere knows
    if is_of_host(backing):
        yield f"{label}, connected to {backing.deviceName} of its host"
    elif (store := getattr(backing, "datastore", None)) is not None and id_of(store) not in seen:
        yield f"{label}, connected to {backing.fileName}, which the target does not reach"


def is_of_host(backing: Any) -> bool:
    """Say whether a backing is a device of the host; that of a NIC is a network, and of a remote client is nobody's."""
    name = "" if backing is None else kind_of(backing)
    named = any(kind.__name__.endswith("DeviceBackingInfo") for kind in type(backing).__mro__)
    return named and "Network" not in name and "Remote" not in name and hasattr(backing, "deviceName")


def too_big(one: VsphereDeparture, estate: Estate, place: Place) -> list[CrossvirtError]:
    """Return why the VM's memory is more than its host has; what fits when others take their share, vSphere judges."""
    has = int(estate.row(place.host).get("summary.hardware.memorySize") or 0)
    needs = one.vm.memory_bytes or 0
    if not has or needs <= has:
        return []
    return [CapacityExceeded(f"{one.vm.name} has {needs} bytes of memory, and {place.says} has {has} in all")]
