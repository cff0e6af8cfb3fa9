# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that are not there, not unique, or not fit for what is asked: refused by name, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.bench import steps_of
from tests.integration.libvirt.bench import Bench

pytestmark = pytest.mark.usefixtures("alone")
SAME = "5a5a5a5a-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def doubled(bench: Bench) -> Iterator[str]:
    """One VM defined on two hosts, off on both."""
    for host in ("kvm1", "kvm2"):
        bench.machines.bare(host, "it-doubled", uuid=SAME)
    yield "it-doubled"
    for host in ("kvm1", "kvm2"):
        bench.machines.remove(host, "it-doubled")


@pytest.fixture
def transient(bench: Bench, bare: str) -> Iterator[str]:
    """A VM that lives only as long as it runs."""
    bench.machines.put("kvm1", bare, "running")
    with bench.machines.connected("kvm1") as conn:
        conn.lookupByName(bare).undefine()
    yield bare
    bench.machines.remove("kvm1", bare)
    bench.machines.bare("kvm1", bare, disk=True)


@pytest.mark.parametrize("module", ["vm_state", "vm_snapshot", "vm_info"])
def test_one_unknown_vm_refuses_the_whole_task(bench: Bench, bare: str, module: str) -> None:
    what = {"vm_state": {"state": "running"}, "vm_snapshot": {"snapshot": "one"}, "vm_info": {}}[module]
    result = bench.refused("NotFound", "'it-nobody'", module=module, vms=[bare, "it-nobody"], **what)
    if module != "vm_info":
        assert [vm["name"] for vm in result["vms"]] == [bare, "it-nobody"]
        assert [vm.get("error") for vm in result["vms"]] == [None, "NotFound"]


def test_a_vm_that_is_not_there_is_absent(bench: Bench) -> None:
    result = bench.run("vm", name="it-nobody", state="absent")
    assert ("error" not in result, result["changed"]) == (True, False)


def test_a_name_on_two_hosts_is_ambiguous(bench: Bench, twins: str) -> None:
    result = bench.refused("Ambiguous", twins, "on host kvm1", "on host kvm2", name=twins, state="running")
    uuids = {host: bench.lab.virsh(host, "domuuid", twins) for host in ("kvm1", "kvm2")}
    assert {one["host"]: one["id"] for one in result["vm"]["candidates"]} == uuids
    assert all(uuid in result["msg"] for uuid in uuids.values())
    assert bench.run("vm_state", uuid=uuids["kvm2"], state="stopped")["vm"]["host"] == "kvm2"


def test_one_vm_on_two_hosts_is_the_active_one(bench: Bench, doubled: str) -> None:
    bench.refused("Ambiguous", SAME, "kvm1", "kvm2", uuid=SAME, state="running")
    bench.refused("Ambiguous", SAME, "kvm1", "kvm2", select={"name": doubled}, state="running")
    assert [vm["host"] for vm in bench.run("vm_info", uuid=SAME)["vms"]] == ["kvm1", "kvm2"]
    bench.machines.put("kvm2", doubled, "running")
    try:
        result = bench.run("vm_state", name=doubled, state="paused")
        assert (result["vm"]["host"], steps_of(result)) == ("kvm2", [[("pause", "done")]])
        assert [vm["state"] for vm in bench.run("vm_info", uuid=SAME)["vms"]] == ["stopped", "paused"]
        bench.machines.put("kvm1", doubled, "running")
        bench.refused("Ambiguous", SAME, "kvm1", "kvm2", uuid=SAME, state="paused")
    finally:
        for host in ("kvm1", "kvm2"):
            bench.lab.virsh(host, "destroy", doubled)


def test_with_a_host_missing_only_a_uuid_is_sure(bench: Bench, bare: str) -> None:
    tls, net = bench.lab.connection("kvm1"), bench.lab.facts["net"].rpartition(".")[0]
    hosts = [*tls["hosts"], f"qemu+tls://{net}.254:16699/system"]
    partly = tls | {"hosts": hosts, "unreachable": "warn"}
    bench.refused("ConnectionFailed", bare, "use uuid", hypervisor=partly, vms=[{"name": bare}], state="running")
    uuid = bench.lab.virsh("kvm1", "domuuid", bare)
    result = bench.run("vm_state", hypervisor=partly, vms=[{"uuid": uuid}], state="stopped")
    assert ("error" not in result, result["changed"]) == (True, False)
    assert [warning for warning in result["warnings"] if f"{net}.254:16699" in str(warning)]
    new = {"memory_bytes": "32M", "host": "kvm1"}
    bench.refused("ConnectionFailed", "it-new", module="vm", hypervisor=partly, name="it-new", **new)


def test_one_vm_named_twice(bench: Bench, bare: str) -> None:
    uuid = bench.lab.virsh("kvm1", "domuuid", bare)
    bench.refused("InvalidOption", bare, "twice", vms=[bare, {"uuid": uuid}], state="running")


def test_a_path_is_unsupported(bench: Bench) -> None:
    bench.refused("Unsupported", "path", path="/dc1/vm/web1", state="running")


def test_what_would_delete_a_transient_vm_is_unsupported(bench: Bench, transient: str) -> None:
    hard = {"method": "hard"}
    bench.refused("Unsupported", transient, "transient", name=transient, state="stopped", shutdown=hard)
    bench.refused("Unsupported", transient, "transient", name=transient, state="suspended")


def test_a_state_from_which_there_is_no_way(bench: Bench, bare: str) -> None:
    bench.refused("InvalidState", bare, "stopped", "paused", name=bare, state="paused")


def test_more_vms_than_allowed(bench: Bench, twins: str) -> None:
    bench.refused("CapacityExceeded", "2", "max_vms is 1", select={"name": twins}, state="running", max_vms=1)
    bench.refused("CapacityExceeded", "2", "max_vms is 1", module="vm", select={"name": twins}, state="absent")


def test_an_option_that_is_none(bench: Bench, bare: str) -> None:
    bench.refused("InvalidOption", "sleeping", name=bare, state="sleeping")
    bench.refused("InvalidOption", "it-bare", "colour", vms=[{"name": bare, "colour": "red"}], state="running")
