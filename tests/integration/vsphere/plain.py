# SPDX-License-Identifier: GPL-3.0-or-later
"""pyvmomi and nothing else: what the tests of the simulator itself talk to it with."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import SoapStubAdapter

from tests.lab.vsphere.server import Simulator


@contextmanager
def connected(sim: Simulator, user: str | None = None, password: str | None = None) -> Iterator[Any]:
    """A verified connection; yields the ServiceContent. SmartConnect would leave sockets open when it fails."""
    stub = SoapStubAdapter(
        host=sim.address,
        port=sim.port,
        version="vim.version.v8_0_3_0",
        sslContext=ssl.create_default_context(cafile=str(sim.ca_path)),
        httpConnectionTimeout=10,
    )
    try:
        content: Any = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
        content.sessionManager.Login(user or sim.username, password or sim.password)
        try:
            yield content
        finally:
            with suppress(vim.fault.NotAuthenticated):
                content.sessionManager.Logout()
    finally:
        stub.DropConnections()


def everything(content: Any, kind: Any) -> dict[str, Any]:
    """Find all objects of a kind by name."""
    view = content.viewManager.CreateContainerView(content.rootFolder, [kind], recursive=True)
    found = {entity.name: entity for entity in view.view}
    view.Destroy()
    return found


def fails(task: Any) -> str:
    """Wait for a task, and name its fault; empty if it succeeds."""
    try:
        WaitForTask(task)
    except vmodl.MethodFault as fault:
        return type(fault).__name__.rpartition(".")[2]
    return ""


def new_vm(name: str, **spec: Any) -> Any:
    """Describe a small VM on the first datastore."""
    files = vim.vm.FileInfo(vmPathName="[LocalDS_0]")
    return vim.vm.ConfigSpec(
        **{"name": name, "files": files, "guestId": "otherGuest", "memoryMB": 64, "numCPUs": 1, **spec}
    )


def added(device: Any) -> Any:
    """Add a device."""
    return vim.vm.device.VirtualDeviceSpec(operation="add", device=device)


def controller() -> Any:
    """Describe a SCSI controller."""
    return vim.vm.device.ParaVirtualSCSIController(key=-1, busNumber=0, sharedBus="noSharing")


def disk_at(path: str) -> Any:
    """Describe a disk that exists already."""
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=path, diskMode="persistent")
    return vim.vm.device.VirtualDisk(key=-2, controllerKey=-1, unitNumber=0, backing=backing)
