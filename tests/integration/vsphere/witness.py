# SPDX-License-Identifier: GPL-3.0-or-later
"""What is true at a simulator, and somebody else who changes it: pyvmomi without the collection, a login each time."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from tests.lab.vsphere.server import Simulator

LOOK = ["name", "runtime.powerState", "snapshot", "parent", "config.files.vmPathName"]
Collector = vmodl.query.PropertyCollector


class Witness:
    """Logs in for each question and out again, so that a count of sessions does not show it."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A connection of our own; yields the ServiceContent."""
        context = ssl.create_default_context(cafile=str(self.sim.ca_path))
        instance = SmartConnect(
            host=self.sim.address, port=self.sim.port, user=self.sim.username, pwd=self.sim.password, sslContext=context
        )
        try:
            yield instance.RetrieveContent()
        finally:
            Disconnect(instance)

    def picture(self) -> dict[str, dict[str, str]]:
        """Return what refused tasks leave as it was, by id: names, power states, snapshots, folders and files."""
        with self.connected() as content:
            return {vm: {path: str(value) for path, value in row.items()} for vm, row in rows(content).items()}

    def states(self) -> dict[str, str]:
        """Return each VM's power state by its name."""
        return {row["name"]: row["runtime.powerState"] for row in self.picture().values()}

    @contextmanager
    def vm(self, name: str) -> Iterator[Any]:
        """The VM of this name, to be changed."""
        with self.connected() as content:
            (found,) = (vm for vm, row in rows(content).items() if row["name"] == name)
            yield vim.VirtualMachine(found, content.rootFolder._stub)  # noqa: SLF001 - pyvmomi has no other name for it

    def hears(self, name: str) -> bool:
        """Say whether VMware Tools run in a VM."""
        with self.vm(name) as vm:
            return bool(vm.guest.toolsRunningStatus == "guestToolsRunning")

    def rename(self, name: str, new: str) -> None:
        """Give a VM another name."""
        with self.vm(name) as vm:
            WaitForTask(vm.Rename_Task(new))

    def remove(self, name: str) -> None:
        """Take a stopped VM away."""
        with self.vm(name) as vm:
            WaitForTask(vm.Destroy_Task())


def rows(content: Any) -> dict[str, dict[str, Any]]:
    """Read all VMs, by id."""
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], recursive=True)
    step = Collector.TraversalSpec(name="all", type=vim.view.ContainerView, path="view", skip=False)
    question = Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=view, selectSet=[step], skip=True)],
        propSet=[Collector.PropertySpec(type=vim.VirtualMachine, pathSet=LOOK)],
    )
    found = content.propertyCollector.RetrieveContents([question])
    return {one.obj._moId: {each.name: each.val for each in one.propSet} for one in found}  # noqa: SLF001
