# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a snapshot on libvirt: the ways there are for a VM, what its definition and a name rule out, and the call.

libvirt knows two sorts. Internal ones live inside qcow2 disks, those of a running VM with its memory. External ones put
what is written from then on into files of their own; before libvirt 9.9 no such snapshot can be gone back to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from ...driver import Capability
from ...errors import InvalidOption
from ...model import PowerState, SnapshotKind, Vm
from . import convert
from .session import Session

# The ways to take one.
WITH_MEMORY, DISKS_INSIDE, DISKS_OUTSIDE, QUIESCED = "internal memory", "internal", "external", "external quiesced"

NAME_BYTES = 247  # libvirt writes NAME.xml.new, and a file name has at most 255


def no_way_back(session: Session) -> str | None:
    """Return why this host cannot go back to an external snapshot; libvirt 9.9 and later say that they can.

    With such a libvirt this project was never tried. https://libvirt.org/formatcaps.html
    """
    if session.capabilities.find("guest/features/externalSnapshot") is not None:
        return None
    return f"libvirt on {session.host} cannot go back to a snapshot that is kept in files of its own, 9.9 and later can"


def limits(domain: ET.Element) -> dict[str, str]:
    """Return what a VM's definition rules out, by the way of taking a snapshot."""
    if domain.get("type") == "test":
        only = "libvirt's test driver has only snapshots inside the disks"
        return {f"{Capability.CREATE_SNAPSHOT} {how}": only for how in (DISKS_OUTSIDE, QUIESCED)}
    drives = [one for one in domain.iterfind("devices/disk") if one.find("readonly") is None and has_medium(one)]
    nothing = None if drives else "it has no disk"
    inside = nothing or first_of(not_inside, drives)
    outside = nothing or first_of(not_outside, drives) or one_place_for_two(drives)
    reasons = {
        DISKS_INSIDE: inside,
        WITH_MEMORY: inside or no_memory_inside(domain, drives),
        DISKS_OUTSIDE: outside,
        QUIESCED: outside or (None if convert.agent_connected(domain) else "its guest agent is not connected"),
    }
    return {f"{Capability.CREATE_SNAPSHOT} {how}": reason for how, reason in reasons.items() if reason}


def has_medium(disk: ET.Element) -> bool:
    """Say whether there is anything in a drive."""
    source = disk.find("source")
    return source is not None and bool(source.attrib)


def first_of(why: Callable[[ET.Element], str | None], drives: Sequence[ET.Element]) -> str | None:
    """Return the reason of the first disk that has one."""
    reasons = ((convert.attribute(disk, "target", "dev"), why(disk)) for disk in drives)
    return next((f"its disk {dev} {reason}" for dev, reason in reasons if reason), None)


def not_inside(disk: ET.Element) -> str | None:
    """Return why a disk cannot hold a snapshot itself."""
    if disk.get("snapshot") not in (None, "internal"):
        return f"is marked snapshot='{disk.get('snapshot')}'"
    sort = convert.attribute(disk, "driver", "type") or "raw"
    return None if sort == "qcow2" else f"is {sort}, and only qcow2 holds snapshots"


def not_outside(disk: ET.Element) -> str | None:
    """Return why libvirt finds no place for what is written to a disk from then on."""
    if disk.get("snapshot") == "no":
        return None
    if disk.get("type") != "file":
        return "is no plain file, beside which libvirt could put another"
    return "is shared" if disk.find("shareable") is not None else None


def one_place_for_two(drives: Sequence[ET.Element]) -> str | None:
    """Return which disk would get the file of another: libvirt puts the snapshot's name in the place of the suffix."""
    places: dict[str, str | None] = {}
    for disk in drives:
        dev, path = convert.attribute(disk, "target", "dev"), convert.attribute(disk, "source", "file") or ""
        if (other := places.setdefault(re.sub(r"\.[^./]*$", "", path), dev)) != dev:
            return f"its disks {other} and {dev} would share a file, as their names differ only after the last dot"
    return None


def no_memory_inside(domain: ET.Element, drives: Sequence[ET.Element]) -> str | None:
    """Return why the running VM's memory cannot be kept inside a disk."""
    if convert.config(domain).firmware == "uefi":
        return "libvirt keeps no memory of a VM with UEFI inside its disks"
    forgetful = any(disk.find("transient") is not None for disk in drives)
    return "it has a disk that is marked transient" if forgetful else None


def kinds(vm: Vm, outside: str | None) -> list[SnapshotKind]:
    """Return the ways for a VM as it is; `outside` is why external snapshots cannot be gone back to."""

    def kind(consistency: str, how: str, reason: str | None = None) -> SnapshotKind:
        refused = reason or (vm.limits or {}).get(f"{Capability.CREATE_SNAPSHOT} {how}")
        back = outside if how in (DISKS_OUTSIDE, QUIESCED) else None
        return SnapshotKind(consistency=consistency, how=how, unrevertable=back, refused=refused)

    if vm.state is PowerState.STOPPED:
        ways = [
            kind(consistency, how) for how in (DISKS_INSIDE, DISKS_OUTSIDE) for consistency in ("crash", "filesystem")
        ]
        return [*ways, kind("memory", WITH_MEMORY, f"{vm.name} is stopped and has no memory to keep")]
    if vm.state in (PowerState.RUNNING, PowerState.PAUSED):
        deaf = f"{vm.name} is paused, so its guest cannot be asked" if vm.state is PowerState.PAUSED else None
        return [kind("memory", WITH_MEMORY), kind("filesystem", QUIESCED, deaf), kind("crash", DISKS_OUTSIDE)]
    return [kind(consistency, WITH_MEMORY, unfit(vm)) for consistency in ("crash", "filesystem", "memory")]


def unfit(vm: Vm) -> str:
    """Return why there are no snapshots in a VM's state."""
    if vm.state is PowerState.SUSPENDED:
        return f"{vm.name} is suspended, and libvirt would not keep its saved memory; resume it first"
    return f"{vm.name} is {vm.state}, and libvirt takes no snapshot of that"


def could_be_a_number_of_qemu(name: str) -> bool:
    """Say whether QEMU could take a name for the number of another snapshot: it counts from 1 and looks there first."""
    return re.fullmatch("[1-9][0-9]{0,5}", name) is not None


def check_name(name: str) -> None:
    """Raise InvalidOption for a name that libvirt or QEMU would refuse, or worse, would get wrong."""
    if "/" in name or name.startswith("."):
        raise InvalidOption(f"snapshot {name!r}: libvirt takes no name with '/' in it, nor one that begins with a dot")
    if len(name.encode()) > NAME_BYTES:
        raise InvalidOption(f"snapshot {name!r}: libvirt takes names of up to {NAME_BYTES} bytes")
    if could_be_a_number_of_qemu(name):
        raise InvalidOption(f"snapshot {name!r}: QEMU could take it for the number that it gives snapshots itself")
    if '"' in name or "\\" in name:
        raise InvalidOption(f"snapshot {name!r}: libvirt loses snapshots that have '\"' or '\\' in their name")


def take(libvirt: Any, domain: Any, name: str, description: str, how: str) -> None:
    """Take one in just this way: libvirt refuses it where the VM's state has changed since it was planned."""
    asked = ET.Element("domainsnapshot")
    ET.SubElement(asked, "name").text = name
    ET.SubElement(asked, "description").text = description
    if how in (WITH_MEMORY, DISKS_INSIDE):
        ET.SubElement(asked, "memory", snapshot="internal" if how == WITH_MEMORY else "no")
    outside = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
    flags = {DISKS_OUTSIDE: outside, QUIESCED: outside | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE}
    domain.snapshotCreateXML(ET.tostring(asked, encoding="unicode"), flags.get(how, 0))
