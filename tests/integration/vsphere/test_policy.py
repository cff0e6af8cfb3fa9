# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy at /etc/crossvirt, tried by another user: no way leads round it, and what it allows still works."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.bench import Result
from tests.integration.vsphere.bench import OFF, SAVED
from tests.integration.vsphere.guarded import Guarded, Way, owner
from tests.integration.vsphere.ways_round import BROKEN, NEW, STRICT, WAYS, Stage, below, expected
from tests.lab.vsphere.server import Layout, Simulator

POLICY = "/etc/crossvirt/policy.yml"
NAMES = ["dc-1", "prod1", "infra1", "app1", "app2", "app3", "web1", "Größe-1", "deaf1", "snapped", "off1", "large1"]
NO_POLICY = (
    "a folder",
    "a link to nothing",
    "a link to itself",
    "a device",
    "no folder",
    "a folder that leads nowhere",
)
OPEN_TO_ALL = ("for everybody to write", "the job's own", "in a folder of the job's", "behind a link of the job's")
PLAYED = (
    "Defaults of modules",
    "The keyword environment",
    "The keyword check_mode",
    "A real run in check mode",
    "In the background",
    "One by one",
    "As arguments in a text",
    "As a template",
    "As a whole dictionary",
    "On another host of the inventory",
)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A vCenter with VMs in all kinds of protection, a host that is another hypervisor, and policies."""
    layout = Layout(vms=len(NAMES), on=True, guest="tools", datastores=2)
    with Simulator.start(layout) as sim, Simulator.start(Layout(esx=True)) as esx, Guarded.on(sim) as bench:
        if not bench.can_mount():
            pytest.skip("this machine gives nobody mounts of their own, so no policy was tried")
        furnish(sim)
        lab = {"type": "vsphere", "hosts": bench.lab["hosts"], "port": bench.lab["port"], "username": sim.username}
        pair = {**lab, "hosts": [*lab["hosts"], "127.0.0.1"]}
        strict = {**STRICT, "allowed": {**STRICT["allowed"], "hypervisors": {"lab": lab}}}
        bench.write("strict", strict)
        anybody = {key: value for key, value in lab.items() if key != "username"}
        bench.write("anybody", {**STRICT, "allowed": {"hypervisors": {"lab": anybody}}})
        bench.write("pair", {**STRICT, "allowed": {"hypervisors": {"pair": pair}}})
        bench.write("root", {"protected": {"folders": ["/DC0/vm"]}, "allowed": {"hypervisors": {"lab": lab}}})
        for name, text in BROKEN.items():
            bench.write(name, text)
        misplace(bench, strict)
        own_files(bench, esx)
        vms = bench.begin_way(Way("vm_info", {"gather": ["labels"]})).result()["vms"]
        with bench.witness.connected() as content:
            token = content.rootFolder._stub.GetSessionId()  # noqa: SLF001 - as pyvmomi's own samples do
            yield Stage(bench, esx, {vm["name"]: vm for vm in vms}, token)


def furnish(sim: Simulator) -> None:
    """Give VMs names, labels, a folder, snapshots and sizes."""
    govc = sim.govc
    for number, name in enumerate(NAMES):
        govc("object.rename", f"/DC0/vm/DC0_C0_RP0_VM{number}", name)
    for category, tags in {"tier": ["production"], "team": ["web", "db", "evil"]}.items():
        govc("tags.category.create", "-m", "-t", "VirtualMachine", category)
        for tag in tags:
            govc("tags.create", "-c", category, tag)
    govc("tags.attach", "-c", "tier", "production", "/DC0/vm/prod1")
    govc("tags.attach", "-c", "team", "web", "/DC0/vm/web1")
    for folder in ("/DC0/vm/infra", "/DC0/vm/infra/deep"):
        govc("folder.create", folder)
    govc("object.mv", "/DC0/vm/infra1", "/DC0/vm/infra/deep")
    govc("vm.power", "-off", "-force", "/DC0/vm/off1", "/DC0/vm/large1")
    govc("vm.change", "-vm", "/DC0/vm/large1", "-c", "8")
    govc("snapshot.create", "-vm", "/DC0/vm/snapped", "one")
    sim.control.guest("deaf1", "none")


def misplace(bench: Guarded, strict: dict[str, Any]) -> None:
    """Make what is no policy although something is there, and policies that a job could change."""
    for name in NO_POLICY[:4]:
        (bench.policies / name).mkdir()
    (bench.policies / "a folder/policy.yml").mkdir()
    for name, target in {
        "a link to nothing": "gone.yml",
        "a link to itself": "policy.yml",
        "a device": "/dev/null",
    }.items():
        (bench.policies / name / "policy.yml").symlink_to(target)
    bench.another_etc("no folder").write_text("")
    bench.another_etc("a folder that leads nowhere").symlink_to("gone")
    bench.write(OPEN_TO_ALL[0], strict).chmod(0o666)
    os.chown(bench.write(OPEN_TO_ALL[1], strict), owner(), -1)
    bench.write(OPEN_TO_ALL[2], strict).parent.chmod(0o777)
    job = bench.folder / "job"
    job.mkdir()
    os.chown(job, owner(), -1)
    (bench.policies / OPEN_TO_ALL[3]).mkdir()
    (bench.policies / OPEN_TO_ALL[3] / "policy.yml").symlink_to(job / "link.yml")
    (job / "link.yml").symlink_to(bench.policies / "strict/policy.yml")


def own_files(bench: Guarded, esx: Simulator) -> None:
    """Lay out what a job could bring: connections, policies and libraries of its own, and a home."""
    for place in ("own/.config/crossvirt", "own/crossvirt", "own/etc/crossvirt", "nobody"):
        (bench.folder / place).mkdir(parents=True)
        (bench.folder / place / "policy.yml").write_text("{}")
    entries = {"hypervisors": {"lab": esx.connection(), "policy": {}}, "policy": {}}
    (bench.folder / "own/.config/crossvirt/connections.yml").write_text(yaml.safe_dump(entries))
    library = bench.folder / "own/ansible_collections/crossvirt/lifecycle/plugins/module_utils"
    library.mkdir(parents=True)
    (library / "policy.py").write_text("def load(warn):\n    return None\n")
    for one in [bench.folder / "own", bench.folder / "nobody", *(bench.folder / "own").rglob("*")]:
        os.chown(one, owner(), -1)
        one.chmod(0o700 if one.is_dir() else 0o600)


@pytest.fixture(scope="module")
def tried(stage: Stage) -> dict[str, Result]:
    """Try everything once, a few at a time, with nothing changed by any of it."""
    bench = stage.bench
    before = bench.picture()
    bench.control.reset()
    ways = {name: way(stage) for name, way in WAYS.items()}
    ways |= {name: below(name)(stage) for name in (*BROKEN, *NO_POLICY)}
    ways |= {name: Way("vm_state", {"name": "dc-1", "state": "suspended"}, policy=name) for name in OPEN_TO_ALL}
    results = bench.run_all(ways) | played(bench)
    assert bench.control.writes() == {}
    assert stage.esx.control.writes() == {}
    assert bench.picture() == before
    return results


def played(bench: Guarded) -> dict[str, Result]:
    """Play a playbook with an ansible.cfg of its own, in a folder with a policy of its own."""
    bench.policy = "strict"
    cfg = bench.folder / "own/ansible.cfg"
    cfg.write_text("[defaults]\nlocalhost_warning = false\n[crossvirt]\npolicy = ./etc/crossvirt/policy.yml\n")
    environ = {
        "ANSIBLE_CONFIG": str(cfg),
        "ANSIBLE_COLLECTIONS_PATH": str(Path(__file__).parents[3] / ".collections"),
        "RECORD_TO": str(bench.folder / "nobody/results"),
    }
    bench.command(
        "ansible-playbook",
        str(Path(__file__).parents[1] / "playbooks/policy_ways.yml"),
        *("-e", json.dumps({"own": str(bench.folder / "own"), "new": NEW})),
        environ=environ,
    )
    lines = (bench.folder / "nobody/results").read_text().splitlines()
    results = {result["task"]: result for result in map(json.loads, lines)}
    return {task: result.get("results", [result])[0] for task, result in results.items()}


@pytest.mark.parametrize("name", [*WAYS, *BROKEN, *NO_POLICY, *OPEN_TO_ALL, *PLAYED])
def test_no_way_leads_round_a_policy(tried: dict[str, Result], name: str) -> None:
    result = tried[name]
    assert result.get("error") == "PolicyRefused", result
    assert POLICY in result["msg"]
    assert any(words in result["msg"] for words in expected(name)), result["msg"]
    assert not result["changed"]
    assert not any(vm["changed"] or vm["steps"] for vm in result["vms"])


@pytest.mark.skipif(os.geteuid() != 0, reason="without root a job is its own root, and owns everything")
@pytest.mark.parametrize("name", [*WAYS, *OPEN_TO_ALL])
def test_a_policy_that_a_job_could_change_is_warned_of(tried: dict[str, Result], name: str) -> None:
    warned = "does not bind the account" in json.dumps(tried[name].get("warnings", []))
    assert warned is (name in OPEN_TO_ALL)


@pytest.mark.parametrize("policy", ["strict", "empty", "a link to nothing"])
def test_reading_is_nobody_s_concern(stage: Stage, policy: str) -> None:
    result = stage.bench.begin_way(Way("vm_info", {"name": "dc-1"}, policy=policy)).result()
    assert result["vm"]["name"] == "dc-1"


def test_what_a_policy_allows_works(stage: Stage) -> None:
    """Also for a VM that is protected, as long as nothing has to be changed."""
    bench = stage.bench

    def run(module: str, **options: Any) -> Result:
        result = bench.begin_way(Way(module, options)).result()
        assert "error" not in result, result
        return result

    assert not run("vm_state", vms=["dc-1", "prod1", "infra1"], state="running")["changed"]
    assert run("vm_state", vms=["app1", "app2"], state="suspended")["changed"]
    assert run("vm_snapshot", name="web1", snapshot="before")["changed"]
    assert run("vm", name="new1", **{**NEW, "labels": {"team": "web"}})["changed"]
    assert run("vm", name="new2", clone={"source": {"name": "app3"}}, labels={"team": "db"})["changed"]
    assert run("vm_migrate", name="app3", target={"host": other_host(stage, "app3"), "name": "app9"})["changed"]
    states = bench.witness.states()
    assert [states[name] for name in ("app1", "app2", "new1", "new2")] == [SAVED, SAVED, OFF, OFF]
    assert "app9" in states


def other_host(stage: Stage, name: str) -> str:
    """Return the cluster's host where a VM is not."""
    return next(host for host in ("DC0_C0_H0", "DC0_C0_H1") if host != stage.vms[name]["host"])


def test_what_a_policy_costs(stage: Stage) -> None:
    """Labels are read of the VMs that change alone, and quotas are one reading of the fleet for all new VMs."""
    bench = stage.bench
    calls = {}
    for policy in ("none", "strict"):
        bench.control.reset()
        bench.begin_way(Way("vm_state", {"name": "web1", "state": "running"}, policy=policy)).result()
        calls[policy] = bench.control.calls().total
    assert calls["none"] == calls["strict"]
