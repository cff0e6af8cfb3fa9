# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves a host: a VM with its definitions and disks, and all that keeps it from leaving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from xml.etree import ElementTree as ET

from ...errors import CrossvirtError, InvalidState
from ...model import Departure, PowerState, Vm
from ...support.workers import side_by_side
from . import obstacles
from .baggage import Baggage, baggage_of
from .move_record import MoveRecord, record_in
from .removal import names
from .session import Session
from .storage import Pools

AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class LibvirtDeparture(Departure):
    """A VM about to move: `now` is the definition of the one that runs, `next` that of the next start.

    Either is None where there is none; `definition` is what it has. `reasons` keep it from leaving in any way. Both are
    None of one that is `gone` since it was chosen.
    """

    session: Session = field(repr=False, compare=False)
    now: str | None = field(default=None, repr=False)
    next: str | None = field(default=None, repr=False)
    disks: tuple[Baggage, ...] = ()
    autostart: bool = False
    record: MoveRecord | None = None
    reasons: tuple[CrossvirtError, ...] = ()

    @property
    def gone(self) -> bool:
        """Whether it is here no more, or cannot be read; `reasons` say which."""
        return self.now is None and self.next is None

    @property
    def running(self) -> bool:
        """Whether it has a process: it runs or stands still in memory."""
        return self.now is not None

    @cached_property
    def definition(self) -> ET.Element:
        """What holds now."""
        return ET.fromstring(self.now or self.next or "")

    def domain(self) -> Any:
        """Return libvirt's own object at the source."""
        return self.session.conn.lookupByUUIDString(self.vm.uuid)


def depart(session: Session, vms: Sequence[Vm]) -> list[LibvirtDeparture]:
    """Return what a target must know of these VMs."""
    pools = Pools(session)
    _read = pools.all
    return side_by_side(lambda vm: one_departure(session, pools, vm), vms, AT_ONCE)


def one_departure(session: Session, pools: Pools, vm: Vm) -> LibvirtDeparture:
    """Read one VM; what cannot be read keeps it from leaving."""
    lib = session.libvirt
    try:
        with session.translated(f"reading {vm.name}"):
            domain = session.conn.lookupByUUIDString(vm.uuid)
            flags = lib.VIR_DOMAIN_XML_SECURE | (lib.VIR_DOMAIN_XML_MIGRATABLE if session.kind == "QEMU" else 0)
            now = domain.XMLDesc(flags) if domain.isActive() else None
            kept = domain.isPersistent()
            later = domain.XMLDesc(flags | lib.VIR_DOMAIN_XML_INACTIVE) if kept else None
            departure = LibvirtDeparture(
                vm=vm, session=session, now=now, next=later, autostart=bool(kept and domain.autostart())
            )
            disks = tuple(baggage_of(session, pools, disk) for disk in departure.definition.iterfind("devices/disk"))
            return replace(
                departure,
                disks=disks,
                record=record_in(departure.definition),
                reasons=tuple(reasons_to_stay(session, domain, departure, disks)),
            )
    except CrossvirtError as error:
        return LibvirtDeparture(vm=vm, session=session, reasons=(error,))


def reasons_to_stay(
    session: Session, domain: Any, departure: LibvirtDeparture, disks: Sequence[Baggage]
) -> list[CrossvirtError]:
    """Return everything about the VM itself that keeps it where it is."""
    lib, vm = session.libvirt, departure.vm
    reasons: list[CrossvirtError] = []
    for kind, listing in (("snapshots", domain.listAllSnapshots), ("checkpoints", domain.listAllCheckpoints)):
        if found := names(lib, listing):
            reasons.append(InvalidState(f"{vm.name} has {kind}, and libvirt moves none: {', '.join(sorted(found))}"))
    if domain.hasManagedSaveImage():
        reasons.append(InvalidState(f"{vm.name} is suspended; its saved memory does not move with it: resume it first"))
    if vm.state is PowerState.CRASHED:
        reasons.append(InvalidState(f"{vm.name} is crashed; stop it first"))
    reasons += obstacles.local_devices(vm.name, departure.definition, running=departure.running)
    record = record_in(departure.definition)
    relocating = record is not None and record.source == record.target  # our own, which is ended before anything else
    if departure.running and session.kind == "QEMU":
        reasons += [
            InvalidState(f"disk {disk.dev} of {vm.name} has a block job, which has to end first")
            for disk in disks
            if disk.device == "disk" and disk.path and not relocating and domain.blockJobInfo(disk.dev, 0)
        ]
    return reasons
