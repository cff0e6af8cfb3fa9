# SPDX-License-Identifier: GPL-3.0-or-later
"""Making and removing VMs where something goes wrong in between: nothing is left, or the result names it."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim

from tests.integration.bench import Result, steps_of
from tests.integration.vsphere.bench import Bench
from tests.lab.vsphere.client import Rule
from tests.lab.vsphere.server import Layout

IMAGE = {"storage": "LocalDS_0", "volume": "images/guest.vmdk"}
DISKS = [{"image": IMAGE, "size_bytes": "64M"}, {"size_bytes": "1M"}]
NEW: dict[str, Any] = {"name": "new", "host": "DC0_H0", "memory_bytes": "64M", "disks": DISKS}
SOURCE = {"name": "DC0_H0_VM0"}
ONLY_HOST = "localhost.localdomain"
FULL = {"file": "new.vmdk", "datastore": "LocalDS_0"}
FORBIDDEN = {"privilegeId": "Datastore.FileManagement", "object": {"type": "Datastore", "value": "datastore-1"}}


@pytest.fixture
def layout() -> Layout:
    """The VMs are stopped."""
    return Layout(vms=2)


def folders(bench: Bench, name: str) -> list[str]:
    """Return the folders of this name in the datastore."""
    with bench.witness.connected() as content:
        (datastore,) = content.rootFolder.childEntity[0].datastore
        wanted = vim.host.DatastoreBrowser.SearchSpec(matchPattern=[name])
        task = datastore.browser.SearchDatastore_Task(datastorePath="[LocalDS_0]", searchSpec=wanted)
        WaitForTask(task)
        return [one.path for one in task.info.result.file]


def nothing_left(bench: Bench, before: object) -> bool:
    return bench.picture() == before and folders(bench, "new") == []


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (Rule(method="CreateVM_Task", fault="InsufficientResourcesFault", task=True), "CapacityExceeded"),
        (Rule(method="CreateVM_Task", drop="after"), "ConnectionFailed"),
        (Rule(method="CopyVirtualDisk_Task", fault="NoDiskSpace", detail=FULL, task=True), "CapacityExceeded"),
        (Rule(method="CopyVirtualDisk_Task", fault="NoPermission", detail=FORBIDDEN), "PermissionDenied"),
        (Rule(method="CopyVirtualDisk_Task", drop="after"), "ConnectionFailed"),
        (Rule(method="ExtendVirtualDisk_Task", fault="FileLocked", detail={"file": "x"}, task=True), "Busy"),
        (
            Rule(method="ReconfigVM_Task", fault="InvalidDeviceSpec", detail={"deviceIndex": 0}, task=True),
            "BackendError",
        ),
        (Rule(method="ReconfigVM_Task", drop="after"), "ConnectionFailed"),
    ],
    ids=lambda value: f"{value.method}-{value.fault or value.drop}" if isinstance(value, Rule) else None,
)
def test_a_creation_that_fails_leaves_nothing(bench: Bench, rule: Rule, error: str) -> None:
    before = bench.picture()
    bench.control.faults(rule)
    result = bench.run("vm", **NEW)
    assert (result["error"], result["changed"], steps_of(result)) == (error, True, [[("create", "failed")]])
    assert "left_behind" not in result["vm"]
    assert nothing_left(bench, before)


def test_what_cannot_be_taken_back_is_named(bench: Bench) -> None:
    bench.control.faults(
        Rule(method="CopyVirtualDisk_Task", fault="NoDiskSpace", detail=FULL, task=True),
        Rule(method="Destroy_Task", fault="FileLocked", detail={"file": "new.vmx"}, task=True),
    )
    result = bench.run("vm", **NEW)
    assert (result["error"], result["vm"]["left_behind"]) == ("CapacityExceeded", ["LocalDS_0/new"])


def test_a_creation_that_is_stopped_leaves_nothing(bench: Bench) -> None:
    before = bench.picture()
    bench.control.delays(CopyVirtualDisk=30)
    process = bench.begin("vm", **NEW)
    bench.wait_for_call("CopyVirtualDisk_Task")
    process.popen.send_signal(signal.SIGTERM)
    result = process.result()
    assert (result["error"], steps_of(result)) == ("Cancelled", [[("create", "cancelled")]])
    bench.control.delays()
    assert nothing_left(bench, before)
    assert steps_of(bench.run("vm", **NEW)) == [[("create", "done")]]


def test_a_session_that_ends_meanwhile_is_opened_again(bench: Bench) -> None:
    bench.control.delays(CopyVirtualDisk=1)
    process = bench.begin("vm", **NEW)
    bench.wait_for_call("CopyVirtualDisk_Task")
    bench.control.end_sessions()
    assert steps_of(process.result()) == [[("create", "done")]]


def test_a_removal_that_fails_names_the_disks_and_is_finished_by_a_second_run(bench: Bench) -> None:
    removal = {"name": "new", "state": "absent", "remove": ["disks"]}
    bench.run("vm", **NEW)
    bench.control.faults(Rule(method="Destroy_Task", fault="FileLocked", detail={"file": "x"}, task=True))
    result = bench.run("vm", **removal)
    disks = ["LocalDS_0/new/new.vmdk", "LocalDS_0/new/new_1.vmdk"]
    assert (result["error"], sorted(result["vm"]["left_behind"])) == ("Busy", disks)
    bench.control.faults()
    assert steps_of(bench.run("vm", **removal)) == [[("delete", "done")]]
    assert folders(bench, "new") == []


def checked(bench: Bench, **options: Any) -> Result:
    """Run the module in check mode, which must not write."""
    bench.control.reset()
    result = bench.run("vm", check_mode=True, **options)
    assert (result["changed"], bench.control.writes()) == (True, {})
    return result


def test_check_mode_writes_nothing_and_costs_no_more_for_many(bench: Bench) -> None:
    checked(bench, **NEW)
    for_one = bench.control.calls().total
    many = {**NEW, "vms": [{"name": f"new{number}"} for number in range(20)]}
    del many["name"]
    checked(bench, **many)
    assert bench.control.calls().total == for_one
    checked(bench, name="new", clone={"source": SOURCE})
    checked(bench, **SOURCE, state="absent", remove=["disks"])


def test_an_address_that_was_given_is_not_copied(bench: Bench) -> None:
    mac = "52:54:00:c0:ff:ee"
    bench.run("vm", **NEW, nics=[{"network": "VM Network", "mac": mac}])
    copy = bench.run("vm", name="copy", clone={"source": {"name": "new"}})
    assert "error" not in copy
    vms = bench.run("vm_info", vms=["new", "copy"], gather=["nics"])["vms"]
    given, chosen = (vm["nics"][0]["mac"] for vm in vms)
    assert given == mac != chosen


def test_a_linked_clone_goes_and_its_source_stays(bench: Bench) -> None:
    bench.run("vm_snapshot", **SOURCE, snapshot="base")
    clone = bench.run("vm", name="copy", clone={"source": SOURCE, "mode": "linked", "snapshot": "base"})
    assert "error" not in clone
    everything = ["disks", "snapshots"]
    bench.refused("InvalidState", "is used by copy", module="vm", **SOURCE, state="absent", remove=everything)
    assert steps_of(bench.run("vm", name="copy", state="absent", remove=["disks"])) == [[("delete", "done")]]
    assert steps_of(bench.run("vm", **SOURCE, state="absent", remove=everything)) == [[("delete", "done")]]


@pytest.mark.parametrize("layout", [Layout(esx=True, vms=1)], ids=["esx"])
def test_what_needs_a_vcenter_is_refused_without_one(bench: Bench, layout: Layout) -> None:
    assert layout.esx
    source = {"name": f"{ONLY_HOST}_VM0"}
    bench.refused("Unsupported", "clone needs one", module="vm", name="copy", clone={"source": source})
    here = {**NEW, "host": ONLY_HOST}
    bench.refused("Unsupported", "no place for labels", module="vm", **here, labels={"role": "web"})
    assert steps_of(bench.run("vm", **here)) == [[("create", "done")]]
