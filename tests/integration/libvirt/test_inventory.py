# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of the lab's hosts, through Ansible's own programs; virsh and the proxies are the witnesses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.bench import ROOT
from tests.integration.inventory import read
from tests.integration.libvirt.bench import Bench
from tests.lab.commands import wait_until

pytestmark = pytest.mark.usefixtures("alone")
HOSTS = ("kvm1", "kvm2")
READING = {"connect_get_all_domain_stats": 1, "connect_list_all_domains": 2}
Source = Callable[..., str]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Write a source; its connections are those with proxies unless others are given."""

    def write(**keys: Any) -> str:
        path = tmp_path / "lab.crossvirt.yml"
        hypervisors = [{"name": f"{host}-proxy"} for host in HOSTS]
        path.write_text(yaml.safe_dump({"plugin": "crossvirt.lifecycle.vms", "hypervisors": hypervisors} | keys))
        return str(path)

    return write


@pytest.fixture(scope="module")
def many(bench: Bench) -> Iterator[list[str]]:
    """Stopped VMs, three on each host."""
    names = {f"it-bulk-{host}-{number}": host for host in HOSTS for number in range(3)}
    for name, host in names.items():
        bench.machines.bare(host, name)
    yield list(names)
    for name, host in names.items():
        bench.machines.remove(host, name)


def test_it_agrees_with_virsh(bench: Bench, source: Source, many: list[str]) -> None:
    inventory, _warnings = read(bench, source())
    for host in HOSTS:
        names = bench.lab.virsh(host, "list", "--all", "--name").split()
        assert sorted(inventory[f"crossvirt_host_{host}"]["hosts"]) == sorted(names)
    for name in many:
        facts = inventory["_meta"]["hostvars"][name]
        assert facts["crossvirt_uuid"] == bench.lab.virsh(facts["crossvirt_host"], "domuuid", name)
        assert facts["crossvirt_hypervisor"] == f"{facts['crossvirt_host']}-proxy"
        assert name in inventory["crossvirt_state_stopped"]["hosts"]


@pytest.mark.usefixtures("many")
def test_a_fleet_is_read_in_three_calls(bench: Bench, source: Source) -> None:
    with bench.lab.counting() as calls:
        read(bench, source())
    assert calls.connections == len(HOSTS)
    assert {name: calls.by_name[name] for name in READING} == {name: count * 2 for name, count in READING.items()}
    assert not {name for name in calls.by_name if name.startswith("domain_")}
    assert calls.writes == {}


def test_one_task_and_one_login_per_connection(bench: Bench, source: Source, many: list[str]) -> None:
    """The recipe of docs/inventory.md, beside a task per host."""
    logins = {}
    for playbook, state in (("inventory_bulk.yml", "running"), ("inventory_per_host.yml", "shut off")):
        with bench.lab.counting() as calls:
            played = bench.play(playbook, "-i", source())
        logins[playbook] = calls.connections - len(HOSTS)  # without those of the inventory itself
        assert any(played.changed), played.printed
        states = {bench.machines.state(name.split("-")[2], name) for name in many}
        assert states == {state}
    assert logins == {"inventory_bulk.yml": len(HOSTS), "inventory_per_host.yml": len(many)}


def test_the_recipe_is_the_one_of_the_page() -> None:
    page = (ROOT / "docs" / "inventory.md").read_text()
    (recipe,) = (block for block in page.split("```") if block.startswith("yaml\n") and "ansible_play_hosts" in block)
    (shown,) = yaml.safe_load(recipe.removeprefix("yaml\n"))[0]["tasks"]
    playbook = yaml.safe_load((ROOT / "tests/integration/playbooks/inventory_bulk.yml").read_text())
    (played,) = playbook[0]["tasks"]
    assert shown == played


def test_a_guest_is_reached_at_its_address(bench: Bench, source: Source, guest: str) -> None:
    network = ip_network(bench.lab.facts["hosts"]["kvm1"]["subnet"])

    def known() -> list[str]:
        words = bench.lab.virsh("kvm1", "domifaddr", guest, "--source", "agent").replace("/", " ").split()
        return [word for word in words if word.count(".") == 3 and ip_address(word) in network]

    wait_until(lambda: known() != [], f"an address of {guest}")
    inventory, _warnings = read(bench, source(gather=["guest"], select={"name": guest}))
    facts = inventory["_meta"]["hostvars"][guest]
    assert [facts["ansible_host"]] == known()
    assert facts["ansible_host"] in facts["crossvirt_addresses"]


def test_names_mean_nothing_to_ansible(bench: Bench, source: Source) -> None:
    names = {"it-{{ 6 * 7 }}": "it-___6___7___", "it-a b,c": "it-a_b_c", "it-'q\"": "it-_q_", "it-größe": "it-größe"}
    for name in names:
        bench.machines.bare("kvm1", name)
    try:
        played = bench.play("inventory_names.yml", "-i", source(select={"name": "it-[!b]*"}))
    finally:
        for name in names:
            bench.machines.remove("kvm1", name)
    shown = {tuple(result["msg"][:2]) for result in played.results}
    assert {(host, name) for name, host in names.items()} <= shown


def test_a_host_that_refuses_costs_a_warning(bench: Bench, source: Source, many: list[str]) -> None:
    inventory, warnings = read(bench, source(hypervisors=[{"name": "kvm1-proxy"}, {"name": "refused"}]))
    assert "ConnectionFailed" in warnings
    assert "16699" in warnings
    facts = inventory["_meta"]["hostvars"]
    assert {name for name in many if "kvm1" in name} <= set(facts)
    assert all(one["crossvirt_incomplete"] is True for one in facts.values())


def test_a_warm_cache_needs_no_host(bench: Bench, source: Source, tmp_path: Path) -> None:
    path = source(cache=True, cache_plugin="jsonfile", cache_connection=str(tmp_path / "cache"))
    first, _warnings = read(bench, path)
    with bench.lab.counting() as calls:
        assert read(bench, path)[0] == first
    assert calls.connections == 0


def test_the_labs_own_source(bench: Bench, many: list[str]) -> None:
    inventory, warnings = read(bench, str(ROOT / "lab.crossvirt.yml"))
    assert set(many) <= set(inventory["crossvirt_libvirt"]["hosts"])
    assert warnings == ""


@pytest.mark.parametrize("action", ["cut", "hang"])
def test_a_host_that_is_lost_meanwhile_costs_its_own_vms(
    bench: Bench, source: Source, many: list[str], action: str
) -> None:
    proxy = bench.lab.proxy("kvm2")
    proxy.trap(action, procedure="connect_get_all_domain_stats")
    try:
        inventory, warnings = read(bench, source(hypervisors=[{"name": "lab-proxy"}]))
    finally:
        proxy.heal()
    assert "ConnectionFailed" in warnings
    facts = inventory["_meta"]["hostvars"]
    assert {name for name in many if name in facts} == {name for name in many if "kvm1" in name}
    assert all(one["crossvirt_incomplete"] is True for one in facts.values())


def test_a_module_goes_on_without_a_host_that_is_lost(bench: Bench, many: list[str]) -> None:
    proxy = bench.lab.proxy("kvm2")
    proxy.trap("cut", procedure="connect_get_all_domain_stats")
    try:
        result = bench.run("vm_info", hypervisor={"name": "lab-proxy", "unreachable": "warn"})
    finally:
        proxy.heal()
    names = {vm["name"] for vm in result["vms"]}
    assert names & set(many) == {name for name in many if "kvm1" in name}
    assert len(result["warnings"]) == 1
