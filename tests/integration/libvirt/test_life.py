# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of two VMs by playbooks: each is told in check mode, done, and done again with nothing left to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.bench import Result, steps_of
from tests.integration.libvirt.bench import Bench

pytestmark = pytest.mark.usefixtures("alone")
LIFE = {"it-life1": "kvm1", "it-life2": "kvm2"}
CONTENT = "/data/text"


@pytest.fixture(scope="module", autouse=True)
def clean(bench: Bench) -> Iterator[None]:
    """Whatever a test that failed has left goes."""
    yield
    bench.machines.clear("it-life")


def done(bench: Bench, playbook: str, **extra: Any) -> Result:
    """Play in check mode, which changes nothing, then really, with what was told; return the result."""
    before = bench.machines.picture()
    check = bench.play(playbook, "--check", "--diff", **extra).results[0]
    assert bench.machines.picture() == before
    real: Result = bench.play(playbook, "--diff", **extra).results[0]
    assert check["changed"] is real["changed"] is True
    assert [[action for action, _none in steps] for steps in steps_of(check)] == [
        [action for action, outcome in steps if outcome == "done"] for steps in steps_of(real)
    ]
    diffs = [[(one["before"], one["after"]) for one in result["diff"]] for result in (check, real)]
    assert diffs[0] == diffs[1] == [(vm["before"], vm["after"]) for vm in real["vms"]]
    return real


def done_for_good(bench: Bench, playbook: str, **extra: Any) -> Result:
    """Play as above, and once more: nothing is left to do."""
    real = done(bench, playbook, **extra)
    again = bench.play(playbook, "--diff", **extra).results[0]
    assert (again["changed"], steps_of(again), again["diff"]) == (False, [[]] * len(again["vms"]), [])
    return real


def write(bench: Bench, text: str) -> None:
    bench.lab.guest_exec("kvm1", "it-life1", "/bin/sh", "-c", f"echo {text} > {CONTENT} && sync")


def content(bench: Bench) -> str:
    bench.lab.wait_for_agent("kvm1", "it-life1")
    return bench.lab.guest_exec("kvm1", "it-life1", "/bin/cat", CONTENT)


def test_create(bench: Bench) -> None:
    result = done_for_good(bench, "create.yml", image=bench.lab.facts["guest"]["volume"])
    assert {vm["name"]: vm["host"] for vm in result["vms"]} == LIFE
    assert {name: bench.machines.state(host, name) for name, host in LIFE.items()} == dict.fromkeys(LIFE, "shut off")


def test_start_and_wait(bench: Bench) -> None:
    done_for_good(bench, "start.yml")
    for name, host in LIFE.items():
        assert "lab-" in bench.lab.guest_exec(host, name, "/bin/hostname")


def test_read(bench: Bench) -> None:
    played = bench.play("read.yml", vms=list(LIFE))
    assert not any(played.changed)
    vms, hosts, hypervisors = played.results
    facts = bench.lab.facts["guest"]
    for vm in vms["vms"]:
        uuid = bench.lab.virsh(LIFE[vm["name"]], "domuuid", vm["name"])
        assert (vm["uuid"], vm["host"], vm["state"]) == (uuid, LIFE[vm["name"]], "running")
        assert (vm["cpus"], vm["memory_bytes"]) == (1, facts["memory_bytes"])
        assert (vm["config"]["notes"], vm["config"]["firmware"]) == ("Played by a test", "bios")
        (disk,), (nic,) = vm["disks"], vm["nics"]
        assert (disk["storage"], disk["size_bytes"]) == ("default", facts["virtual_bytes"])
        assert nic["mac"] in bench.lab.virsh(vm["host"], "domiflist", vm["name"])
        assert vm["guest"]["hostname"] == f"lab-{nic['mac'].replace(':', '')}"
        assert [one["address"] for one in vm["guest"]["addresses"] if "." in one["address"]]
        assert vm["snapshots"] == []
    assert [vm["labels"] for vm in vms["vms"]] == [{"role": ["first", "web"]}, {"role": ["web"]}]
    assert [host["name"] for host in hosts["hosts"]] == ["kvm1", "kvm2"]
    assert {(one["name"], one["endpoint"]) for one in hosts["storage"]} >= {
        (name, uri) for name in ("default", "fast") for uri in bench.lab.connection("lab")["hosts"]
    }
    assert [one["host"] for one in hypervisors["hypervisors"]] == ["kvm1", "kvm2"]


def test_siblings_hold_what_the_guest_held(bench: Bench) -> None:
    write(bench, "one")
    assert steps_of(done_for_good(bench, "snapshot.yml", snapshot="base")) == [[("create_snapshot", "done")]]
    write(bench, "two")
    bench.play("snapshot.yml", snapshot="nightly-1")
    write(bench, "three")
    back = done(bench, "revert.yml", snapshot="base")
    assert (back["vm"]["after"]["state"], content(bench)) == ("running", "one")
    write(bench, "four")
    bench.play("snapshot.yml", snapshot="nightly-2")
    bench.play("revert.yml", snapshot="nightly-1")
    assert content(bench) == "two"
    (base,) = bench.run("vm_info", name="it-life1", gather=["snapshots"])["vms"][0]["snapshots"]
    assert (base["name"], base["description"]) == ("base", "Before base")
    children = sorted((one["name"], one["current"]) for one in base["children"])
    assert children == [("nightly-1", True), ("nightly-2", False)]
    bench.play("revert.yml", snapshot="nightly-2")
    assert content(bench) == "four"


def test_retention(bench: Bench) -> None:
    result = done_for_good(bench, "prune.yml")
    assert [step["snapshot"] for step in result["vm"]["steps"]] == ["nightly-1"]
    assert bench.lab.virsh("kvm1", "snapshot-list", "it-life1", "--name").split() == ["base", "nightly-2"]
    assert content(bench) == "four"


def test_bulk(bench: Bench) -> None:
    assert steps_of(done_for_good(bench, "power.yml", state="paused")) == [[("pause", "done")]] * 2
    assert steps_of(bench.play("power.yml", state="running").results[0]) == [[("resume", "done")]] * 2


def test_shut_down_and_remove(bench: Bench) -> None:
    assert "it-life1" in bench.lab.virsh("kvm1", "vol-list", "default")
    assert steps_of(done_for_good(bench, "power.yml", state="stopped")) == [[("shutdown", "done")]] * 2
    done(bench, "forget.yml")
    assert bench.lab.virsh("kvm1", "snapshot-list", "it-life1", "--name") == ""
    done_for_good(bench, "remove.yml")
    for name, host in LIFE.items():
        assert name not in bench.lab.virsh(host, "list --all; vol-list default")
