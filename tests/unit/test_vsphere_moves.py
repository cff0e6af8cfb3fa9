# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of vSphere's that keep a VM on its host."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.obstacles import bound_to_host
from pyVmomi import vim

device = vim.vm.device
SEEN = ["datastore-1"]


def iso(datastore: str) -> Any:
    """Return what is in a drive."""
    file = f"[{datastore}] cd.iso"
    return device.VirtualCdrom.IsoBackingInfo(fileName=file, datastore=vim.Datastore(datastore))


def plugged(kind: Any, backing: Any, *, connected: bool = True) -> Any:
    """Return a device with a label, in use or not."""
    inserted = device.VirtualDevice.ConnectInfo(connected=connected, startConnected=True, allowGuestControl=True)
    return kind(key=1, backing=backing, connectable=inserted, deviceInfo=vim.Description(label="It", summary=""))


DRIVE = device.VirtualCdrom.AtapiBackingInfo(deviceName="/dev/sr0")
CLIENT = device.VirtualCdrom.RemoteAtapiBackingInfo(deviceName="")
LAN = device.VirtualEthernetCard.NetworkBackingInfo(deviceName="lan")
SERIAL = device.VirtualSerialPort.DeviceBackingInfo(deviceName="/dev/ttyS0")
STICK = device.VirtualUSB.USBBackingInfo(deviceName="path:1/2")
DISK = device.VirtualDisk.FlatVer2BackingInfo(fileName="[datastore-2] a.vmdk", diskMode="persistent")
CARD = device.VirtualPCIPassthrough.DeviceBackingInfo(
    id="0000:01:00.0", deviceId="1", systemId="host", vendorId=1, deviceName="a graphics card"
)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (plugged(device.VirtualCdrom, DRIVE), ["/dev/sr0 of its host"]),
        (plugged(device.VirtualCdrom, DRIVE, connected=False), []),
        (plugged(device.VirtualCdrom, CLIENT), []),
        (plugged(device.VirtualCdrom, iso("datastore-1")), []),
        (plugged(device.VirtualCdrom, iso("datastore-2")), ["cd.iso, which the target does not reach"]),
        (plugged(device.VirtualSerialPort, SERIAL), ["/dev/ttyS0 of its host"]),
        (plugged(device.VirtualVmxnet3, LAN), []),
        (plugged(device.VirtualUSB, STICK), []),
        (device.VirtualDisk(key=1, backing=DISK, capacityInKB=1), []),
        (device.VirtualPCIPassthrough(key=1, backing=CARD), ["a device of its host"]),
    ],
    ids=lambda value: type(value.backing).__name__ if hasattr(value, "backing") else str(len(value)),
)
def test_devices_that_stay(one: Any, words: list[str]) -> None:
    found = list(bound_to_host(one, SEEN))
    assert len(found) == len(words)
    assert all(word in said for word, said in zip(words, found, strict=True)), found
