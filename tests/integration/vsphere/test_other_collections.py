# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of vmware.vmware and community.vmware read what ours wrote, and ours reads what they wrote."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.benchmarks import rivals
from tests.integration.vsphere.bench import HARD, Bench

pytestmark = pytest.mark.slow
Theirs = Callable[..., dict[str, Any]]
WEB = {"name": "web", "datacenter": "DC0", "folder": "/DC0/vm"}


@pytest.fixture(scope="module", autouse=True)
def _environment() -> None:
    rivals.prepare()


@pytest.fixture
def theirs(bench: Bench) -> Theirs:
    """Run a module of another collection; returns its result."""
    sim = bench.sim
    login = {"hostname": sim.address, "port": sim.port, "username": sim.username, "password": sim.password}

    def run(module: str, **options: Any) -> dict[str, Any]:
        arguments = {**login, "validate_certs": False, **options}
        python = f"ansible_python_interpreter={rivals.program('python')}"
        argv = ["localhost", "-c", "local", "-e", python, "-m", module, "-a", json.dumps(arguments)]
        done = subprocess.run(
            [rivals.program("ansible"), *argv],
            env={
                **rivals.ENVIRONMENT,
                "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"]["localhost"]
        return found

    return run


@pytest.fixture
def web(bench: Bench) -> str:
    """A VM that ours made; returns its id."""
    options = {"cluster": "DC0_C0", "cpus": 3, "memory_bytes": "256M", "notes": "of ours"}
    result = bench.run("vm", name="web", **options, disks=[{"size_bytes": "1G"}], nics=[{"network": "DC0_DVPG0"}])
    assert "error" not in result, result
    return str(result["vm"]["id"])


def test_creation_and_power(bench: Bench, theirs: Theirs, web: str) -> None:
    bench.run("vm_state", name="web", state="running")
    seen = theirs("community.vmware.vmware_guest_info", **WEB)["instance"]
    assert (seen["moid"], seen["hw_power_status"], seen["hw_folder"]) == (web, "poweredOn", "/DC0/vm")
    assert (seen["hw_processor_count"], seen["hw_memtotal_mb"], seen["annotation"]) == (3, 256, "of ours")
    assert seen["instance_uuid"] == bench.run("vm_info", name="web")["vm"]["uuid"]

    theirs("vmware.vmware.vm_powerstate", **WEB, state="suspended")
    assert bench.run("vm_info", name="web")["vm"]["state"] == "suspended"
    theirs("community.vmware.vmware_guest_powerstate", name="web", state="powered-on", force=True)
    assert bench.run("vm_info", name="web")["vm"]["state"] == "running"
    bench.run("vm_state", name="web", state="stopped", shutdown=HARD)
    assert not theirs("vmware.vmware.vm_powerstate", **WEB, state="powered-off")["changed"]

    size = {"cpu": {"cores": 2}, "memory": {"size_mb": 64}}
    where = {"datacenter": "DC0", "cluster": "DC0_C0", "datastore": "LocalDS_0", "folder": "/DC0/vm"}
    made = theirs("vmware.vmware.vm", name="made", guest_id="otherGuest", **where, **size)
    document = bench.run("vm_info", name="made")["vm"]
    assert (document["id"], document["cpus"], document["memory_bytes"]) == (made["vm"]["moid"], 2, 64 * 2**20)
    assert not bench.run("vm", name="made", cpus=2, memory_bytes="64M")["changed"]


def test_copies(bench: Bench, theirs: Theirs, web: str) -> None:
    bench.run("vm", name="ours", clone={"source": {"id": web}})
    seen = theirs("community.vmware.vmware_guest_info", **{**WEB, "name": "ours"})["instance"]
    assert (seen["hw_processor_count"], seen["annotation"]) == (3, "of ours")
    theirs(
        "community.vmware.vmware_guest", **{**WEB, "name": "copy"}, template="web", cluster="DC0_C0", state="poweredoff"
    )
    copy = bench.run("vm_info", name="copy", gather=["config"])["vm"]
    assert (copy["cpus"], copy["memory_bytes"], copy["config"]["notes"]) == (3, 256 * 2**20, "of ours")


def test_custom_attributes(bench: Bench, theirs: Theirs, web: str) -> None:
    theirs("vmware.vmware.vm_custom_attributes", moid=web, attributes={"owner": "jo"})
    assert bench.run("vm_info", name="web", gather=["labels"])["vm"]["labels"] == {"owner": ["jo"]}
    bench.run("vm", name="mine", cluster="DC0_C0", memory_bytes="64M", labels={"owner": "kim"})
    same = {"name": "mine", "datacenter": "DC0", "folder": "/DC0/vm", "attributes": {"owner": "kim"}}
    assert not theirs("vmware.vmware.vm_custom_attributes", **same)["changed"]


@pytest.mark.usefixtures("web")
def test_a_tree_with_siblings(bench: Bench, theirs: Theirs) -> None:
    """Ours and theirs take turns."""
    bench.run("vm_snapshot", name="web", snapshot="base")
    theirs("vmware.vmware.vm_snapshot", **WEB, snapshot_name="a")
    bench.run("vm_snapshot", name="web", snapshot="base", state="reverted")
    bench.run("vm_snapshot", name="web", snapshot="b")
    theirs("vmware.vmware.vm_snapshot_revert", **WEB, snapshot_name="base")
    theirs("community.vmware.vmware_guest_snapshot", **WEB, snapshot_name="c")

    (base,) = bench.run("vm_info", name="web", gather=["snapshots"])["vm"]["snapshots"]
    assert (base["name"], [one["name"] for one in base["children"]]) == ("base", ["a", "b", "c"])
    told = theirs("vmware.vmware.vm_snapshot_info", **WEB)
    seen = {one["name"]: one["parent_id"] for one in told["snapshots"]}
    first = next(one["id"] for one in told["snapshots"] if one["name"] == "base")
    assert seen == {"base": None, "a": first, "b": first, "c": first}
    assert (told["current_snapshot"]["name"], base["children"][2]["current"]) == ("c", True)

    bench.run("vm_snapshot", name="web", snapshot="b", state="absent")
    theirs("vmware.vmware.vm_snapshot", **WEB, snapshot_name="c", state="absent")
    (base,) = bench.run("vm_info", name="web", gather=["snapshots"])["vm"]["snapshots"]
    assert [one["name"] for one in base["children"]] == ["a"]
