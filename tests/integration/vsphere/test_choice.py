# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VM is meant: awkward names, names that several have, and two vCenters in one connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.vsphere.bench import HARD, OFF, ON, SAVED, Bench
from tests.lab.vsphere.server import Layout, Simulator

VM, IN_CLUSTER = "DC0_H0_VM0", "DC0_C0_RP0_VM0"
AWKWARD = [
    "with two  spaces",
    "\"double\" and 'single' quotes",
    "-leading dash",
    "--help",
    "50%",
    "%2f",
    "a/b\\c",
    "Ünïcödé 漢字 🐄",
    "<b>&amp;",
    "{{ 1 + 1 }}",
    "*?[a]",
]


@pytest.mark.parametrize("layout", [Layout(vms=6, on=True)], ids=["twelve VMs"])
def test_awkward_names(bench: Bench) -> None:
    """Each finds its VM, is told as it was given, and fits its own path; vSphere stores three signs as codes."""
    for old, new in zip(sorted(bench.witness.states()), AWKWARD, strict=False):
        bench.witness.rename(old, new.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c"))
    stopped = bench.run("vm_state", vms=AWKWARD, state="suspended")
    assert [vm["name"] for vm in stopped["vms"]] == AWKWARD
    assert not any("error" in vm for vm in stopped["vms"])
    assert list(bench.witness.states().values()).count(SAVED) == len(AWKWARD)
    seen = bench.run("vm_info", vms=AWKWARD)["vms"]
    assert [vm["name"] for vm in seen] == AWKWARD
    for key in ("path", "uuid", "id"):
        assert bench.run("vm_info", vms=[{key: vm[key]} for vm in seen])["vms"] == seen
    taken = bench.run("vm_snapshot", vms=AWKWARD, snapshot="a/b % <ü>")
    assert [vm["after"]["snapshots"] for vm in taken["vms"]] == [[["a/b % <ü>"]]] * len(AWKWARD)
    assert bench.run("vm_snapshot", vms=AWKWARD, snapshot="a/b % <ü>")["changed"] is False


@pytest.mark.parametrize("layout", [Layout(datacenters=2, vms=1, on=True)], ids=["two datacenters"])
def test_a_name_that_two_have(bench: Bench) -> None:
    bench.witness.rename("DC1_H0_VM0", VM)
    result = bench.refused("Ambiguous", "on host DC0_H0", "on host DC1_H0", name=VM, state="stopped", shutdown=HARD)
    ids = {vm["host"]: vm["id"] for vm in bench.run("vm_info", select={"name": VM})["vms"]}
    assert {one["host"]: one["id"] for one in result["vm"]["candidates"]} == ids
    assert all(one in result["msg"] for one in ids.values())
    by_path = bench.run("vm_state", path=f"/DC1/vm/{VM}", state="stopped", shutdown=HARD)
    assert by_path["vm"]["host"] == "DC1_H0"
    assert sorted(row["runtime.powerState"] for row in bench.witness.picture().values() if row["name"] == VM) == [
        OFF,
        ON,
    ]


def test_vms_that_are_not_there(bench: Bench) -> None:
    uuid = "00000000-0000-4000-8000-000000000000"
    nobody = [{"name": "none"}, {"id": "vm-99999"}, {"uuid": uuid}, {"path": "/DC0/vm/none"}]
    values = [value for one in nobody for value in one.values()]
    refused = bench.refused("NotFound", *values, vms=[VM, *nobody], state="stopped", shutdown=HARD)
    assert [vm.get("error") for vm in refused["vms"]] == [None, *["NotFound"] * 4]
    absent = bench.run("vm", vms=nobody, state="absent")
    assert ("error" in absent, absent["changed"]) == (False, False)


@pytest.fixture
def second(layout: Layout) -> Iterator[Simulator]:
    """Another vCenter whose VMs have the same names, ids and uuids."""
    with Simulator.start(replace(layout, name="second")) as sim:
        yield sim


def both(bench: Bench, second: Simulator, **changes: Any) -> dict[str, Any]:
    """A connection to two vCenters."""
    bundle = bench.folder / "both.pem"
    bundle.write_text(bench.sim.ca_path.read_text() + second.ca_path.read_text())
    hosts = [f"{sim.address}:{sim.port}" for sim in (bench.sim, second)]
    return bench.sim.connection(hosts=hosts, port=None, ca_path=str(bundle), **changes)


def test_one_uuid_at_two_vcenters(bench: Bench, second: Simulator) -> None:
    """It is the VM that is active, if only one is; else nobody knows."""
    given = both(bench, second)
    seen = bench.run("vm_info", hypervisor=given, name=VM)["vms"]
    assert len(seen) == 2
    assert len({vm["uuid"] for vm in seen}) == 1
    uuid = {"uuid": seen[0]["uuid"]}
    for which in (uuid, {"name": VM}):
        bench.refused("Ambiguous", VM, hypervisor=given, **which, state="stopped", shutdown=HARD)
    bench.run("vm_state", **uuid, state="stopped", shutdown=HARD)
    result = bench.run("vm_state", hypervisor=given, **uuid, state="suspended")
    assert ("error" in result, bench.witness.states()[VM]) == (False, OFF)
    assert {vm["state"] for vm in bench.run("vm_info", hypervisor=given, **uuid)["vms"]} == {"stopped", "suspended"}
    bench.refused("InvalidOption", "host", module="vm", hypervisor=given, name="new", memory_bytes="32M")
    assert second.control.sessions() == []


def test_one_of_two_vcenters_is_dead(bench: Bench, second: Simulator, tmp_path: Path) -> None:
    seen = bench.run("vm_info", name=VM)["vm"]
    given, dead = both(bench, second, unreachable="warn"), f"{second.address}:{second.port}"
    second.stop()
    bench.refused(
        "ConnectionFailed", dead, hypervisor=given | {"unreachable": "fail"}, uuid=seen["uuid"], state="running"
    )
    for key in ("name", "path", "id"):
        bench.refused("ConnectionFailed", "use uuid", hypervisor=given, state="running", **{key: seen[key]})
    result = bench.run("vm_state", hypervisor=given, uuid=seen["uuid"], state="running")
    assert ("error" in result, result["changed"]) == (False, False)
    assert [warning for warning in result["warnings"] if dead in str(warning)]
    bench.refused(
        "ConnectionFailed", "new", module="vm", hypervisor=given, name="new", memory_bytes="32M", host="DC0_H0"
    )
    source = tmp_path / "all.crossvirt.yml"
    source.write_text(yaml.safe_dump({"plugin": "crossvirt.lifecycle.vms", "hypervisors": [given]}))
    code, stdout, stderr = bench.command("ansible-inventory", "-i", str(source), "--list")
    variables = json.loads(stdout)["_meta"]["hostvars"]
    assert (code, dead in stderr, variables[VM]["crossvirt_incomplete"]) == (0, True, True)
