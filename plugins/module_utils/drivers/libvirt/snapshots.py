# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's snapshots: reading a VM's trees, what they rule out, going back to one and deleting one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from ...driver import Capability
from ...model import PowerState, Snapshot, Vm
from . import convert
from .session import Session
from .snapshot_kinds import (
    DISKS_INSIDE,
    DISKS_OUTSIDE,
    QUIESCED,
    WITH_MEMORY,
    could_be_a_number_of_qemu,
    kinds,
    no_way_back,
)

HAVE_SNAPSHOTS = ("QEMU", "TEST")
NO_SNAPSHOT = 72
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
    moments = sorted((moment(one.getXMLDesc()) for one in domain.listAllSnapshots()), key=by_age)
    current = name_of_current(session, domain) if moments else None
    outside = no_way_back(session) if any(one.external for one in moments) else None
    return trees(moments, current, outside), ruled_out(moments, vm)


def by_age(one: Moment) -> tuple[int, str]:
    """The order of siblings: libvirt knows seconds, and names are unique."""
    return one.seconds, one.name


def name_of_current(session: Session, domain: Any) -> str | None:
    """Return the snapshot that the VM goes on from; None is usual once the first of a tree was deleted."""
    try:
        return str(domain.snapshotCurrent().getName())
    except session.libvirt.libvirtError as error:
        if error.get_error_code() != NO_SNAPSHOT:
            raise
        return None


def trees(moments: Sequence[Moment], current: str | None, outside: str | None) -> tuple[Snapshot, ...]:
    """Return the trees of these, in their order; `outside` is why external ones cannot be gone back to."""
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
            for one in moments
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
        return f"snapshots in files of their own build on it and would be lost: {', '.join(builds)}"
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


def refusal(capability: Capability, vm: Vm, snapshot_id: str | None) -> str | None:
    """Return why something cannot be done with a VM's snapshots, or None."""
    if capability is Capability.CREATE_SNAPSHOT:
        every = [kind.refused for kind in kinds(vm, None)]
        reasons = dict.fromkeys(reason for reason in every if reason)
        return f"no snapshot of {vm.name} can be taken: {'; '.join(reasons)}" if all(every) else None
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
