# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes VMs and sees what is true with pyvmomi's plain objects, without a line of the driver under test."""

from __future__ import annotations

import ssl
import time
from typing import Any
from urllib.parse import quote, unquote, urlencode
from urllib.request import Request, urlopen

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

from tests.conformance.bed import Start
from tests.lab.vsphere.server import Simulator

STATES = {"poweredOn": "running", "poweredOff": "stopped", "suspended": "suspended"}
# What the lab plays inside a VM, see its guests: "deaf" has VMware Tools and never obeys.
GUESTS = {"empty": "deaf", "guest": "tools", "agent": "tools", "deaf": "none"}
SECONDS = 10


class Witness:
    """A login of its own at one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.trust = ssl.create_default_context(cafile=simulator.ca_path)
        self.connection = SmartConnect(
            host=simulator.address,
            port=simulator.port,
            user=simulator.username,
            pwd=simulator.password,
            sslContext=self.trust,
        )
        self.service = self.connection.RetrieveContent()
        (self.datacenter,) = self.service.rootFolder.childEntity
        self.place = self.datacenter.hostFolder.childEntity[0]
        self.host = self.place.host[0]

    def make(self, name: str, start: Start) -> None:
        """Make a VM with a disk and a NIC, and bring it into its state."""
        vm = done(
            self.datacenter.vmFolder.CreateVM_Task(self._definition(name, start), self.place.resourcePool, self.host)
        )
        if start.state != "stopped":
            done(vm.PowerOnVM_Task())
        if start.state != "stopped" and start.kind != "deaf":
            wait_for_tools(vm)
        for snapshot in start.snapshots:
            done(vm.CreateSnapshot_Task(snapshot, "", memory=start.state != "stopped", quiesce=False))
        if start.state == "suspended":
            done(vm.SuspendVM_Task())

    def _definition(self, name: str, start: Start) -> Any:
        device = vim.vm.device
        controller = device.ParaVirtualSCSIController(key=-1, busNumber=0, sharedBus="noSharing")
        disk = device.VirtualDisk(key=-2, controllerKey=-1, unitNumber=0, capacityInKB=10 * 1024)
        disk.backing = device.VirtualDisk.FlatVer2BackingInfo(fileName="", diskMode="persistent", thinProvisioned=True)
        nic = device.VirtualVmxnet3(key=-3, addressType="generated")
        nic.backing = device.VirtualEthernetCard.NetworkBackingInfo(deviceName="VM Network")
        changes = [
            device.VirtualDeviceSpec(operation="add", device=one, fileOperation="create" if one is disk else None)
            for one in (controller, disk, nic)
        ]
        return vim.vm.ConfigSpec(
            name=name,
            guestId="otherGuest64",
            numCPUs=1,
            memoryMB=32,
            files=vim.vm.FileInfo(vmPathName="[LocalDS_0]"),
            deviceChange=changes,
            extraConfig=[vim.option.OptionValue(key="lab.guest", value=GUESTS[start.kind])],
        )

    def find(self, name: str) -> Any:
        """Return a VM of this name, or None."""
        return self.service.searchIndex.FindChild(self.datacenter.vmFolder, name)

    def volumes(self) -> set[str]:
        """Return the names of all disks in all datastores."""
        wanted = vim.host.DatastoreBrowser.SearchSpec(matchPattern=["*.vmdk"])
        return {
            f"{folder.folderPath.partition(']')[2].strip(' /')}/{file.path}"
            for store in self.datacenter.datastore
            for folder in done(store.browser.SearchDatastoreSubFolders_Task(f"[{store.name}]", wanted))
            for file in folder.file
            if not file.path.endswith("-flat.vmdk")
        }

    def content(self, disk: str, new: bytes | None = None) -> bytes:
        """Return what is in a disk such as `[LocalDS_0] web1/web1.vmdk`, once the new content is written."""
        storage, _end, path = disk.lstrip("[").partition("] ")
        where = urlencode({"dcPath": self.datacenter.name, "dsName": storage})
        file = quote(path.removesuffix(".vmdk") + "-flat.vmdk")
        request = Request(
            f"https://{self.simulator.address}:{self.simulator.port}/folder/{file}?{where}",
            data=new,
            headers={"Cookie": self.connection._stub.cookie},  # noqa: SLF001 - pyvmomi has no other way to it
            method="GET" if new is None else "PUT",
        )
        with urlopen(request, context=self.trust) as answer:  # noqa: S310
            return bytes(answer.read())

    def define_labels(self) -> None:
        """Define what an administrator has to, before VMs can have labels."""
        govc = self.simulator.govc
        govc("tags.category.create", "-m", "role")
        for tag in ("web", "x"):
            govc("tags.create", "-c", "role", tag)
        for attribute in ("n", "tier"):
            self.service.customFieldsManager.AddCustomFieldDef(attribute, vim.VirtualMachine)

    def remove(self, vm: Any) -> None:
        """Remove a VM with all it has."""
        if vm.runtime.powerState != "poweredOff":
            done(vm.PowerOffVM_Task())
        done(vm.Destroy_Task())

    def close(self) -> None:
        """Log out, and end the simulator."""
        Disconnect(self.connection)
        self.simulator.stop()


def done(task: Any) -> Any:
    """Wait for a task and return its result; raises what it failed with."""
    while (info := task.info).state not in ("success", "error"):
        time.sleep(0.01)
    if info.error:
        raise info.error
    return info.result


def wait_for_tools(vm: Any) -> None:
    """Wait until the guest can be asked."""
    deadline = time.monotonic() + SECONDS
    while vm.guest.toolsRunningStatus != "guestToolsRunning":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def snapshot_paths(vm: Any) -> list[list[str]]:
    """Return the path of every snapshot, sorted."""

    def paths(trees: Any, above: list[str]) -> list[list[str]]:
        found = [([*above, unquote(one.name)], one.childSnapshotList) for one in trees]
        return [path for here, below in found for path in (here, *paths(below, here))]

    return sorted(paths(vm.snapshot.rootSnapshotList if vm.snapshot else (), []))


def first_disk(vm: Any) -> str:
    """Return the file of a VM's first disk."""
    disks: list[Any] = [one for one in vm.config.hardware.device if isinstance(one, vim.vm.device.VirtualDisk)]
    return str(disks[0].backing.fileName)
