# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a VM is there and as specified: specifications from options, comparison, creation and removal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..driver import Driver
from ..errors import InvalidOption, InvalidState
from ..model import Disk, DiskSpec, Draft, ImageSpec, Nic, NicSpec, Part, PowerState, Vm, VmSpec, Volume
from ..plan import Fields, Plan
from ..steps import Clone, Create, Delete
from .labels import labels_from

Params = dict[str, Any]
IMAGE = {
    "type": "dict",
    "options": {
        "storage": {"type": "str"},
        "volume": {"type": "str"},
        "file": {"type": "path"},
        "checksum": {"type": "str"},
    },
    "mutually_exclusive": [["volume", "file"], ["storage", "file"]],
    "required_one_of": [["volume", "file"]],
    "required_together": [["storage", "volume"]],
    "required_by": {"checksum": ["file"]},
}
SOURCE_KEYS = ("name", "uuid", "id", "path")
SPECIFICATION: dict[str, Any] = {
    "cpus": {"type": "int"},
    "memory_bytes": {"type": "bytes"},
    "firmware": {"type": "str", "choices": ["bios", "uefi"]},
    "secure_boot": {"type": "bool"},
    "guest_os": {"type": "str"},
    "notes": {"type": "str"},
    "labels": {"type": "dict"},
    **{key: {"type": "str"} for key in ("host", "cluster", "folder", "pool", "storage")},
    "disks": {
        "type": "list",
        "elements": "dict",
        "options": {
            "size_bytes": {"type": "bytes"},
            "storage": {"type": "str"},
            "bus": {"type": "str", "choices": ["auto", "virtio", "scsi", "sata"]},
            "provisioning": {"type": "str", "choices": ["thin", "thick"]},
            "image": IMAGE,
        },
    },
    "nics": {
        "type": "list",
        "elements": "dict",
        "options": {
            "network": {"type": "str"},
            "mac": {"type": "str"},
            "model": {"type": "str", "choices": ["auto", "virtio", "e1000e"]},
        },
    },
    "clone": {
        "type": "dict",
        "options": {
            "source": {
                "type": "dict",
                "required": True,
                "options": {key: {"type": "str"} for key in SOURCE_KEYS},
                "mutually_exclusive": [list(SOURCE_KEYS)],
                "required_one_of": [list(SOURCE_KEYS)],
            },
            "snapshot": {"type": "str"},
            "mode": {"type": "str", "choices": ["full", "linked"], "default": "full"},
        },
    },
}
REMOVE = ("disks", "snapshots", "saved_state", "nvram")
SCALARS = (
    "cpus",
    "memory_bytes",
    "firmware",
    "secure_boot",
    "guest_os",
    "notes",
    "labels",
    "host",
    "cluster",
    "folder",
    "pool",
)
NEEDS = {
    "labels": Part.LABELS,
    "storage": Part.DISKS,
    "disks": Part.DISKS,
    "nics": Part.NICS,
    **dict.fromkeys(("firmware", "secure_boot", "guest_os", "notes"), Part.CONFIG),
}
MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


def spec_from(params: Params, name: str | None = None) -> VmSpec:
    """Return the specification that a task, or one entry of it, gives; raises InvalidOption for a senseless value."""
    for key in ("cpus", "memory_bytes"):
        if params[key] is not None and params[key] < 1:
            raise InvalidOption(f"{key} must not be {params[key]}")
    if params["clone"] and params["disks"] is not None:
        raise InvalidOption("clone and disks exclude each other: a clone has the disks of its source")
    if params["secure_boot"] and params["firmware"] == "bios":
        raise InvalidOption("secure_boot needs firmware uefi")
    given = {key: params[key] for key in SCALARS if params[key] is not None}
    if params["notes"] is not None:
        given["notes"] = "\n".join(re.split(r"\r\n?", params["notes"]))  # XML keeps no other line ends
    if params["labels"] is not None:
        given["labels"] = {key: values for key, values in labels_from(params["labels"], "labels").items() if values}
    disks = params["disks"]
    return VmSpec(
        **given,
        name=name,
        storage=params["storage"],
        disks=None if disks is None else tuple(disk_from(one, params["storage"]) for one in disks),
        nics=None if params["nics"] is None else tuple(nic_from(one) for one in params["nics"]),
    )


def disk_from(given: Params, storage: str | None) -> DiskSpec:
    """Return one disk; the task's storage is that of all disks that name none."""
    if given["size_bytes"] is not None and given["size_bytes"] < 1:
        raise InvalidOption(f"disks: size_bytes must not be {given['size_bytes']}")
    image = ImageSpec(**given["image"]) if given["image"] else None
    return DiskSpec(**{**given, "storage": given["storage"] or storage, "image": image})


def nic_from(given: Params) -> NicSpec:
    """Return one NIC; a mac is six pairs of digits with colons, of one machine."""
    mac = given["mac"].lower().replace("-", ":") if given["mac"] else None
    if mac and (not MAC.fullmatch(mac) or int(mac[:2], 16) & 1):
        raise InvalidOption(f"nics: {given['mac']} is not the hardware address of one machine")
    return NicSpec(**{**given, "mac": mac})


def desired_fields(spec: VmSpec) -> Fields:
    """Return what was asked for, in the task's own words; what fits everything or is not compared is left out."""
    fields: Fields = {key: getattr(spec, key) for key in SCALARS if getattr(spec, key) is not None}
    if spec.disks is not None:
        fields["disks"] = [given(disk, ("size_bytes", "storage", "bus", "provisioning")) for disk in spec.disks]
    elif spec.storage is not None:
        fields["storage"] = spec.storage
    if spec.nics is not None:
        fields["nics"] = [given(nic, ("network", "mac", "model")) for nic in spec.nics]
    return fields


def given(device: DiskSpec | NicSpec, keys: tuple[str, ...]) -> Fields:
    """Return the keys of a device that count."""
    values = {key: getattr(device, key) for key in keys}
    return {key: value for key, value in values.items() if value not in (None, "auto")}


def current_fields(vm: Vm, spec: VmSpec) -> Fields:
    """Return of a VM what its specification is about, in the same shape."""
    desired = desired_fields(spec)
    return {key: current_field(vm, key, desired[key]) for key in desired}


def current_field(vm: Vm, key: str, desired: Any) -> Any:
    """Return one field as it is."""
    if key == "disks":
        return devices(own_disks(vm), desired, ("size_bytes", "storage"))
    if key == "nics":
        return devices(vm.nics or (), desired, ("network", "mac"))
    if key == "storage":
        places = sorted({str(disk.storage) for disk in own_disks(vm)})
        return desired if places in ([], [desired]) else places
    return getattr(vm.config if NEEDS.get(key) is Part.CONFIG else vm, key)


def devices(have: Sequence[Disk | Nic], desired: list[Fields], keys: tuple[str, ...]) -> list[Fields]:
    """Return the VM's devices with the keys that were asked for; of one too many those that tell what it is."""
    asked = [*map(tuple, desired), *[keys] * len(have)]
    return [
        {key: value.lower() if key == "mac" and value else value for key in keys for value in [getattr(device, key)]}
        for device, keys in zip(have, asked, strict=False)
    ]


def own_disks(vm: Vm) -> tuple[Disk, ...]:
    """Return the disks that are the VM's: a medium in a drive is not."""
    return tuple(disk for disk in vm.disks or () if disk.device in ("disk", "lun"))


def differences(current: Fields, desired: Fields) -> Iterator[dict[str, Any]]:
    """Return every field that is not as asked; of devices each key, unless their number differs."""
    for key, wanted in desired.items():
        have = current[key]
        if isinstance(wanted, list) and len(wanted) == len(have):
            for place, (one, other) in enumerate(zip(have, wanted, strict=True)):
                for detail in differences(one, other):
                    yield {**detail, "field": f"{key}[{place}].{detail['field']}"}
        elif have != wanted:
            yield {"field": key, "current": have, "desired": wanted}


def plan_vm(driver: Driver, vm: Vm, params: Params) -> Plan:
    """Plan what `vm` was asked for, of a VM that is there.

    Raises InvalidState with `differences` for a VM that is not as specified, and what plan_removal raises.
    """
    if params["state"] == "absent":
        return plan_removal(vm, params["remove"] or (), driver.keeps)
    spec = spec_from(params)
    if spec.host:
        spec = replace(spec, host=driver.host_named(spec.host) or spec.host)
    desired, current = desired_fields(spec), current_fields(vm, spec)
    if found := list(differences(current, desired)):
        listed = "; ".join(f"{one['field']} is {one['current']}, not {one['desired']}" for one in found)
        raise InvalidState(f"{vm.name} is there and differs: {listed}", differences=found)
    return Plan(current, current)


def plan_creation(spec: VmSpec, draft: Draft) -> Plan:
    """Plan a VM that is not there yet."""

    def view(vm: Vm | None) -> Fields:
        return {"state": vm.state.value, **current_fields(vm, spec)} if vm else {}

    step = Clone(draft=draft) if draft.clone else Create(draft=draft)
    return Plan({}, {"state": PowerState.STOPPED.value, **desired_fields(spec)}, (step,), view)


def state_of(vm: Vm | None) -> Fields:
    """Read the field that a removal is about."""
    return {"state": vm.state.value} if vm else {}


def plan_removal(vm: Vm, remove: tuple[str, ...] | list[str], keeps: tuple[str, ...]) -> Plan:
    """Plan to forget a VM, with what is named in `remove`; what the hypervisor `keeps` may stay with the disks.

    Raises InvalidState for a VM that is not off, that has what cannot stay without it, or whose disks must stay.
    """
    if vm.state is not PowerState.STOPPED and not (vm.state is PowerState.SUSPENDED and "saved_state" in remove):
        raise InvalidState(f"{vm.name} is {vm.state}, and only a stopped VM is removed")
    belongings = vm.belongings or {}
    may_stay = () if "disks" in remove else keeps
    if kept := {kind: names for kind, names in belongings.items() if kind not in (*remove, *may_stay)}:
        listed = "; ".join(f"{kind} ({', '.join(names)})" for kind, names in kept.items())
        raise InvalidState(f"{vm.name} has what cannot stay without it and is not named in remove: {listed}")
    volumes = tuple(removable(vm)) if "disks" in remove else ()
    named = tuple(kind for kind in REMOVE if kind in remove and (kind in belongings or kind == "disks"))
    return Plan(state_of(vm), {}, (Delete(remove=named, volumes=volumes),), state_of)


def removable(vm: Vm) -> Iterator[Volume]:
    """Return the volumes of a VM's disks; raises InvalidState with every reason why one of them must stay."""
    reasons: dict[str, Callable[[Disk], Any]] = {
        "is shared with other VMs": lambda disk: disk.shared,
        "is in no storage that this host knows": lambda disk: disk.storage is None,
        "is used by {users}": lambda disk: disk.users,
    }
    refused = [
        f"{disk.volume} {reason.format(users=', '.join(disk.users or ()))}"
        for disk in own_disks(vm)
        for reason, holds in reasons.items()
        if holds(disk)
    ]
    if refused:
        raise InvalidState(f"disks of {vm.name} that must stay: {'; '.join(refused)}")
    for disk in own_disks(vm):
        yield Volume(storage=str(disk.storage), volume=str(disk.volume), size_bytes=disk.size_bytes)


def what_is_read(params: Params) -> tuple[Part, ...]:
    """Return what planning needs to know of VMs that are there; raises InvalidOption for `select` with present."""
    if params["state"] == "absent":
        disks = (Part.DISKS, Part.DISK_USERS) if "disks" in (params["remove"] or ()) else ()
        return (Part.BELONGINGS, *disks)
    if params["select"] is not None:
        raise InvalidOption("select goes with state absent only")
    entries = [one for one in params["vms"] or () if isinstance(one, dict)]
    return tuple({NEEDS[key] for one in (params, *entries) for key in NEEDS if one.get(key) is not None})


def is_removal(params: Params) -> bool:
    """Say whether more than one VM needs an explicit max_vms."""
    return bool(params["state"] == "absent")
