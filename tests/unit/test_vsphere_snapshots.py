# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of vSphere, on pyVmomi's own objects: trees, ways to take one, what rules them out, names."""

from datetime import UTC, datetime
from typing import Any

import pytest
import pyVmomi
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere import faults, places, snapshots
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    BackendError,
    CapacityExceeded,
    CrossvirtError,
    InvalidOption,
    Unsupported,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import PowerState, Vm

vim: Any = pyVmomi.vim
device: Any = vim.vm.device
OFF, ON, SAVED = "poweredOff", "poweredOn", "suspended"
TOOLS = {"guest.toolsRunningStatus": "guestToolsRunning"}
CREATE, REVERT, DELETE = Capability.CREATE_SNAPSHOT, Capability.REVERT_SNAPSHOT, Capability.DELETE_SNAPSHOT


def node(number: int, name: str, state: str, *below: Any, quiesced: bool = False) -> Any:
    made = vim.vm.SnapshotTree(
        name=name,
        description="d",
        id=number,
        createTime=datetime(2026, 1, number, tzinfo=UTC),
        state=state,
        quiesced=quiesced,
        childSnapshotList=list(below),
    )
    made.snapshot = vim.vm.Snapshot(f"snapshot-{number}")
    return made


def disk(**backing: Any) -> Any:
    made = device.VirtualDisk(key=2000, deviceInfo=vim.Description(label="Hard disk 1", summary=""))
    kind = device.VirtualDisk
    raw = "compatibilityMode" in backing
    made.backing = (kind.RawDiskMappingVer1BackingInfo if raw else kind.FlatVer2BackingInfo)(**backing)
    return made


def scsi(sharing: str) -> Any:
    label = vim.Description(label="SCSI controller 0", summary="")
    return device.ParaVirtualSCSIController(key=1000, busNumber=0, sharedBus=sharing, deviceInfo=label)


def vm(state: PowerState, *devices: Any, row: dict[str, Any] | None = None) -> Vm:
    limits = snapshots.limits({"config.hardware.device": list(devices), **(row or {})})
    return Vm(name="web1", id="vm-1", uuid="u", state=state, host="esx1", limits=limits)


def possible(one: Vm) -> dict[str, str]:
    """Return the kinds that are not refused, each with its way."""
    return {kind.consistency: kind.how for kind in snapshots.kinds(one) if not kind.refused}


def test_trees_keep_siblings_and_names_that_are_there_twice() -> None:
    saved, quiet = node(4, "b", SAVED), node(3, "b", OFF, quiesced=True)
    info = vim.vm.SnapshotInfo(rootSnapshotList=[node(1, "50%25 a%2fb", OFF, node(2, "b", ON, saved), quiet)])
    info.currentSnapshot = vim.vm.Snapshot("snapshot-3")
    (root,) = snapshots.trees({"snapshot": info})
    assert [
        (one.id, one.name, one.state.value, one.consistency, one.current, len(one.children)) for one in root.walk()
    ] == [
        ("snapshot-1", "50% a/b", "stopped", "crash", False, 2),
        ("snapshot-2", "b", "running", "memory", False, 1),
        ("snapshot-4", "b", "suspended", "memory", False, 0),
        ("snapshot-3", "b", "stopped", "filesystem", True, 0),
    ]
    assert (root.created, root.description) == ("2026-01-01T00:00:00+00:00", "d")


def test_without_snapshots_there_is_no_tree() -> None:
    assert snapshots.trees({}) == ()


def test_what_holds_less_than_asked_is_not_among_the_kinds() -> None:
    disks, memory, quiet = snapshots.DISKS, snapshots.WITH_MEMORY, snapshots.QUIESCED
    assert possible(vm(PowerState.STOPPED)) == {"crash": disks, "filesystem": disks}
    assert possible(vm(PowerState.RUNNING)) == {"memory": memory, "crash": disks}
    with_tools = {"crash": disks, "filesystem": quiet, "memory": memory}
    assert possible(vm(PowerState.RUNNING, row=TOOLS)) == with_tools
    assert possible(vm(PowerState.SUSPENDED)) == {"memory": memory}


def test_an_independent_disk_fits_no_memory() -> None:
    outside = disk(diskMode="independent_persistent")
    assert possible(vm(PowerState.STOPPED, outside)) == possible(vm(PowerState.STOPPED))
    assert possible(vm(PowerState.RUNNING, outside)) == {"crash": snapshots.DISKS}
    assert "Hard disk 1 is independent" in str(snapshots.refusal(CREATE, vm(PowerState.SUSPENDED, outside)))


@pytest.mark.parametrize(
    ("odd", "row", "said"),
    [
        (scsi("virtualSharing"), {}, "SCSI controller 0 shares its bus"),
        (scsi("physicalSharing"), {}, "SCSI controller 0 shares its bus"),
        (disk(compatibilityMode="physicalMode", diskMode="persistent"), {}, "Hard disk 1 is a raw device in physical"),
        (disk(sharing="sharingMultiWriter", diskMode="persistent"), {}, "Hard disk 1 may be written by several VMs"),
        (scsi("noSharing"), {"runtime.faultToleranceState": "running"}, "Fault Tolerance"),
    ],
)
def test_what_knows_no_snapshots_is_refused_in_every_state(odd: Any, row: dict[str, Any], said: str) -> None:
    for state in (PowerState.RUNNING, PowerState.STOPPED, PowerState.SUSPENDED):
        one = vm(state, odd, row=row)
        assert possible(one) == {}
        assert said in str(snapshots.refusal(CREATE, one))
        assert snapshots.refusal(DELETE, one) is None


@pytest.mark.parametrize(
    "fine",
    [
        scsi("noSharing"),
        disk(diskMode="persistent", sharing="sharingNone"),
        disk(compatibilityMode="virtualMode", diskMode="persistent"),
    ],
)
def test_what_is_usual_rules_nothing_out(fine: Any) -> None:
    assert possible(vm(PowerState.STOPPED, fine)) == possible(vm(PowerState.STOPPED))
    assert snapshots.refusal(CREATE, vm(PowerState.STOPPED, fine)) is None


def test_a_template_takes_none_and_goes_back_to_none() -> None:
    one = vm(PowerState.STOPPED, row={"config.template": True})
    assert set(one.limits or {}) == {CREATE, REVERT}
    assert possible(one) == {}


@pytest.mark.parametrize("name", ["x" * 80, "%" * 26, "ü" * 80])
def test_names_that_fit(name: str) -> None:
    snapshots.check_name(name)


@pytest.mark.parametrize("name", ["x" * 81, "%" * 27, "/" * 27])
def test_names_that_do_not_fit(name: str) -> None:
    with pytest.raises(InvalidOption, match="80 characters"):
        snapshots.check_name(name)


@pytest.mark.parametrize("name", ["50% of a/b\\c", "%25", "%2f", "a b"])
def test_what_is_escaped_is_read_back(name: str) -> None:
    assert places.unescaped(places.escaped(name)) == name


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("FilesystemQuiesceFault", BackendError),
        ("MemorySnapshotOnIndependentDisk", Unsupported),
        ("SnapshotIncompatibleDeviceInVm", Unsupported),
        ("TooManySnapshotLevels", CapacityExceeded),
    ],
)
def test_what_vsphere_says_of_snapshots_is_told_by_its_class(fault: str, kind: type[CrossvirtError]) -> None:
    error = faults.ours(getattr(vim.fault, fault)(), "vc1", "taking a snapshot")
    assert error.__class__ is kind
    assert fault in str(error)
