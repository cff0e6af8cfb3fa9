# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of moves: every reason at once, in check mode as well, and nothing is begun."""

from __future__ import annotations

from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim

from tests.integration.bench import Result
from tests.integration.vsphere.bench import Bench
from tests.lab.vsphere.client import Rule
from tests.lab.vsphere.server import Layout

VM, OTHER, PATH = "DC0_C0_RP0_VM0", "DC0_C0_RP0_VM1", "/DC0/vm/DC0_C0_RP0_VM0"
HERE, THERE = "DC0_C0_H0", "DC0_C0_H1"


@pytest.fixture
def layout() -> Layout:
    return Layout(vms=2, datastores=2, local_datastores=True, on=True, guest="tools")


def refused(bench: Bench, error: str, *words: str, **options: Any) -> Result:
    """Hold a task and its check mode to the same refusal, and to not having written anything."""
    bench.control.reset()
    result = bench.refused(error, *words, module="vm_migrate", **options)
    checked = bench.refused(error, *words, module="vm_migrate", check_mode=True, **options)
    assert (checked["msg"], bench.control.writes()) == (result["msg"], {})
    return result


def reconfigure(bench: Bench, name: str = VM, **settings: Any) -> None:
    """Change a VM by hand."""
    with bench.witness.vm(name) as vm:
        WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(**settings)))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"post_copy": True}, "Unsupported", ["post_copy"]),
        ({"auto_converge": True}, "Unsupported", ["auto_converge"]),
        ({"bandwidth_bytes_per_second": 1000}, "Unsupported", ["bandwidth_bytes_per_second"]),
        ({"mode": "cold"}, "InvalidState", [VM, "running", "cold"]),
        ({"copy_storage": "always"}, "Unsupported", [VM, "target.storage"]),
        ({"encryption": "required"}, "Unsupported", [VM, "Encrypted vMotion", "opportunistic"]),
        ({"encryption": "disabled"}, "Unsupported", [VM, "Encrypted vMotion", "opportunistic"]),
        ({"target": {"storage": "LocalDS_1"}, "copy_storage": "never"}, "InvalidState", ["disk1.vmdk", "never"]),
    ],
    ids=str,
)
def test_options_that_do_not_fit(bench: Bench, options: dict[str, Any], error: str, words: list[str]) -> None:
    bench.refused(error, *words, module="vm_migrate", **({"name": VM, "target": {"host": THERE}} | options))


TARGETS: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"host": "nowhere"}, "InvalidOption", ["nowhere", THERE]),
    ({"cluster": "nowhere"}, "NotFound", ["nowhere", "DC0_C0"]),
    ({"pool": "nowhere"}, "NotFound", ["nowhere"]),
    ({"folder": "/DC0/vm/nowhere"}, "NotFound", ["nowhere"]),
    ({"storage": "nowhere"}, "NotFound", ["nowhere", "LocalDS_1"]),
    ({"storage_map": {"LocalDS_0": "nowhere"}}, "NotFound", ["nowhere", "LocalDS_1"]),
    ({"host": HERE, "storage": f"{THERE}_local"}, "NotFound", [f"{THERE}_local", HERE]),
    ({"network_map": {"DC0_DVPG0": "nowhere"}}, "NotFound", ["nowhere", "VM Network"]),
    ({"storage_map": {"nowhere": "LocalDS_1"}}, "InvalidOption", ["storage_map", "nowhere"]),
    ({"host": THERE, "network_map": {"nowhere": "VM Network"}}, "InvalidOption", ["network_map", "nowhere"]),
    ({"name": VM}, "AlreadyExists", [VM, "/DC0/vm"]),
    ({"name": "x" * 81}, "InvalidOption", ["80"]),
]


@pytest.mark.parametrize("layout", [Layout(vms=16, datastores=2, local_datastores=True)], ids=["many VMs"])
def test_targets_that_lead_nowhere(bench: Bench) -> None:
    """One VM for each; the first that has nothing against it is not moved either."""
    targets = [{"host": THERE}, *(target for target, *_said in TARGETS)]
    vms = [{"name": f"DC0_C0_RP0_VM{number}", "target": target} for number, target in enumerate(targets, start=1)]
    result = refused(bench, "InvalidOption", vms=vms)
    assert "error" not in result["vms"][0]
    for vm, (_target, error, words) in zip(result["vms"][1:], TARGETS, strict=True):
        assert vm["error"] == error
        assert not [word for word in words if word not in vm["msg"]], vm["msg"]


def test_a_vm_that_is_off_does_not_move_live(bench: Bench) -> None:
    bench.sim.govc("vm.power", "-off", PATH)
    refused(bench, "InvalidState", "stopped", name=VM, target={"host": THERE}, mode="live")


def test_several_reasons_at_once(bench: Bench) -> None:
    bench.control.maintenance(THERE, on=True)
    target = {"host": THERE, "storage": "nowhere", "name": OTHER, "network_map": {"DC0_DVPG0": "nothing"}}
    result = refused(
        bench, "InvalidState", name=VM, target=target, auto_converge=True, encryption="required", copy_storage="never"
    )
    said = [
        ("InvalidState", "in maintenance"),
        ("NotFound", "nowhere"),
        ("NotFound", "nothing"),
        ("Unsupported", "auto_converge"),
        ("Unsupported", "encryption"),
        ("AlreadyExists", OTHER),
    ]
    reasons = [(one["error"], one["msg"]) for one in result["vm"]["reasons"]]
    for (error, word), (found, msg) in zip(said, reasons, strict=True):
        assert (error, word in msg) == (found, True), msg


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "in maintenance"])
def test_hosts_that_take_none(bench: Bench, *, lost: bool) -> None:
    if lost:
        bench.control.connect_host(THERE, connected=False)
    else:
        bench.control.maintenance(THERE, on=True)
    refused(bench, "InvalidState", THERE, name=VM, target={"host": THERE})


def test_what_stays_with_its_host(bench: Bench) -> None:
    """A drive of the host that the guest has in use; once it is let go the VM moves."""
    backing = vim.vm.device.VirtualCdrom.AtapiBackingInfo(deviceName="/dev/sr0", useAutoDetect=False)
    with bench.witness.vm(VM) as vm:
        ide = next(one for one in vm.config.hardware.device if isinstance(one, vim_ide()))
    drive = vim.vm.device.VirtualCdrom(key=-1, controllerKey=ide.key, unitNumber=0, backing=backing)
    drive.connectable = vim.vm.device.VirtualDevice.ConnectInfo(
        connected=True, startConnected=True, allowGuestControl=True
    )
    reconfigure(bench, deviceChange=[vim.vm.device.VirtualDeviceSpec(operation="add", device=drive)])
    refused(bench, "Unsupported", VM, "/dev/sr0", "of its host", name=VM, target={"host": THERE})
    bench.sim.govc("vm.power", "-off", PATH)
    assert bench.run("vm_migrate", name=VM, target={"host": THERE}).get("error") is None


def vim_ide() -> Any:
    """Return the class of controllers of CD drives."""
    return vim.vm.device.VirtualIDEController


def test_encryption_is_a_setting_of_the_vm(bench: Bench) -> None:
    reconfigure(bench, migrateEncryption="required")
    result = bench.run("vm_migrate", name=VM, target={"host": THERE}, encryption="required")
    assert (result.get("error"), result["vm"]["steps"][0]["encrypted"]) == (None, True)
    refused(bench, "Unsupported", "required", name=VM, target={"host": HERE}, encryption="disabled")


def test_more_memory_than_the_host_has(bench: Bench) -> None:
    bench.sim.govc("vm.power", "-off", PATH)
    reconfigure(bench, memoryMB=1024 * 1024)
    refused(bench, "CapacityExceeded", VM, THERE, "memory", name=VM, target={"host": THERE})


def test_two_vms_with_one_name(bench: Bench) -> None:
    """What one of them takes, the next cannot have."""
    vms = [{"name": name, "target": {"name": "web1"}} for name in (VM, OTHER)]
    result = refused(bench, "AlreadyExists", "web1", vms=vms)
    assert ["error" in vm for vm in result["vms"]] == [False, True]


def test_what_vsphere_says(bench: Bench) -> None:
    """Its own check has the last word, of every VM; one that cannot be checked is not moved."""
    rule = Rule("CheckRelocate_Task", fault="GenericVmConfigFault", detail={"reason": "no luck"}, count=1, task=True)
    bench.control.faults(rule)
    result = bench.refused("BackendError", "no luck", module="vm_migrate", vms=[VM, OTHER], target={"host": THERE})
    assert ["error" in vm for vm in result["vms"]] == [True, False]


def test_rights_that_are_missing(bench: Bench) -> None:
    viewer = bench.sim.connection(username=bench.sim.viewer)
    target = {"cluster": "DC0_C0", "host": THERE, "storage": "LocalDS_1", "network_map": {"DC0_DVPG0": "VM Network"}}
    result = refused(bench, "PermissionDenied", hypervisor=viewer, name=VM, target=target | {"name": "web1"})
    for privilege, place in (
        ("Resource.HotMigrate", VM),
        ("Datastore.AllocateSpace", "LocalDS_1"),
        ("Network.Assign", "VM Network"),
        ("VirtualMachine.Config.Rename", VM),
    ):
        assert f"the privilege {privilege} on {place}" in result["msg"]


@pytest.mark.parametrize("layout", [Layout(esx=True, vms=1)], ids=["esx"])
def test_a_host_without_vcenter(bench: Bench) -> None:
    (vm,) = bench.run("vm_info")["vms"]
    refused(bench, "Unsupported", "without vCenter", name=vm["name"], target={"storage": "LocalDS_0"})
    (info,) = bench.run("hypervisor_info")["hypervisors"]
    assert "without vCenter" in info["capabilities"]["migrate"]
