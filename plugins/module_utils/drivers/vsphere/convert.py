# SPDX-License-Identifier: GPL-3.0-or-later
"""vSphere's words into ours: pure functions over rows of properties."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...driver import Capability
from ...model import Address, Config, Guest, PowerState, Snapshot, Vm
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

CONFIG = (
    "config.guestId",
    "config.annotation",
    "config.firmware",
    "config.bootOptions.efiSecureBootEnabled",
    "config.version",
)
TOOLS = "guest.toolsRunningStatus"
GUEST = ("runtime.powerState", TOOLS, "guest.hostName", "guest.guestFullName", "guest.ipAddress", "guest.net")
LIMITS = ("runtime.powerState", TOOLS)
BELONGINGS = ("runtime.powerState", "config.firmware")


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


def config(row: Row) -> Config:
    """Return what the configuration says beyond sizes and devices."""
    return Config(
        guest_os=row.get("config.guestId") or None,
        notes=row.get("config.annotation") or "",
        firmware="uefi" if row.get("config.firmware") == "efi" else "bios",
        secure_boot=bool(row.get("config.bootOptions.efiSecureBootEnabled")),
        hardware=row.get("config.version"),
    )


def guest(row: Row) -> Guest:
    """Return what VMware Tools told; of a VM that does not run vSphere may still have what they told last."""
    if row.get("runtime.powerState") != "poweredOn":
        return Guest(reachable=False)
    return Guest(
        reachable=deaf(row) is None,
        hostname=row.get("guest.hostName") or None,
        os=row.get("guest.guestFullName") or None,
        addresses=addresses(row),
    )


def addresses(row: Row) -> tuple[Address, ...]:
    """Return the guest's addresses by NIC; Tools never tell what the guest calls a NIC."""
    found = [
        Address(address=address, mac=nic.macAddress.lower() if nic.macAddress else None)
        for nic in row.get("guest.net") or ()
        for address in nic.ipAddress or ()
    ]
    main = row.get("guest.ipAddress")
    return tuple(found) or ((Address(address=main),) if main else ())


def deaf(row: Row) -> str | None:
    """Return why the guest of a running VM cannot be asked, or None."""
    return None if row.get(TOOLS) == "guestToolsRunning" else "VMware Tools do not run in it"


def limits(row: Row) -> dict[str, str]:
    """Return, by capability, why this VM cannot; whether a guest can be asked is known only while it runs."""
    reason = deaf(row) if row.get("runtime.powerState") == "poweredOn" else None
    return {Capability.SHUTDOWN.value: reason} if reason else {}


def belongings(row: Row, snapshots: Collection[Snapshot]) -> dict[str, tuple[str, ...]]:
    """Return what is of no use without the VM, by the words of `remove`."""
    names = tuple(one.name for root in snapshots for one in root.walk())
    saved = ("its memory",) if row.get("runtime.powerState") == "suspended" else ()
    settings = ("the settings of its firmware",) if row.get("config.firmware") == "efi" else ()
    found = {"snapshots": names, "saved_state": saved, "nvram": settings}
    return {kind: what for kind, what in found.items() if what}


def attributes(row: Row, names: Mapping[int, str]) -> dict[str, list[str]]:
    """Return a VM's custom attributes by their names; an empty one counts as not set."""
    values: list[Any] = row.get("customValue") or []
    return {names[one.key]: [one.value] for one in values if one.key in names and getattr(one, "value", None)}
