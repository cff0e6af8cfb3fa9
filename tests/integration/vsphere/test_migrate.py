# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves within one datacenter: what changes, what does not, what it costs, and no second run does anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim

from tests.integration.bench import Result, steps_of
from tests.integration.vsphere.bench import OFF, ON, SAVED, Bench
from tests.integration.vsphere.whereabouts import Whereabouts, whereabouts
from tests.lab.vsphere.server import Layout

VM, PATH = "DC0_C0_RP1_VM0", "/DC0/vm/DC0_C0_RP1_VM0"
SHARED = "LocalDS_0"


@pytest.fixture
def layout() -> Layout:
    return Layout(vms=2, clusters=2, pools=2, datastores=2, local_datastores=True, on=True, guest="tools")


def at(bench: Bench, path: str = PATH) -> Whereabouts:
    """Say where the VM is."""
    return whereabouts(bench.sim.govc, path)


def moved(bench: Bench, **options: Any) -> Result:
    """Move a VM as check mode has said, and find nothing left to do."""
    bench.control.reset()
    before = bench.picture()
    planned = bench.run("vm_migrate", check_mode=True, **options)
    assert (bench.control.writes(), bench.picture()) == ({}, before)
    result = bench.run("vm_migrate", **options)
    assert (result.get("error"), result["changed"]) == (None, True), result
    assert steps_of(result) == [[("migrate", "done")]]
    assert [(vm["before"], vm["after"]) for vm in result["vms"]] == [
        (vm["before"], vm["after"]) for vm in planned["vms"]
    ]
    assert set(bench.control.writes()) <= {"RelocateVM_Task", "Rename_Task"}
    again = bench.run("vm_migrate", **options)
    assert (again.get("error"), again["changed"], steps_of(again)) == (None, False, [[]])
    return result


def add_disk(bench: Bench, storage: str) -> None:
    """Give the VM another disk."""
    disk = vim.vm.device.VirtualDisk(key=-1, capacityInKB=1024, unitNumber=1)
    disk.backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=f"[{storage}]", diskMode="persistent")
    with bench.witness.vm(VM) as vm:
        first = next(one for one in vm.config.hardware.device if isinstance(one, vim.vm.device.VirtualDisk))
        disk.controllerKey = first.controllerKey
        change = vim.vm.device.VirtualDeviceSpec(operation="add", fileOperation="create", device=disk)
        WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])))


def add_pool(bench: Bench, cluster: str, name: str) -> None:
    """Make a resource pool below the root pool of a cluster."""
    shares = vim.ResourceAllocationInfo(
        reservation=0, limit=-1, expandableReservation=True, shares=vim.SharesInfo(level="normal", shares=4000)
    )
    with bench.witness.connected() as content:
        found = content.searchIndex.FindByInventoryPath(f"/DC0/host/{cluster}")
        found.resourcePool.CreateResourcePool(
            name, vim.ResourceConfigSpec(cpuAllocation=shares, memoryAllocation=shares)
        )


@pytest.mark.parametrize("state", [ON, OFF, SAVED])
def test_to_another_host(bench: Bench, state: str) -> None:
    if state != ON:
        bench.sim.govc("vm.power", "-off" if state == OFF else "-suspend", PATH)
    before = at(bench)
    (vm,) = moved(bench, name=VM, target={"host": "DC0_C0_H1"})["vms"]
    assert at(bench) == replace(before, host="DC0_C0_H1", state=state)
    assert vm["steps"][0]["mode"] == ("live" if state == ON else "cold")
    assert (vm["steps"][0]["copied"], vm["steps"][0]["progress"]) == ([], {"percent": 100})


def test_to_where_somebody_else_has_moved_it(bench: Bench) -> None:
    bench.sim.govc("vm.migrate", "-host", "/DC0/host/DC0_C0/DC0_C0_H1", PATH)
    bench.control.end_sessions()  # this command of govc does not log out
    assert bench.run("vm_migrate", name=VM, target={"host": "DC0_C0_H1"})["changed"] is False
    moved(bench, name=VM, target={"host": "DC0_C0_H0"})
    assert at(bench).host == "DC0_C0_H0"


def test_disks_alone(bench: Bench) -> None:
    before = at(bench)
    (vm,) = moved(bench, name=VM, target={"storage": "LocalDS_1"})["vms"]
    after = tuple(f"[LocalDS_1] {VM}/{VM}.{kind}" for kind in ("vmx", "vmdk"))
    assert at(bench) == replace(before, files=after)
    assert (vm["before"]["storage"], vm["after"]["storage"]) == ([SHARED], ["LocalDS_1"])
    assert [disk["storage"] for disk in vm["steps"][0]["copied"]] == ["LocalDS_1"]


def test_host_and_disks(bench: Bench) -> None:
    moved(bench, name=VM, target={"host": "DC0_C0_H1", "storage": "DC0_C0_H1_local"})
    found = at(bench)
    assert (found.host, {file.partition("]")[0] for file in found.files}) == ("DC0_C0_H1", {"[DC0_C0_H1_local"})


def test_some_of_the_disks(bench: Bench) -> None:
    """A map says which; the VM's own files are where its first disk was, and go with that."""
    add_disk(bench, "LocalDS_1")
    (vm,) = moved(bench, name=VM, target={"storage_map": {"LocalDS_1": "DC0_C0_H0_local"}})["vms"]
    assert vm["after"]["storage"] == [SHARED, "DC0_C0_H0_local"]
    assert len(vm["steps"][0]["copied"]) == 1
    assert [file.partition("]")[0] for file in at(bench).files] == ["[LocalDS_0", "[LocalDS_0", "[DC0_C0_H0_local"]


def test_the_others_of_the_disks(bench: Bench) -> None:
    """One that is where disks are mapped to has arrived."""
    add_disk(bench, "LocalDS_1")
    target = {"storage": "DC0_C0_H0_local", "storage_map": {SHARED: "LocalDS_1"}}
    assert moved(bench, name=VM, target=target)["vm"]["after"]["storage"] == ["LocalDS_1", "LocalDS_1"]


def test_to_another_cluster(bench: Bench) -> None:
    """DRS chooses the host, which nobody knows before; the pool is one of the same path, else the root pool."""
    (vm,) = moved(bench, name=VM, target={"cluster": "DC0_C1"})["vms"]
    assert "host" not in vm["after"]
    assert (vm["after"]["cluster"], vm["after"]["pool"]) == ("DC0_C1", None)
    assert at(bench).host in ("DC0_C1_H0", "DC0_C1_H1")
    add_pool(bench, "DC0_C1", "DC0_C0_RP1")
    other = "DC0_C0_RP1_VM1"
    assert moved(bench, name=other, target={"cluster": "DC0_C1"})["vm"]["after"]["pool"] == "DC0_C0_RP1"
    assert at(bench, f"/DC0/vm/{other}").pool == "DC0_C0_RP1"


def test_hosts_of_a_cluster_that_do_not_fit(bench: Bench) -> None:
    """vSphere checks all of them, and one that is fit is enough."""
    moved(bench, name=VM, target={"cluster": "DC0_C1", "storage": "DC0_C1_H1_local"})
    assert at(bench).host == "DC0_C1_H1"
    add_disk(bench, SHARED)
    apart = {"DC0_C1_H1_local": "DC0_C0_H1_local", SHARED: "DC0_C0_H0_local"}
    words = ("checking the move", "CannotAccessVmDisk")
    target = {"cluster": "DC0_C0", "storage_map": apart}
    bench.refused("Unsupported", *words, module="vm_migrate", name=VM, target=target)


def test_a_pool_of_choice(bench: Bench) -> None:
    before = at(bench)
    moved(bench, name=VM, target={"pool": "DC0_C0_RP2"})
    assert at(bench) == replace(before, pool="DC0_C0_RP2")


def test_a_folder_of_choice_and_a_new_name(bench: Bench) -> None:
    bench.sim.govc("folder.create", "/DC0/vm/prod")
    target = {"host": "DC0_C0_H1", "folder": "/DC0/vm/prod", "name": "web 1"}
    vm_id = bench.run("vm_info", name=VM)["vm"]["id"]
    (vm,) = moved(bench, id=vm_id, target=target)["vms"]
    assert (vm["after"]["name"], vm["after"]["folder"]) == ("web 1", "/DC0/vm/prod")
    assert at(bench, "/DC0/vm/prod/web 1").host == "DC0_C0_H1"


def test_a_new_name_alone(bench: Bench) -> None:
    vm_id = bench.run("vm_info", name=VM)["vm"]["id"]
    moved(bench, id=vm_id, target={"name": "web1"})
    assert at(bench, "/DC0/vm/web1").host == "DC0_C0_H0"


def test_networks(bench: Bench) -> None:
    """From a distributed port group to a standard one on a host that stands alone, and back."""
    moved(bench, name=VM, target={"host": "DC0_H0", "network_map": {"DC0_DVPG0": "VM Network"}})
    assert at(bench).networks == ("VM Network",)
    (vm,) = moved(bench, name=VM, target={"host": "DC0_C0_H0", "network_map": {"VM Network": "DC0_DVPG0"}})["vms"]
    assert (vm["after"]["networks"], at(bench).networks) == (["DC0_DVPG0"], ("DC0_DVPG0",))


def test_a_template(bench: Bench) -> None:
    bench.sim.govc("vm.power", "-off", PATH)
    bench.sim.govc("vm.markastemplate", PATH)
    moved(bench, name=VM, target={"host": "DC0_H0", "storage": "LocalDS_1"})
    found = at(bench)
    assert (found.host, found.pool, found.files[0][:11]) == ("DC0_H0", "", "[LocalDS_1]")


def test_snapshots_come_along(bench: Bench) -> None:
    bench.run("vm_snapshot", name=VM, snapshot="before")
    (vm,) = moved(bench, name=VM, target={"host": "DC0_C0_H1", "storage": "LocalDS_1"})["vms"]
    (warning,) = vm["steps"][0]["warnings"]
    assert "SnapshotRevertIssue" in warning
    back = bench.run("vm_snapshot", name=VM, snapshot="before", state="reverted")
    assert back.get("error") is None
    assert {file.partition("]")[0] for file in at(bench).files} == {"[LocalDS_1"}


@pytest.mark.parametrize("layout", [Layout(vms=20, on=True)], ids=["many VMs"])
def test_calls_of_many(bench: Bench) -> None:
    """Of ten VMs and of one: what grows is a check and a move for each, and the waiting for them a little."""

    def calls(count: int, host: str) -> tuple[int, int]:
        bench.control.reset()
        names = [f"DC0_C0_RP0_VM{2 * number}" for number in range(count)]
        result = bench.run("vm_migrate", vms=names, target={"host": host}, per_host=10)
        assert result.get("error") is None
        each = bench.called("CheckRelocate_Task"), bench.called("RelocateVM_Task")
        assert each == (count, count)
        waiting = sum(bench.called(method) for method in ("WaitForUpdatesEx", "ModifyListView"))
        return bench.control.calls().total - sum(each) - waiting, waiting

    one, few = calls(1, "DC0_C0_H1")
    bench.run("vm_migrate", name="DC0_C0_RP0_VM0", target={"host": "DC0_C0_H0"})
    ten, more = calls(10, "DC0_C0_H1")
    assert ten == one
    assert more <= few + 20
