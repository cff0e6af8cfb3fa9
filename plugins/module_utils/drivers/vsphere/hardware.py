# SPDX-License-Identifier: GPL-3.0-or-later
"""Our specification into vSphere's words: the ConfigSpec of a new VM, its controllers, disks and NICs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import CapacityExceeded, InvalidOption
from ...model import DiskSpec, NicSpec, VmSpec, Volume

MIB = 1024 * 1024
KIB = 1024
GUEST_OS = "otherGuest64"
CONTROLLER_KINDS = {
    "virtio": "ParaVirtualSCSIController",
    "scsi": "VirtualLsiLogicSASController",
    "sata": "VirtualAHCIController",
}
# "Virtual Machine Maximums" in VMware Configuration Maximums; unit 7 of a SCSI bus is the controller itself
SCSI_UNITS = tuple(unit for unit in range(16) if unit != 7)  # noqa: PLR2004
SATA_UNITS = tuple(range(30))
CONTROLLERS = 4
NICS = 10
NIC_KINDS = {"virtio": "VirtualVmxnet3", "e1000e": "VirtualE1000e"}  # what is paravirtual here is VMware's own
FIRST_CONTROLLER, FIRST_DISK, FIRST_NIC = -1000, -2000, -4000  # keys of devices that are not there yet are negative


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDisk:
    """A disk to make: `image` is the datastore path that it is a copy of, `slot` its controller and unit there."""

    volume: Volume
    datastore: str
    bus: str
    slot: tuple[int, int]
    thick: bool = False
    image: str | None = None
    image_datacenter: str | None = None
    image_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNic:
    """A NIC to plug into a standard network by name and id, or into the port group of a distributed switch."""

    model: str
    mac: str | None
    network: str
    network_id: str
    group: tuple[str, str] | None = None  # key of the port group, uuid of the switch


def bus_of(disk: DiskSpec) -> str:
    """Return the bus of a disk; the paravirtual one where the task leaves it open."""
    return "virtio" if disk.bus in (None, "auto") else str(disk.bus)


def model_of(nic: NicSpec) -> str:
    """Return the model of a NIC; the paravirtual one where the task leaves it open."""
    return "virtio" if nic.model in (None, "auto") else str(nic.model)


def slots(buses: Sequence[str]) -> list[tuple[int, int]]:
    """Return number of controller and unit for each disk; both kinds of SCSI controllers are numbered together.

    Raises InvalidOption where vSphere would list the disks in another order, and CapacityExceeded where the
    controllers do not hold so many.
    """
    kinds = list(dict.fromkeys(buses))
    if [bus for kind in kinds for bus in buses if bus == kind] != list(buses) or "sata" in kinds[:-1]:
        raise InvalidOption("vSphere keeps disks of one bus together, and lists those on sata last; list them so")
    found, first = [], 0
    for kind in kinds:
        units, first = (SATA_UNITS, 0) if kind == "sata" else (SCSI_UNITS, first)
        count = buses.count(kind)
        found += [(first + number // len(units), units[number % len(units)]) for number in range(count)]
        first = found[-1][0] + 1
        if first > CONTROLLERS:
            room = f"{CONTROLLERS} controllers for {len(units)} disks each"
            raise CapacityExceeded(f"a VM of vSphere has {room}, and no room for {count} on {kind}")
    return found


def new_vm(vim: Any, spec: VmSpec, datastore: str, disks: Sequence[NewDisk], nics: Sequence[NewNic]) -> Any:
    """Return the ConfigSpec of a new VM whose files go to a datastore."""
    config = settings(vim, spec)
    config.name = spec.name
    config.guestId = spec.guest_os or GUEST_OS
    config.firmware = "efi" if spec.firmware == "uefi" else "bios"
    if spec.secure_boot is not None:
        config.bootOptions = vim.vm.BootOptions(efiSecureBootEnabled=spec.secure_boot)
    config.files = vim.vm.FileInfo(vmPathName=f"[{datastore}]")  # vSphere makes a folder of the VM's name there
    config.deviceChange = [*disk_changes(vim, disks), *added(vim, nic_devices(vim, nics))]
    return config


def settings(vim: Any, spec: VmSpec) -> Any:
    """Return a ConfigSpec of what is specified beside devices."""
    config = vim.vm.ConfigSpec()
    config.numCPUs = spec.cpus
    config.memoryMB = None if spec.memory_bytes is None else spec.memory_bytes // MIB
    config.annotation = spec.notes
    return config


def disk_changes(vim: Any, disks: Sequence[NewDisk], files: Sequence[str | None] = ()) -> list[Any]:
    """Return what adds disks and their controllers; `files` are those that are there already, None for a new one."""
    numbers = list(dict.fromkeys((disk.bus, disk.slot[0]) for disk in disks))
    keys = {number: FIRST_CONTROLLER - place for place, number in enumerate(numbers)}
    changes = added(vim, [controller(vim, bus, keys[bus, number], number) for bus, number in numbers])
    for place, disk in enumerate(disks):
        file = files[place] if files else None
        change = vim.vm.device.VirtualDeviceSpec(operation="add")
        if file is None:
            change.fileOperation = "create"
        change.device = disk_device(vim, disk, FIRST_DISK - place, keys[disk.bus, disk.slot[0]], file)
        changes.append(change)
    return changes


def controller(vim: Any, bus: str, key: int, number: int) -> Any:
    """Return a controller of disks."""
    made = getattr(vim.vm.device, CONTROLLER_KINDS[bus])(key=key, busNumber=number)
    if bus != "sata":
        made.sharedBus = "noSharing"
    return made


def disk_device(vim: Any, disk: NewDisk, key: int, controller_key: int, file: str | None) -> Any:
    """Return a disk; vSphere names the file of a new one after the VM, in the VM's folder of that datastore."""
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName=file or f"[{disk.volume.storage}]",
        datastore=vim.Datastore(disk.datastore),
        diskMode="persistent",
        thinProvisioned=None if file else not disk.thick,
    )
    size = int(disk.volume.size_bytes or 0)
    return vim.vm.device.VirtualDisk(
        key=key,
        controllerKey=controller_key,
        unitNumber=disk.slot[1],
        capacityInKB=size // KIB,
        capacityInBytes=size,
        backing=backing,
    )


def nic_devices(vim: Any, nics: Sequence[NewNic]) -> list[Any]:
    """Return NICs that are connected when the VM starts."""
    return [nic_device(vim, nic, FIRST_NIC - place) for place, nic in enumerate(nics)]


def nic_device(vim: Any, nic: NewNic, key: int) -> Any:
    """Return one NIC."""
    device = getattr(vim.vm.device, NIC_KINDS[nic.model])(key=key, wakeOnLanEnabled=True)
    device.addressType = "manual" if nic.mac else "generated"
    device.macAddress = nic.mac
    device.connectable = vim.vm.device.VirtualDevice.ConnectInfo(
        startConnected=True, allowGuestControl=True, connected=False
    )
    card = vim.vm.device.VirtualEthernetCard
    if nic.group:
        key_of_group, switch = nic.group
        port = vim.dvs.PortConnection(portgroupKey=key_of_group, switchUuid=switch)
        device.backing = card.DistributedVirtualPortBackingInfo(port=port)
    else:
        device.backing = card.NetworkBackingInfo(deviceName=nic.network, network=vim.Network(nic.network_id))
    return device


def added(vim: Any, devices: Iterable[Any]) -> list[Any]:
    """Return what adds these devices."""
    return [vim.vm.device.VirtualDeviceSpec(operation="add", device=device) for device in devices]
