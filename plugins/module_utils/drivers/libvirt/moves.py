# SPDX-License-Identifier: GPL-3.0-or-later
"""What the driver does to move VMs; it finds this by name, and only modules that move VMs send it along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...driver import Driver, Operation
from ...errors import CrossvirtError, Unsupported
from ...model import Departure, Move, MoveSpec, PowerState, Vm
from .arrivals import Arrivals, LibvirtMove
from .departures import LibvirtDeparture, depart
from .driver import LibvirtDriver
from .moving import Moving
from .session import Session
from .xen import PV, XenDriver

__all__ = ["LibvirtDriver", "begin", "leaving", "received"]


def leaving(session: Session, vms: Sequence[Vm]) -> list[Departure]:
    """Return what a target must know of these VMs."""
    known = depart(session, vms)
    if session.kind != XenDriver.kind:
        return list(known)
    return [replace(one, reasons=(*one.reasons, *why_it_stays(one))) if one.running else one for one in known]


def received(
    session: Session, arrivals: Sequence[tuple[Departure, MoveSpec]], sources: Sequence[Driver]
) -> list[Move | CrossvirtError]:
    """Work out moves to a host, each in the room that those before it leave."""
    known = Arrivals(session, [one.session for one in sources if isinstance(one, LibvirtDriver)])
    return [known.receive(one, spec) for one, spec in arrivals if isinstance(one, LibvirtDeparture)]


def begin(move: Move) -> Operation:
    """Move a VM as it was worked out."""
    if not isinstance(move, LibvirtMove):
        raise TypeError(f"{move} was not worked out by libvirt")
    return Moving(move).start()


def why_it_stays(departure: LibvirtDeparture) -> Iterator[CrossvirtError]:
    """Return what keeps a VM of Xen that runs on its host."""
    name = departure.vm.name
    if departure.vm.state is PowerState.PAUSED:
        yield Unsupported(f"{name} is paused, and Xen needs the guest's help to move its memory: resume it first")
    if departure.definition.findtext("os/type") in PV:
        yield Unsupported(
            f"{name} is a PV VM, and Xen moves one that runs only where it was built with shadow paging, which libvirt"
            " does not tell: stop it first"
        )
    for disk in departure.disks:
        if disk.path and disk.kind != "block" and not disk.is_medium and not disk.read_only:
            yield Unsupported(
                f"disk {disk.dev} of {name} is a file, of which each host has its own cache; a VM that runs moves only"
                " with disks on devices that both hosts have, such as logical volumes: stop it first"
            )
