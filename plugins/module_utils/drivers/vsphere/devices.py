# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks and NICs of a VM, of its `config.hardware.device`; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...model import Disk, Nic
from .places import unescaped
from .properties import Row, Rows, id_of, kind_of

PATHS = ("config.hardware.device",)
# What names a network: a NIC says the key of its port group, or the id of its opaque network.
NETWORK_PATHS: Mapping[str, tuple[str, ...]] = {
    "Network": ("name",),
    "DistributedVirtualPortgroup": ("name", "key"),
    "OpaqueNetwork": ("name", "summary"),
}
# The paravirtual devices of vSphere are what the contract calls virtio everywhere.
BUSES = {
    "ParaVirtualSCSIController": "virtio",
    "VirtualAHCIController": "sata",
    "VirtualBusLogicController": "scsi",
    "VirtualIDEController": "ide",
    "VirtualLsiLogicController": "scsi",
    "VirtualLsiLogicSASController": "scsi",
    "VirtualNVMEController": "nvme",
    "VirtualSIOController": "fdc",
    "VirtualUSBController": "usb",
    "VirtualUSBXHCIController": "usb",
}
MODELS = {"VirtualVmxnet3": "virtio"}
DRIVES = {"VirtualDisk": "disk", "VirtualCdrom": "cdrom", "VirtualFloppy": "floppy"}
KIB = 1024
FILE = re.compile(r"\[(?P<storage>[^]]*)\] ?(?P<volume>.*)", re.DOTALL)


def devices_of(row: Row) -> list[Any]:
    """Return the devices of a VM; none where its configuration cannot be read."""
    return list(row.get("config.hardware.device") or ())


def drives_of(row: Row) -> list[Any]:
    """Return the devices that are drives."""
    return [one for one in devices_of(row) if kind_of(one) in DRIVES]


def is_own(drive: Any) -> bool:
    """Say whether a drive is a disk of the VM's own; a medium goes in and out."""
    return kind_of(drive) == "VirtualDisk"


def disks(row: Row) -> tuple[Disk, ...]:
    """Return the drives of a VM in their order."""
    controllers = {one.key: one for one in devices_of(row) if kind_of(one) in BUSES}
    return tuple(drive(one, controllers.get(one.controllerKey)) for one in drives_of(row))


def drive(device: Any, controller: Any) -> Disk:
    """Return one drive; of a raw device, a `lun`, the volume is the file that maps it."""
    kind, backing = DRIVES[kind_of(device)], device.backing
    storage, volume = place_of(getattr(backing, "fileName", None) or getattr(backing, "deviceName", None))
    thin = getattr(backing, "thinProvisioned", None)
    return Disk(
        volume=volume,
        storage=storage,
        size_bytes=size_of(device),
        bus=BUSES.get(kind_of(controller), "auto"),
        provisioning=None if thin is None else "thin" if thin else "thick",
        device="lun" if "RawDisk" in kind_of(backing) else kind,
        shared=getattr(backing, "sharing", None) == "sharingMultiWriter"
        or getattr(controller, "sharedBus", None) in ("physicalSharing", "virtualSharing"),
        read_only=kind == "cdrom",
    )


def size_of(device: Any) -> int | None:
    """Return the size of a disk; of a medium vSphere tells none."""
    if (size := getattr(device, "capacityInBytes", None)) is not None:
        return int(size)
    kib = getattr(device, "capacityInKB", None)
    return None if kib is None else int(kib) * KIB


def place_of(file: str | None) -> tuple[str | None, str | None]:
    """Return storage and volume of a path such as `[datastore1] web1/web1.vmdk`; else no storage and the path."""
    found = FILE.fullmatch(file or "")
    return (found["storage"] or None, found["volume"]) if found else (None, file or None)


def told(file: str) -> str:
    """Return a path such as `[datastore1] web1/web1.vmdk` as results name what is left behind."""
    return "/".join(filter(None, place_of(file)))


def chain(drive: Any) -> Iterator[str]:
    """Yield the files that a drive is made of: its own, and all that it builds on."""
    backing = drive.backing
    while backing is not None:
        if name := getattr(backing, "fileName", None):
            yield name
        backing = getattr(backing, "parent", None)


class Networks:
    """The names of the networks that NICs are plugged into."""

    def __init__(self, rows: Rows) -> None:
        self._by_id = {thing: row for kind in NETWORK_PATHS for thing, row in rows.get(kind, {}).items()}
        groups = rows.get("DistributedVirtualPortgroup", {}).values()
        opaque = rows.get("OpaqueNetwork", {}).values()
        self._by_key = {row["key"]: row for row in groups if "key" in row}
        self._by_key |= {row["summary"].opaqueNetworkId: row for row in opaque if "summary" in row}

    def nics(self, row: Row) -> tuple[Nic, ...]:
        """Return the NICs of a VM in their order."""
        return tuple(self._nic(one) for one in devices_of(row) if hasattr(one, "macAddress"))

    def _nic(self, device: Any) -> Nic:
        mac = device.macAddress
        kind = kind_of(device)
        model = MODELS.get(kind, kind.removeprefix("Virtual").lower())
        return Nic(network=self._network(device.backing), mac=mac and mac.lower(), model=model)

    def _network(self, backing: Any) -> str | None:
        """Return the name of what a NIC is plugged into; its key where the account may not see it."""
        network, port = getattr(backing, "network", None), getattr(backing, "port", None)
        key = getattr(port, "portgroupKey", None) or getattr(backing, "opaqueNetworkId", None)
        row = self._by_id.get(id_of(network), {}) if network is not None else self._by_key.get(key, {})
        name = row.get("name") or getattr(backing, "deviceName", None)
        return unescaped(name) if name else key
