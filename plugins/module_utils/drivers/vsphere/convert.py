# SPDX-License-Identifier: GPL-3.0-or-later
"""vSphere's words into ours: pure functions over rows of properties."""

from __future__ import annotations

from ...model import PowerState, Vm
from .places import Places, unescaped, vm_host
from .properties import Row

MIB = 1024**2
STATES = {
    "poweredOn": PowerState.RUNNING,
    "poweredOff": PowerState.STOPPED,
    "suspended": PowerState.SUSPENDED,
}
# VirtualMachine.ConnectionState: whatever is not `connected` cannot be worked with
UNCONNECTED = {
    "disconnected": "its host is disconnected",
    "orphaned": "vCenter knows it, but its host does not",
    "inaccessible": "its files cannot be reached",
    "invalid": "its configuration cannot be read",
}
STATE = ("runtime.powerState", "runtime.connectionState", "config.instanceUuid")
BASE = (
    *STATE,
    "name",
    "parent",
    "parentVApp",
    "resourcePool",
    "runtime.host",
    "runtime.question",
    "runtime.consolidationNeeded",
    "summary.config.instanceUuid",
    "summary.config.template",
    "summary.config.numCpu",
    "summary.config.memorySizeMB",
)


def base(thing: str, row: Row, places: Places, endpoint: str) -> Vm:
    """Return a VM with its base fields; `endpoint` stands in for a host that vSphere does not tell."""
    folder, path = places.vm_places(row)
    memory_mib = row.get("summary.config.memorySizeMB")
    return Vm(
        name=unescaped(row.get("name") or thing),
        id=thing,
        uuid=uuid_of(thing, row),
        state=power_state(row),
        state_reason=state_reason(row),
        host=vm_host(row, places, endpoint),
        path=path,
        cluster=places.cluster(row.get("runtime.host")),
        folder=folder,
        pool=places.pool(row.get("resourcePool")),
        template=bool(row.get("summary.config.template")),
        cpus=row.get("summary.config.numCpu"),
        memory_bytes=None if memory_mib is None else memory_mib * MIB,
    )


def uuid_of(thing: str, row: Row) -> str:
    """Return the uuid that is unique in a vCenter; a VM whose configuration cannot be read has only its id."""
    found = row.get("config.instanceUuid") or row.get("summary.config.instanceUuid") or thing
    return str(found).lower()


def unusable(row: Row) -> str | None:
    """Return why nothing can be done with a VM, or None."""
    connection = row.get("runtime.connectionState")
    if connection != "connected":
        return UNCONNECTED.get(connection or "", "vSphere does not tell its state")
    if not row.get("config.instanceUuid"):
        return "it is still being created, or its configuration cannot be read"
    return None


def power_state(row: Row) -> PowerState:
    """Return the state of a VM: unknown, if nothing can be done with it."""
    return PowerState.UNKNOWN if unusable(row) else STATES.get(row.get("runtime.powerState", ""), PowerState.UNKNOWN)


def state_reason(row: Row) -> str | None:
    """Return what is worth knowing of a state: why it is unknown, or what somebody has to do for the VM."""
    question = row.get("runtime.question")
    reasons = [
        unusable(row),
        f"waits for an answer to: {question.text}" if question else None,
        "its disks need consolidation" if row.get("runtime.consolidationNeeded") else None,
    ]
    return "; ".join(filter(None, reasons)) or None
