# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes of docs/recipes.md, as they stand there, on a vCenter with the VMs and connections that they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.bench import ROOT, Played
from tests.integration.vsphere.bench import OFF, ON, Bench, connections
from tests.lab.vsphere.lifecycle import define_roles
from tests.lab.vsphere.server import Layout

RECIPES = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs/recipes.md").read_text(), re.MULTILINE | re.DOTALL)
SOURCE = ROOT / "lab.crossvirt.yml"
WEB = ["web1", "web2", "web3"]


@pytest.fixture
def layout() -> Layout:
    return Layout(vms=1, datastores=2, local_datastores=True)


@pytest.fixture
def fleet(bench: Bench) -> Bench:
    """Three web servers that run, and every name of a connection that the recipes have."""
    define_roles(bench.sim.govc)
    connections(bench.folder, dict.fromkeys(("lab", "kvm", "dc1", "dc2"), bench.sim.connection()))
    image = {"storage": "LocalDS_0", "volume": "images/guest.vmdk"}
    vms = [{"name": name, "host": "DC0_C0_H0", "labels": {"role": "web"}} for name in WEB]
    nics = [{"network": "DC0_DVPG0"}]
    options = {"memory_bytes": "128M", "storage": "LocalDS_0", "disks": [{"image": image}], "nics": nics}
    made = bench.run("vm", vms=vms, **options)
    assert "error" not in made, made
    started = bench.run("vm_state", vms=WEB, state="running", wait_for={"guest": True})
    assert "error" not in started, started
    return bench


def play(bench: Bench, first: str, *argv: str) -> Played:
    """Play the recipe whose first task has this name."""
    (recipe,) = [text for text in RECIPES if re.findall(r"- name: (.*)", text)[:1] == [first]]
    if not recipe.startswith("- hosts"):
        tasks = re.sub(r"^(?=.)", "    ", recipe, flags=re.MULTILINE)
        recipe = f"- hosts: localhost\n  gather_facts: false\n  tasks:\n{tasks}"
    file = bench.folder / "recipe.yml"
    file.write_text(recipe)
    return bench.play(file, *argv)


def states(bench: Bench) -> set[str]:
    """Return the states of the web servers, as the witness sees them."""
    return {bench.witness.states()[name] for name in WEB}


def test_one_task_for_the_vms_of_a_play(fleet: Bench) -> None:
    played = play(fleet, "A snapshot of all of them", "-i", str(SOURCE))
    (task,) = played.results
    assert [[vm["name"] for vm in each["vms"]] for each in task["results"]] == [WEB]
    assert task["changed"]


def test_what_failed_is_named(fleet: Bench) -> None:
    play(fleet, "Stop them")
    assert states(fleet) == {OFF}


def test_rolling_restart(fleet: Bench) -> None:
    played = play(fleet, "Restart the web servers")
    assert [vm["after"]["state"] for vm in played.results[0]["vms"]] == ["running"] * 3
    assert states(fleet) == {ON}


def test_several_connections(fleet: Bench) -> None:
    fleet.run("vm_state", name="web2", state="stopped")
    assert play(fleet, "What is down, anywhere").printed.count('"web2"') == 3


def test_connections_file_in_a_vault(fleet: Bench, tmp_path: Path) -> None:
    password = tmp_path / "vault-password"
    password.write_text("of the vault\n")
    vault = fleet.connections_file.rename(fleet.folder / "connections.vault.yml")
    fleet.command("ansible-vault", "encrypt", "--vault-password-file", str(password), str(vault))
    assert vault.read_text().startswith("$ANSIBLE_VAULT")
    played = play(fleet, "Make room for the connections file", "--vault-password-file", str(password))
    assert fleet.sim.password not in played.printed
    assert {vm["name"] for vm in played.results[2]["vms"]} >= set(WEB)
