# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's snapshots: a VM's tree, what its definition and that tree rule out, and taking one.

libvirt knows two sorts. Internal ones live inside qcow2 disks, those of a running VM with its memory. External ones put
what is written from then on into files of their own; before libvirt 9.9 no such snapshot can be gone back to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from ...driver import Capability
from ...errors import InvalidOption
from ...model import PowerState, Snapshot, SnapshotKind, Vm
from . import convert
from .session import Session

# The ways to take one.
WITH_MEMORY, DISKS_INSIDE, DISKS_OUTSIDE, QUIESCED = "internal memory", "internal", "external", "external quiesced"

HAVE_SNAPSHOTS = ("QEMU", "TEST")
NO_SNAPSHOT = 72
NAME_BYTES = 247  # libvirt writes NAME.xml.new, and a file name has at most 255
# virDomainSnapshotState; in the last two the VM is off after a revert.
STATES = {
    "running": PowerState.RUNNING,
    "paused": PowerState.PAUSED,
    "shutoff": PowerState.STOPPED,
    "disk-snapshot": PowerState.STOPPED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One snapshot as libvirt describes it, https://libvirt.org/formatsnapshot.html."""

    name: str
    state: str
    seconds: int
    parent: str | None = None
    description: str = ""
    memory: bool = False
    external: bool = False


def moment(xml: str) -> Moment:
    """Read one description."""
    found = ET.fromstring(xml)
    memory = convert.attribute(found, "memory", "snapshot")
    parts = [memory, *(disk.get("snapshot") for disk in found.iterfind("disks/disk"))]
    return Moment(
        name=found.findtext("name", ""),
        state=found.findtext("state", ""),
        seconds=int(found.findtext("creationTime", "0")),
        parent=found.findtext("parent/name"),
        description=found.findtext("description", ""),
        memory=memory in ("internal", "external"),
        external="external" in parts,
    )


def read(session: Session, domain: Any, vm: Vm) -> tuple[tuple[Snapshot, ...], dict[str, str]]:
    """Return a VM's trees and what they rule out: a call per snapshot, and two more."""
    if session.kind not in HAVE_SNAPSHOTS:
        return (), {}
    moments = [moment(one.getXMLDesc()) for one in domain.listAllSnapshots()]
    current = name_of_current(session, domain) if moments else None
    outside = no_way_back(session) if any(one.external for one in moments) else None
    return trees(moments, current, outside), ruled_out(moments, vm)


def name_of_current(session: Session, domain: Any) -> str | None:
    """Return the snapshot that the VM goes on from; None is usual once the first of a tree was deleted."""
    try:
        return str(domain.snapshotCurrent().getName())
    except session.libvirt.libvirtError as error:
        if error.get_error_code() != NO_SNAPSHOT:
            raise
        return None


def no_way_back(session: Session) -> str | None:
    """Return why this host cannot go back to an external snapshot; libvirt 9.9 and later say that they can.

    With such a libvirt this project was never tried. https://libvirt.org/formatcaps.html
    """
    if session.capabilities.find("guest/features/externalSnapshot") is not None:
        return None
    return f"libvirt on {session.host} cannot go back to a snapshot that is kept in files of its own, 9.9 and later can"


def trees(moments: Sequence[Moment], current: str | None, outside: str | None) -> tuple[Snapshot, ...]:
    """Return the trees, siblings by age, then by name; `outside` is why external ones cannot be gone back to."""
    ordered = sorted(moments, key=lambda one: (one.seconds, one.name))
    names = {one.name for one in moments}

    def below(parent: str | None) -> tuple[Snapshot, ...]:
        return tuple(
            Snapshot(
                id=one.name,
                name=one.name,
                description=one.description,
                created=datetime.fromtimestamp(one.seconds, UTC).isoformat(),
                state=STATES.get(one.state, PowerState.UNKNOWN),
                current=one.name == current,
                consistency="memory" if one.memory else "crash",
                unrevertable=one_way(one, moments, outside),
                children=below(one.name),
            )
            for one in ordered
            if (one.parent if one.parent in names else None) == parent
        )

    return below(None)


def one_way(one: Moment, moments: Sequence[Moment], outside: str | None) -> str | None:
    """Return why a snapshot cannot be gone back to, or None."""
    if one.external:
        return outside
    if one.state not in STATES:
        return f"it holds a VM that was {one.state}, which libvirt cannot bring back"
    if could_be_a_number_of_qemu(one.name):
        return f"QEMU could take {one.name} for the number that it gave another snapshot itself"
    if builds := [other.name for other in descendants(one, moments) if other.external]:
        return f"it would be the end of the snapshots in files of their own that build on it: {', '.join(builds)}"
    return None


def ruled_out(moments: Sequence[Moment], vm: Vm) -> dict[str, str]:
    """Return what a VM's tree rules out: in libvirt 9.0 neither sort can live with the other.

    Deleting an external snapshot removes the file in which internal ones below it live; others it refuses to delete.
    """
    reasons = {f"{Capability.DELETE_SNAPSHOT} {one.name}": why_kept(one, moments, vm) for one in moments}
    for external, hows in ((True, (WITH_MEMORY, DISKS_INSIDE)), (False, (DISKS_OUTSIDE, QUIESCED))):
        if names := [one.name for one in moments if one.external is external]:
            sorts = "in files of its own" if external else "inside its disks"
            said = f"it has snapshots {sorts}, with which libvirt cannot mix this sort: {', '.join(names)}"
            reasons |= {f"{Capability.CREATE_SNAPSHOT} {how}": said for how in hows}
    return {key: reason for key, reason in reasons.items() if reason}


def why_kept(one: Moment, moments: Sequence[Moment], vm: Vm) -> str | None:
    """Return why a snapshot cannot be deleted, or None."""
    related = [*descendants(one, moments), *(ancestors(one, moments) if one.external else ())]
    if others := [other.name for other in related if other.external is not one.external]:
        return f"snapshot {one.name!r} cannot be deleted: libvirt would harm what depends on it, {', '.join(others)}"
    if one.external and vm.state is PowerState.SUSPENDED:
        return f"snapshot {one.name!r} cannot be deleted: {vm.name} is suspended, and could not be resumed without it"
    return None


def descendants(one: Moment, moments: Sequence[Moment]) -> Iterator[Moment]:
    """Return all below a snapshot."""
    for other in moments:
        if other.parent == one.name:
            yield other
            yield from descendants(other, moments)


def ancestors(one: Moment, moments: Sequence[Moment]) -> Iterator[Moment]:
    """Return all above a snapshot."""
    for other in moments:
        if other.name == one.parent:
            yield other
            yield from ancestors(other, moments)


def limits(domain: ET.Element) -> dict[str, str]:
    """Return what a VM's definition rules out, by the way of taking a snapshot."""
    if domain.get("type") == "test":
        only = "libvirt's test driver has only snapshots inside the disks"
        return {f"{Capability.CREATE_SNAPSHOT} {how}": only for how in (DISKS_OUTSIDE, QUIESCED)}
    drives = [one for one in domain.iterfind("devices/disk") if one.find("readonly") is None and has_medium(one)]
    nothing = None if drives else "it has no disk"
    inside = nothing or first_of(not_inside, drives)
    outside = nothing or first_of(not_outside, drives)
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


def first_of(why: Any, drives: Sequence[ET.Element]) -> str | None:
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


def no_memory_inside(domain: ET.Element, drives: Sequence[ET.Element]) -> str | None:
    """Return why the running VM's memory cannot be kept inside a disk."""
    boot = domain.find("os")
    if convert.attribute(domain, "os/loader", "type") == "pflash" or (
        boot is not None and boot.get("firmware") == "efi"
    ):
        return "libvirt keeps no memory of a VM with UEFI inside its disks"
    return (
        "it has a disk that forgets, marked transient" if any(d.find("transient") is not None for d in drives) else None
    )


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
    return [kind("memory", WITH_MEMORY, unfit(vm))]


def unfit(vm: Vm) -> str:
    """Return why there are no snapshots in a VM's state."""
    if vm.state is PowerState.SUSPENDED:
        return f"{vm.name} is suspended, and libvirt would not keep its saved memory; resume it first"
    return f"{vm.name} is {vm.state}, and libvirt takes no snapshot of that"


def refusal(capability: Capability, vm: Vm, snapshot_id: str | None) -> str | None:
    """Return why something cannot be done with a VM's snapshots, or None."""
    if capability is Capability.CREATE_SNAPSHOT:
        every = [kind.refused for kind in kinds(vm, None)]
        return every[0] if all(every) else None
    if capability is Capability.DELETE_SNAPSHOT:
        return (vm.limits or {}).get(f"{capability} {snapshot_id}")
    if vm.state is PowerState.SUSPENDED:
        return (
            f"{vm.name} is suspended, and libvirt would keep its saved memory, to be loaded later onto disks that no "
            "longer fit; resume it first, or throw the memory away"
        )
    found = next((one for tree in vm.snapshots or () for one in tree.walk() if one.id == snapshot_id), None)
    if found and vm.transient and found.state is PowerState.STOPPED:
        return f"{vm.name} is transient, and going back to a snapshot without memory would delete it"
    return f"{vm.name} cannot go back to {found.name!r}: {found.unrevertable}" if found and found.unrevertable else None


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


def revert(domain: Any, name: str) -> None:
    """Go back to a snapshot."""
    domain.revertToSnapshot(domain.snapshotLookupByName(name))


def forget(libvirt: Any, domain: Any, name: str) -> None:
    """Delete one snapshot, which may be gone already."""
    try:
        domain.snapshotLookupByName(name).delete()
    except libvirt.libvirtError as error:
        if error.get_error_code() != NO_SNAPSHOT:
            raise
