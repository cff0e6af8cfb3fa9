# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves to another datacenter and to another vCenter, and what stands in their way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.bench import steps_of
from tests.integration.vsphere.bench import OFF, ON, Bench
from tests.integration.vsphere.plain import connected
from tests.integration.vsphere.whereabouts import whereabouts
from tests.lab.vsphere.client import Rule
from tests.lab.vsphere.server import Layout, Simulator

VM, PATH, NET = "DC0_C0_RP0_VM0", "/DC0/vm/DC0_C0_RP0_VM0", "DC0_DVPG0"


@pytest.fixture
def layout() -> Layout:
    return Layout(vms=2, datacenters=2, datastores=2, on=True, guest="tools")


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Simulator]:
    """Another vCenter, with other VMs of the same names, at which no session is left open either."""
    with Simulator.start(Layout(name="vcenter2", seed="other", vms=1, datastores=2), log=tmp_path / "other.log") as sim:
        yield sim
        sim.control.faults()
        assert sim.control.sessions() == []


def there(sim: Simulator, **target: Any) -> dict[str, Any]:
    """Say how a VM gets to the other vCenter, where its name is free in one folder."""
    return {"hypervisor": sim.connection(), "host": "DC0_C0_H1", "folder": "/DC0/vm/new", **target}


@pytest.fixture
def target(other: Simulator) -> dict[str, Any]:
    """The other vCenter, with a folder for those who come."""
    other.govc("folder.create", "/DC0/vm/new")
    return there(other)


def test_to_another_datacenter(bench: Bench) -> None:
    """The folder of the same path, storage and network of the same name."""
    for folder in ("/DC0/vm/prod", "/DC1/vm/prod"):
        bench.sim.govc("folder.create", folder)
    bench.sim.govc("object.mv", PATH, "/DC0/vm/prod")
    task = {"name": VM, "target": {"host": "DC1_C0_H0", "network_map": {NET: "DC1_DVPG0"}}}
    result = bench.run("vm_migrate", **task)
    assert (result.get("error"), steps_of(result)) == (None, [[("migrate", "done")]])
    after = {"host": "DC1_C0_H0", "cluster": "DC1_C0", "pool": None, "folder": "/DC1/vm/prod"}
    assert result["vm"]["after"].items() >= {**after, "storage": ["LocalDS_0"], "networks": ["DC1_DVPG0"]}.items()
    found = whereabouts(bench.sim.govc, f"/DC1/vm/prod/{VM}")
    assert (found.host, found.networks, found.state) == ("DC1_C0_H0", ("DC1_DVPG0",), ON)
    assert bench.run("vm_migrate", **task)["changed"] is False


def test_a_network_that_is_not_there(bench: Bench) -> None:
    reasons = bench.refused(
        "NotFound", NET, "DC1_C0_H0", "target.network_map", module="vm_migrate", name=VM, target={"host": "DC1_C0_H0"}
    )
    assert reasons["vm"]["error"] == "NotFound"


@pytest.mark.parametrize("power", [ON, OFF])
def test_to_another_vcenter(bench: Bench, other: Simulator, target: dict[str, Any], power: str) -> None:
    if power == OFF:
        bench.sim.govc("vm.power", "-off", PATH)
    before = whereabouts(bench.sim.govc, PATH)
    other.control.reset()
    planned = bench.run("vm_migrate", name=VM, target=target, check_mode=True)
    assert (bench.control.writes(), other.control.writes()) == ({"PowerOffVM_Task": 1} if power == OFF else {}, {})
    result = bench.run("vm_migrate", name=VM, target=target)
    assert (result.get("error"), steps_of(result)) == (None, [[("migrate", "done")]]), result
    assert (planned["vm"]["before"], planned["vm"]["after"]) == (result["vm"]["before"], result["vm"]["after"])
    assert PATH not in bench.sim.govc.paths()
    found = whereabouts(other.govc, f"/DC0/vm/new/{VM}")
    assert (found.uuid, found.host, found.networks, found.state) == (before.uuid, "DC0_C0_H1", (NET,), power)
    assert result["vm"]["id"] == bench.run("vm_info", hypervisor=other.connection(), uuid=found.uuid)["vm"]["id"]
    for key in ({"name": VM}, {"uuid": found.uuid}):
        assert bench.run("vm_migrate", **key, target=target)["changed"] is False
    back = {"hypervisor": bench.sim.connection(), "host": "DC0_H0"}
    result = bench.run("vm_migrate", hypervisor=other.connection(), uuid=found.uuid, target=back)
    assert (result.get("error"), whereabouts(bench.sim.govc, PATH).uuid) == (None, found.uuid)


def test_maps_and_a_new_name_at_another_vcenter(bench: Bench, other: Simulator, target: dict[str, Any]) -> None:
    wanted = target | {"name": "web1", "storage_map": {"LocalDS_0": "LocalDS_1"}, "network_map": {NET: "VM Network"}}
    result = bench.run("vm_migrate", name=VM, target=wanted)
    assert (result.get("error"), result["vm"]["after"]["name"]) == (None, "web1")
    found = whereabouts(other.govc, "/DC0/vm/new/web1")
    assert found.networks == ("VM Network",)
    assert {file.partition("]")[0] for file in found.files} == {"[LocalDS_1"}


def test_to_a_cluster_of_another_vcenter(bench: Bench, other: Simulator, target: dict[str, Any]) -> None:
    """DRS chooses no host there; each VM gets the one that has the most memory left."""
    wanted = {key: value for key, value in target.items() if key != "host"} | {"cluster": "DC0_C0"}
    names = [VM, "DC0_C0_RP0_VM1"]
    planned = bench.run("vm_migrate", vms=names, target=wanted, check_mode=True)
    result = bench.run("vm_migrate", vms=names, target=wanted)
    assert result.get("error") is None
    assert [vm["after"] for vm in result["vms"]] == [vm["after"] for vm in planned["vms"]]
    assert {whereabouts(other.govc, f"/DC0/vm/new/{name}").host for name in names} == {"DC0_C0_H0", "DC0_C0_H1"}


def test_everything_in_the_way_at_another_vcenter(bench: Bench, other: Simulator) -> None:
    """Its name is taken in the folder that it would come to, the host is in maintenance, a storage is not there."""
    other.control.maintenance("DC0_C0_H1", on=True)
    target = {"hypervisor": other.connection(), "host": "DC0_C0_H1", "name": "a/b"}
    result = bench.refused("InvalidState", "in maintenance", module="vm_migrate", name=VM, target=target)
    said = {reason["error"]: reason["msg"] for reason in result["vm"]["reasons"]}
    assert "has 'DC0_C0_RP0_VM0' already" in said["AlreadyExists"]
    assert "a/b" in said["InvalidOption"]


def test_the_same_uuid_at_another_vcenter(bench: Bench, tmp_path: Path) -> None:
    with Simulator.start(Layout(name="vcenter2", vms=2, datacenters=2), log=tmp_path / "log") as twin:
        twin.govc("folder.create", "/DC0/vm/new")
        bench.refused("AlreadyExists", "uuid", PATH, module="vm_migrate", name=VM, target=there(twin))


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"token": "no-such-session", "username": None, "password": None}, "AuthenticationFailed", "token"),
        ({"password": "wrong"}, "AuthenticationFailed", "InvalidLogin"),
        ({"type": "libvirt"}, "InvalidOption", "libvirt"),
    ],
)
def test_connections_that_lead_nowhere(
    bench: Bench, other: Simulator, change: dict[str, Any], error: str, word: str
) -> None:
    target = there(other, hypervisor=other.connection(**change))
    bench.refused(error, word, module="vm_migrate", name=VM, target=target)


def test_a_session_by_token_cannot_be_lent(bench: Bench, other: Simulator, target: dict[str, Any]) -> None:
    """The vCenter that has the VM has to log in at the other one by itself."""
    with connected(other) as content:
        token = content.rootFolder._stub.GetSessionId()  # noqa: SLF001 - as pyvmomi's own samples do
        lent = other.connection(token=token, username=None, password=None)
        words = ("username and password", other.address)
        bench.refused("Unsupported", *words, module="vm_migrate", name=VM, target=target | {"hypervisor": lent})


@pytest.mark.parametrize("call", ["CreateVM_Task", "PowerOnVM_Task"])
def test_one_that_fails_at_the_other_vcenter(bench: Bench, other: Simulator, target: dict[str, Any], call: str) -> None:
    """The VM is whole where it was, and nothing is left there; no secret is in what is said."""
    other.control.faults(Rule(call, fault="GenericVmConfigFault", detail={"reason": "no luck"}, task=True))
    before, there_before = bench.picture(), other.govc.paths()
    result = bench.run("vm_migrate", name=VM, target=target)
    assert (result["error"], bench.picture(), other.govc.paths()) == ("BackendError", before, there_before)
    assert other.password not in str({key: value for key, value in result.items() if key != "invocation"})
    assert result["vm"]["found"] == [{"host": "DC0_C0_H0", "name": VM, "state": "running"}]
