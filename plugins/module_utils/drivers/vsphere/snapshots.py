# SPDX-License-Identifier: GPL-3.0-or-later
"""vSphere's snapshots: the trees of a VM, the ways to take one, what rules that out, and the call.

Sources: CreateSnapshot_Task and VirtualMachineSnapshotTree in the vSphere Web Services API, and "Snapshot Limitations"
in vSphere Virtual Machine Administration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...driver import Capability
from ...errors import InvalidOption
from ...model import PowerState, Snapshot, SnapshotKind, Vm
from .convert import STATES
from .places import escaped, unescaped
from .properties import Row, id_of

# The ways to take one.
WITH_MEMORY, QUIESCED, DISKS = "memory", "quiesced", "disks"

PATHS = ("snapshot",)
LIMITS = ("config.hardware.device", "config.template", "guest.toolsRunningStatus", "runtime.faultToleranceState")
NAME_LENGTH = 80  # as of every name in vSphere, counted once it is escaped


def trees(row: Row) -> tuple[Snapshot, ...]:
    """Return a VM's trees of snapshots; siblings by age, as vSphere lists them."""
    found = row.get("snapshot")
    return tuple(tree(one, id_or_none(found.currentSnapshot)) for one in found.rootSnapshotList) if found else ()


def tree(node: Any, current: str | None) -> Snapshot:
    """Return a snapshot with those below it.

    Its state is the one in which a revert leaves the VM: without memory vSphere says poweredOff.
    """
    state = STATES.get(node.state, PowerState.UNKNOWN)
    with_memory = state in (PowerState.RUNNING, PowerState.SUSPENDED)
    return Snapshot(
        id=id_of(node.snapshot),
        name=unescaped(node.name),
        description=node.description or "",
        created=node.createTime.isoformat(),
        state=state,
        current=id_of(node.snapshot) == current,
        consistency="memory" if with_memory else "filesystem" if node.quiesced else "crash",
        children=tuple(tree(child, current) for child in node.childSnapshotList),
    )


def id_or_none(reference: Any) -> str | None:
    """Return the id of an object, if there is one."""
    return None if reference is None else id_of(reference)


def limits(row: Row) -> dict[str, str]:
    """Return what a VM as it is rules out: by capability, or by capability and way of taking a snapshot."""
    if row.get("config.template"):
        said = "it is a template, of which vSphere takes no snapshots and which goes back to none"
        return dict.fromkeys((Capability.CREATE_SNAPSHOT, Capability.REVERT_SNAPSHOT), said)
    devices = row.get("config.hardware.device") or ()
    if reason := fault_tolerance(row) or next(unfit(devices), None):
        return {Capability.CREATE_SNAPSHOT: reason}
    deaf = row.get("guest.toolsRunningStatus") != "guestToolsRunning"
    reasons = {
        WITH_MEMORY: next(independent(devices), None),
        QUIESCED: "VMware Tools do not run in it" if deaf else None,
    }
    return {f"{Capability.CREATE_SNAPSHOT} {how}": reason for how, reason in reasons.items() if reason}


def fault_tolerance(row: Row) -> str | None:
    """Return why a VM of which there are two at once has no snapshots."""
    state = row.get("runtime.faultToleranceState") or "notConfigured"
    return None if state == "notConfigured" else "it is protected by Fault Tolerance, which knows no snapshots"


def unfit(devices: Any) -> Iterator[str]:
    """Yield which devices keep a VM from having snapshots at all."""
    for one in devices:
        backing = getattr(one, "backing", None)
        if getattr(one, "sharedBus", None) not in (None, "noSharing"):
            yield f"its {label(one)} shares its bus with other VMs"
        elif getattr(backing, "compatibilityMode", None) == "physicalMode":
            yield f"its {label(one)} is a raw device in physical mode"
        elif getattr(backing, "sharing", None) == "sharingMultiWriter":
            yield f"its {label(one)} may be written by several VMs"


def independent(devices: Any) -> Iterator[str]:
    """Yield which disks keep a VM's memory from being held: by their owner's wish they have no part in snapshots."""
    for one in devices:
        if str(getattr(getattr(one, "backing", None), "diskMode", "")).startswith("independent"):
            yield f"its {label(one)} is independent, and would not fit the memory any more"


def label(device: Any) -> str:
    """Return what vSphere calls a device."""
    return device.deviceInfo.label if device.deviceInfo else f"device {device.key}"


def check_name(name: str) -> None:
    """Raise InvalidOption for a name that vSphere does not take."""
    if len(escaped(name)) > NAME_LENGTH:
        counted = "" if escaped(name) == name else ", where %, / and \\ count three times"
        raise InvalidOption(f"snapshot {name!r}: vSphere takes names of up to {NAME_LENGTH} characters{counted}")


def kinds(vm: Vm) -> list[SnapshotKind]:
    """Return the ways for a VM as it is; all of them can be gone back to."""

    def kind(consistency: str, how: str, reason: str | None = None) -> SnapshotKind:
        limits = vm.limits or {}
        ruled_out = limits.get(Capability.CREATE_SNAPSHOT) or limits.get(f"{Capability.CREATE_SNAPSHOT} {how}")
        return SnapshotKind(consistency=consistency, how=how, refused=reason or ruled_out)

    if vm.state is PowerState.STOPPED:
        off = f"{vm.name} is stopped and has no memory to keep"
        return [kind("crash", DISKS), kind("filesystem", DISKS), kind("memory", WITH_MEMORY, off)]
    if vm.state is PowerState.RUNNING:
        return [kind("memory", WITH_MEMORY), kind("filesystem", QUIESCED), kind("crash", DISKS)]
    return [kind("memory", WITH_MEMORY)]  # of a suspended one: vSphere always keeps its saved memory


def refusal(capability: Capability, vm: Vm) -> str | None:
    """Return why no snapshot of a VM can be taken, or None; whatever is in a tree can be gone back to and deleted."""
    if capability is not Capability.CREATE_SNAPSHOT:
        return None
    every = [kind.refused for kind in kinds(vm)]
    reasons = dict.fromkeys(reason for reason in every if reason)
    return f"no snapshot of {vm.name} can be taken: {'; '.join(reasons)}" if all(every) else None


def take(vm: Any, name: str, description: str, how: str) -> Any:
    """Begin to take a snapshot.

    vSphere ignores `quiesce` where there are no Tools, and `memory` where the VM is off, so both were ruled out before.
    """
    return vm.CreateSnapshot_Task(
        name=escaped(name), description=description, memory=how == WITH_MEMORY, quiesce=how == QUIESCED
    )
