# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a task does not go with a VM, or with libvirt's drivers at both ends."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import CrossvirtError, InvalidOption, InvalidState, Unsupported
from ...model import MoveSpec, PowerState
from .departures import LibvirtDeparture
from .session import Session
from .target_xml import Changes, Copy
from .unfinished import Unfinished

NOT_OURS = ("cluster", "folder", "pool")


def refused_words(
    departure: LibvirtDeparture, spec: MoveSpec, rest: Unfinished | None, *, stays: bool
) -> list[CrossvirtError]:
    """Return what of the task libvirt does not know, or what does not go with the VM as it is."""
    vm = departure.vm
    reasons: list[CrossvirtError] = [
        Unsupported(f"target.{key}: libvirt knows no {key} for VMs") for key in NOT_OURS if getattr(spec, key)
    ]
    networks = {nic.network for nic in vm.nics or ()}
    for old, new in spec.network_map.items():
        if old in networks and stays and old != new:
            reasons.append(Unsupported(f"target.network_map: the NICs of {vm.name} change networks only with its host"))
        elif not {old, new} & networks:
            reasons.append(InvalidOption(f"target.network_map: no NIC of {vm.name} is in {old!r}"))
    if vm.state is PowerState.UNKNOWN and not rest:
        reasons.append(InvalidState(f"the state of {vm.name} on {vm.host} is unknown ({vm.state_reason})"))
    elif spec.mode == "live" and not departure.running:
        reasons.append(
            InvalidState(f"{vm.name} is {vm.state.value}, and mode live moves only one that runs or is paused")
        )
    elif spec.mode == "cold" and departure.running:
        reasons.append(InvalidState(f"{vm.name} is {vm.state.value}, and mode cold moves only one that is off"))
    return reasons


def guarded(departure: LibvirtDeparture, copies: Sequence[Copy]) -> bool:
    """Say whether a second copy of the VM could not run by mistake: QEMU locks the files that it writes to.

    libvirt 9.0 lets a VM go on at its source when the answer is lost that it runs at its target. Both then run, unless
    the disks are the same files: QEMU opens no image for writing that another QEMU has open so.
    """
    written = [bag for bag in departure.disks if not (bag.is_medium or bag.is_empty or bag.read_only)]
    return (
        departure.session.kind == "QEMU"
        and not copies
        and bool(written)
        and all(bag.path and bag.kind in ("file", "volume") and not bag.shareable for bag in written)
    )


def unable(
    departure: LibvirtDeparture, spec: MoveSpec, target: Session, changes: Changes, *, held: bool
) -> list[CrossvirtError]:
    """Return what libvirt's drivers at both ends cannot do."""
    kind, name = departure.session.kind, departure.vm.name
    if kind != target.kind:
        return [Unsupported(f"{name} is a VM of {kind}, and {target.host} runs those of {target.kind}")]
    if not departure.running:
        plain = [session.uri for session in (departure.session, target) if not session.sealed]
        return [
            Unsupported(f"encryption is required, and the connection {uri} is not encrypted")
            for uri in plain
            if spec.encryption == "required"
        ]
    asked = {
        "bandwidth_bytes_per_second": spec.bandwidth_bytes_per_second,
        "post_copy": spec.post_copy,
        "auto_converge": spec.auto_converge,
        "encryption required": spec.encryption == "required",
    }
    refused: list[CrossvirtError] = []
    if kind != "QEMU":
        refused = [
            Unsupported(f"libvirt's driver for {kind} has no {word}") for word, wanted in asked.items() if wanted
        ]
        if changes.copies:
            disks = ", ".join(copy.disk.dev for copy in changes.copies)
            refused.append(Unsupported(f"libvirt's driver for {kind} copies no disks of a VM that runs ({disks})"))
    elif spec.post_copy and held:
        refused.append(Unsupported(f"post_copy needs disks of {name} that both hosts share and QEMU locks"))
    return refused
