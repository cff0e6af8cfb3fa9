# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator itself: it does what vSphere's documentation says, and refuses what that says it refuses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from tests.integration.vsphere.plain import added, connected, controller, disk_at, everything, fails, new_vm
from tests.lab.commands import wait_until
from tests.lab.vsphere.server import Layout, Simulator

CLUSTERED, ALONE = "DC0_C0_RP0_VM0", "DC0_H0_VM0"
TOOLS = "guestToolsRunning"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator.start(Layout(vms=1, datastores=2, local_datastores=True)) as started:
        yield started


@pytest.fixture
def content(sim: Simulator) -> Iterator[Any]:
    with connected(sim) as found:
        yield found


@pytest.fixture
def vm(content: Any) -> Any:
    return everything(content, vim.VirtualMachine)[CLUSTERED]


def test_power_goes_from_state_to_state(vm: Any) -> None:
    assert fails(vm.PowerOff()) == fails(vm.Suspend()) == fails(vm.Reset()) == "InvalidPowerState"
    assert fails(vm.PowerOn()) == fails(vm.Reset()) == fails(vm.Suspend()) == ""
    assert vm.runtime.powerState == "suspended"
    assert fails(vm.Reset()) == fails(vm.Suspend()) == "InvalidPowerState"
    assert fails(vm.PowerOn()) == ""
    assert fails(vm.PowerOn()) == "InvalidPowerState"


def test_a_guest_comes_and_goes(sim: Simulator, vm: Any) -> None:
    WaitForTask(vm.PowerOn())
    with pytest.raises(vim.fault.ToolsUnavailable):
        vm.ShutdownGuest()
    sim.control.guest(CLUSTERED, "tools")
    wait_until(lambda: vm.guest.toolsRunningStatus == TOOLS, "Tools")
    assert vm.guest.ipAddress in vm.guest.net[0].ipAddress
    assert vm.guest.hostName
    vm.ShutdownGuest()
    wait_until(lambda: vm.runtime.powerState == "poweredOff", "shutdown")
    assert not vm.guest.ipAddress
    assert vm.guest.net == []
    with pytest.raises(vim.fault.InvalidPowerState):
        vm.ShutdownGuest()


def test_a_deaf_guest_never_shuts_down(sim: Simulator, vm: Any) -> None:
    sim.control.guest(CLUSTERED, "deaf")
    WaitForTask(vm.PowerOn())
    wait_until(lambda: vm.guest.toolsRunningStatus == TOOLS, "Tools")
    vm.ShutdownGuest()
    time.sleep(0.3)
    assert vm.runtime.powerState == "poweredOn"


def test_snapshots_make_a_tree_and_bring_back_what_was(vm: Any) -> None:
    def take(*, memory: bool = False) -> Any:
        return WaitForTask(vm.CreateSnapshot("same", None, memory, quiesce=False)) and vm.snapshot.currentSnapshot

    first = take()
    WaitForTask(vm.Reconfigure(vim.vm.ConfigSpec(numCPUs=2)))
    WaitForTask(vm.PowerOn())
    second = take(memory=True)
    WaitForTask(first.Revert())
    assert (vm.config.hardware.numCPU, vm.runtime.powerState) == (1, "poweredOff")
    third = take()
    tree = vm.snapshot.rootSnapshotList[0]
    assert [node.snapshot for node in tree.childSnapshotList] == [second, third]
    WaitForTask(second.Revert())
    assert (vm.config.hardware.numCPU, vm.runtime.powerState) == (2, "poweredOn")
    second.Rename("other", None)
    assert [node.name for node in vm.snapshot.rootSnapshotList[0].childSnapshotList] == ["other", "same"]
    below = take()
    WaitForTask(second.Remove(removeChildren=True))
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        below.config  # noqa: B018
    assert vm.snapshot.currentSnapshot == first
    WaitForTask(vm.RemoveAllSnapshots())
    assert vm.snapshot is None
    with pytest.raises(vim.fault.NotFound):
        vm.RevertToCurrentSnapshot()


def test_snapshots_are_refused_with_a_reason(vm: Any) -> None:
    assert fails(vm.CreateSnapshot("", None, memory=False, quiesce=False)) == "InvalidName"
    WaitForTask(vm.PowerOn())
    assert fails(vm.CreateSnapshot("s", None, memory=False, quiesce=True)) == "FilesystemQuiesceFault"


def test_one_task_at_a_time_and_it_can_be_cancelled(sim: Simulator, vm: Any) -> None:
    sim.control.delays(task_seconds=5)
    first = vm.PowerOn()
    wait_until(lambda: first.info.progress is not None, "progress")
    assert fails(vm.PowerOff()) == "TaskInProgress"
    first.Cancel()
    assert fails(first) == "RequestCanceled"
    assert vm.runtime.powerState == "poweredOff"
    with pytest.raises(vim.fault.InvalidState):
        first.Cancel()


def test_a_question_holds_the_vm(sim: Simulator, vm: Any) -> None:
    asks = vim.option.OptionValue(key="lab.question", value="moved or copied?")
    WaitForTask(vm.Reconfigure(vim.vm.ConfigSpec(extraConfig=[asks])))
    task = vm.PowerOn()
    wait_until(lambda: vm.runtime.question is not None, "question")
    with pytest.raises(vmodl.fault.InvalidArgument):
        vm.Answer("another", "ok")
    assert task.info.state == "running"
    vm.Answer(vm.runtime.question.id, "ok")
    assert fails(task) == ""
    sim.control.question(CLUSTERED, "and now?")
    assert fails(vm.PowerOff()) == "QuestionPending"


def test_vms_move_where_they_can(sim: Simulator, content: Any, vm: Any) -> None:
    hosts, stores = everything(content, vim.HostSystem), everything(content, vim.Datastore)
    here = vm.runtime.host
    there = next(host for host in hosts.values() if host.parent == here.parent and host != here)
    assert fails(vm.Migrate(None, there, "defaultPriority", None)) == ""
    assert (vm.runtime.host, vm in there.vm, vm in here.vm) == (there, True, False)
    alone = hosts["DC0_H0"]
    assert fails(vm.Migrate(None, alone, "defaultPriority", None)) == "InvalidArgument"
    checking = content.vmProvisioningChecker.CheckMigrate_Task(vm, alone, None, None, None)
    WaitForTask(checking)
    (check,) = checking.info.result
    assert [type(error) for error in check.error] == [vmodl.fault.InvalidArgument]
    local = vim.vm.RelocateSpec(datastore=stores["DC0_H0_local"])
    assert fails(vm.Relocate(local)) == "CannotAccessVmDisk"
    local.host, local.pool = alone, alone.parent.resourcePool
    assert fails(vm.Relocate(local)) == ""
    assert (vm.runtime.host, vm.datastore, vm.resourcePool) == (alone, [local.datastore], local.pool)
    sim.control.maintenance(there.name, on=True)
    assert fails(vm.Migrate(there.parent.resourcePool, there, "defaultPriority", None)) == "InvalidHostState"


def test_a_vm_made_of_the_image_is_a_guest_and_so_are_its_clones(content: Any, vm: Any) -> None:
    datacenter, pool = content.rootFolder.childEntity[0], vm.resourcePool
    disks, folder = content.virtualDiskManager, datacenter.vmFolder
    content.fileManager.MakeDirectory("[LocalDS_0] made", datacenter, createParentDirectories=True)
    path = "[LocalDS_0] made/disk.vmdk"
    WaitForTask(disks.CopyVirtualDisk_Task("[LocalDS_0] images/guest.vmdk", datacenter, path, datacenter))
    devices = [added(controller()), added(disk_at(path))]
    WaitForTask(folder.CreateVM_Task(new_vm("made", deviceChange=devices), pool))
    made = everything(content, vim.VirtualMachine)["made"]
    capacities = [each.capacityInBytes for each in made.config.hardware.device if hasattr(each, "capacityInBytes")]
    assert capacities == [32 << 20]
    made.MarkAsTemplate()
    place = vim.vm.RelocateSpec(pool=pool)
    WaitForTask(made.Clone(folder, "copied", vim.vm.CloneSpec(location=place, powerOn=True, template=False)))
    copied = everything(content, vim.VirtualMachine)["copied"]
    wait_until(lambda: copied.guest.toolsRunningStatus == TOOLS, "Tools")


def test_provisioning_is_refused_with_a_reason(vm: Any) -> None:
    folder, pool = vm.parent, vm.resourcePool
    assert fails(folder.CreateVM_Task(new_vm(CLUSTERED), pool)) == "DuplicateName"
    assert fails(folder.CreateVM_Task(new_vm("new", guestId="nonsense"), pool)) == "InvalidArgument"
    assert fails(vm.Rename(ALONE)) == "DuplicateName"
    linked = vim.vm.RelocateSpec(pool=pool, diskMoveType="createNewChildDiskBacking")
    spec = vim.vm.CloneSpec(location=linked, powerOn=False, template=False)
    assert fails(vm.Clone(folder, "linked", spec)) == "InvalidArgument"
    WaitForTask(vm.PowerOn())
    assert fails(vm.Destroy()) == "InvalidPowerState"
    assert fails(vm.Reconfigure(vim.vm.ConfigSpec(numCPUs=4))) == "CpuHotPlugNotSupported"
    assert fails(vm.Reconfigure(vim.vm.ConfigSpec(annotation="x", changeVersion="old"))) == "ConcurrentAccess"
    assert fails(vm.Rename("renamed")) == ""
    assert (vm.name, vm.config.name) == ("renamed", "renamed")


def test_nonsense_does_not_end_it(sim: Simulator, vm: Any) -> None:
    folder, pool = vm.parent, vm.resourcePool
    nowhere = vim.vm.FileInfo(vmPathName="[nowhere]")
    assert fails(folder.CreateVM_Task(new_vm("new", files=nowhere), pool)) == "InvalidDatastorePath"
    gone = vim.HostSystem("host-0", vm._stub)  # noqa: SLF001
    spec = vim.vm.CloneSpec(location=vim.vm.RelocateSpec(host=gone), powerOn=False, template=False)
    assert fails(vm.Clone(folder, "clone", spec)) == "ManagedObjectNotFound"
    network = vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName="nowhere")
    card = added(vim.vm.device.VirtualVmxnet3(key=-1, backing=network))
    assert fails(vm.Reconfigure(vim.vm.ConfigSpec(deviceChange=[card]))) == "InvalidDeviceBacking"
    assert fails(vm.PowerOn()) == ""
    assert sim.process.poll() is None


def test_a_lost_host_takes_its_vms_with_it(sim: Simulator, vm: Any) -> None:
    sim.control.connect_host(vm.runtime.host.name, connected=False)
    assert vm.runtime.connectionState == "disconnected"
    assert fails(vm.PowerOn()) == "InvalidState"


def test_an_esx_host_refuses_what_needs_a_vcenter() -> None:
    with Simulator.start(Layout(esx=True, vms=1)) as sim, connected(sim) as content:
        assert content.about.apiType == "HostAgent"
        (vm,) = everything(content, vim.VirtualMachine).values()
        assert fails(vm.PowerOn()) == ""
        with pytest.raises(vmodl.fault.NotSupported):
            vm.Migrate(vm.resourcePool, vm.runtime.host, "defaultPriority", None)
        with pytest.raises(vmodl.fault.NotSupported):
            vm.Clone(
                vm.parent, "clone", vim.vm.CloneSpec(location=vim.vm.RelocateSpec(), powerOn=False, template=False)
            )
        with pytest.raises(vmodl.fault.NotSupported):
            vm.parent.CreateFolder("folder")
