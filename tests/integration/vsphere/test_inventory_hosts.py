# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of simulated vCenters and an ESX host, through Ansible's own programs; govc is the witness."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.inventory import Inventory, read
from tests.integration.vsphere.bench import Bench
from tests.lab.commands import wait_until
from tests.lab.vsphere.client import Rule
from tests.lab.vsphere.server import Layout, Simulator

Source = Callable[..., str]
VM = "DC0_C0_RP0_VM0"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Write a source; its connection is `lab` unless others are given."""

    def write(**keys: Any) -> str:
        path = tmp_path / "lab.crossvirt.yml"
        base = {"plugin": "crossvirt.lifecycle.vms", "hypervisors": [{"name": "lab"}]}
        path.write_text(yaml.safe_dump(base | keys))
        return str(path)

    return write


def quiet(bench: Bench, path: str) -> Inventory:
    """Read a source that has nothing to warn of."""
    inventory, warnings = read(bench, path)
    assert warnings == ""
    return inventory


def members(inventory: Inventory, group: str) -> set[str]:
    return set(inventory.get(group, {}).get("hosts", ()))


def facts(inventory: Inventory, host: str) -> dict[str, Any]:
    variables: dict[str, Any] = inventory["_meta"]["hostvars"][host]
    return variables


def address(bench: Bench, name: str) -> list[str]:
    """Return what the guest of a VM says, once it says something."""
    place = f"/DC0/vm/{name}"
    wait_until(lambda: bool(bench.sim.govc.vm(place)["guest"].get("net")), f"an address of {name}")
    return [one for nic in bench.sim.govc.vm(place)["guest"]["net"] for one in nic["ipAddress"]]


def test_it_agrees_with_govc(bench: Bench, source: Source) -> None:
    bench.sim.govc("vm.power", "-off", f"/DC0/vm/{VM}")
    bench.control.reset()
    inventory = quiet(bench, source())
    calls = bench.control.calls()
    assert calls.total <= 8, calls
    assert calls.writes == {}
    known = {path.rpartition("/")[2]: path for path in bench.sim.govc.paths()}
    assert members(inventory, "crossvirt_vsphere") == set(known)
    assert members(inventory, "crossvirt_state_stopped") == {VM}
    assert members(inventory, "crossvirt_cluster_DC0_C0") == {name for name in known if "_C0_" in name}
    assert members(inventory, "crossvirt_host_DC0_H0") == {"DC0_H0_VM0", "DC0_H0_VM1"}
    for name, path in known.items():
        seen, shown = bench.sim.govc.vm(path), facts(inventory, name)
        assert shown["crossvirt_id"] == seen["self"]["value"]
        assert shown["crossvirt_uuid"] == seen["config"]["instanceUuid"]
        assert (shown["crossvirt_path"], shown["crossvirt_folder"]) == (path, "/DC0/vm")


def test_addresses_go_by_rule(bench: Bench, source: Source) -> None:
    """Guests have a link-local address beside another one."""
    told = address(bench, VM)
    (reached,) = [one for one in told if not ip_address(one).is_link_local]
    assert len(told) == 2
    shown = facts(quiet(bench, source(gather=["guest"])), VM)
    assert shown["crossvirt_addresses"] == told
    assert shown["ansible_host"] == reached

    bench.control.addresses(VM, ["fe80::1", "169.254.1.1", "2001:db8::5", "10.9.8.7", "10.9.8.8"])
    assert facts(quiet(bench, source(gather=["guest"])), VM)["ansible_host"] == "10.9.8.7"
    bench.control.addresses(VM, ["fe80::1", "2001:db8::5"])
    assert facts(quiet(bench, source(gather=["guest"])), VM)["ansible_host"] == "2001:db8::5"
    bench.control.addresses(VM, ["169.254.1.1", "fe80::1"])
    assert "ansible_host" not in facts(quiet(bench, source(gather=["guest"])), VM)


def test_tags_and_attributes_make_groups(bench: Bench, source: Source) -> None:
    govc = bench.sim.govc
    govc("tags.category.create", "-t", "VirtualMachine", "-m", "role")
    for role in ("front", "back"):
        govc("tags.create", "-c", "role", role)
        govc("tags.attach", "-c", "role", role, f"/DC0/vm/{VM}")
    govc("fields.add", "-type", "VirtualMachine", "owner")
    govc("fields.set", "owner", "jo of team 7", f"/DC0/vm/{VM}")
    bench.control.reset()
    inventory = quiet(
        bench,
        source(
            gather=["labels"],
            keyed_groups=[
                {"key": "crossvirt_labels.role", "prefix": "role"},
                {"key": "crossvirt_labels.owner", "prefix": "of"},
            ],
        ),
    )
    assert facts(inventory, VM)["crossvirt_labels"] == {"owner": ["jo of team 7"], "role": ["back", "front"]}
    assert members(inventory, "role_front") == members(inventory, "role_back") == {VM}
    assert members(inventory, "of_jo_of_team_7") == {VM}
    asked = [call for call in bench.control.calls().rest.items() if "tag-association" in call[0]]
    assert [count for _call, count in asked] == [1], asked  # for all VMs
    chosen = quiet(bench, source(select={"labels": {"role": "front"}}))
    assert members(chosen, "crossvirt_vsphere") == {VM}


def test_templates_are_told(bench: Bench, source: Source) -> None:
    bench.sim.govc("vm.power", "-off", f"/DC0/vm/{VM}")
    bench.sim.govc("vm.markastemplate", f"/DC0/vm/{VM}")
    inventory = quiet(bench, source(groups={"templates": "crossvirt_template"}))
    assert members(inventory, "templates") == {VM}
    assert facts(inventory, VM)["crossvirt_state"] == "stopped"


def test_a_warm_cache_needs_no_vcenter(bench: Bench, source: Source, tmp_path: Path) -> None:
    path = source(cache=True, cache_plugin="jsonfile", cache_connection=str(tmp_path / "cache"))
    first = quiet(bench, path)
    bench.control.reset()
    assert quiet(bench, path) == first
    assert bench.control.calls().connections == 0
    written = "".join(file.read_text() for file in (tmp_path / "cache").iterdir())
    assert bench.sim.password not in written


def test_a_vcenter_and_a_host_without_one(bench: Bench, source: Source) -> None:
    with Simulator.start(Layout(esx=True, vms=1, on=True, guest="tools")) as esx:
        inventory = quiet(bench, source(hypervisors=[{"name": "lab"}, esx.connection(name="alone")], gather=["labels"]))
        assert esx.control.sessions() == []
        (name,) = (path.rpartition("/")[2] for path in esx.govc.paths())
    alone = facts(inventory, name)
    assert alone["crossvirt_hypervisor"]["hosts"] == [esx.address]
    assert "password" not in alone["crossvirt_hypervisor"]
    assert (alone["crossvirt_cluster"], alone["crossvirt_labels"]) == (None, {})
    assert facts(inventory, VM)["crossvirt_hypervisor"] == "lab"
    assert members(inventory, "crossvirt_vsphere") > {VM, name}


@pytest.mark.parametrize(
    ("other", "suffix"),
    [
        (Layout(name="other", seed="b", vms=1), "_{uuid:.8}"),
        (Layout(name="other", vms=2, hosts=1), "_{uuid:.8}_{host}"),  # a VM of the same uuid on another host
    ],
)
def test_names_that_clash_between_vcenters(bench: Bench, source: Source, other: Layout, suffix: str) -> None:
    name = "DC0_C0_RP0_VM0" if other.seed else "DC0_C0_RP0_VM1"
    with Simulator.start(other) as second:
        inventory = quiet(bench, source(hypervisors=[{"name": "lab"}, second.connection(name="other")]))
    variables = [one for one in inventory["_meta"]["hostvars"].values() if one["crossvirt_name"] == name]
    assert len(variables) == 2
    for one in variables:
        host = name + suffix.format(uuid=one["crossvirt_uuid"], host=one["crossvirt_host"])
        assert facts(inventory, host) == one
    assert name not in inventory["_meta"]["hostvars"]


def test_a_vcenter_that_fails_costs_its_own_vms(bench: Bench, source: Source) -> None:
    with Simulator.start(Layout(name="other", seed="b", vms=1)) as second:
        second.control.faults(Rule(http=503))
        inventory, warnings = read(bench, source(hypervisors=[{"name": "lab"}, second.connection(name="other")]))
        second.control.faults()
        assert second.control.sessions() == []
    assert "ConnectionFailed" in warnings
    assert second.address in warnings
    variables = inventory["_meta"]["hostvars"].values()
    assert {one["crossvirt_hypervisor"] for one in variables} == {"lab"}
    assert all(one["crossvirt_incomplete"] is True for one in variables)


def test_one_task_and_one_login_for_all(bench: Bench, source: Source) -> None:
    """The recipe of docs/inventory.md."""
    for number, name in enumerate((VM, "DC0_H0_VM0")):
        bench.sim.govc("vm.power", "-off", f"/DC0/vm/{name}")
        bench.witness.rename(name, f"it-bulk-{number}")
    bench.control.reset()
    played = bench.play("inventory_bulk.yml", "-i", source())
    assert any(played.changed), played.printed
    assert bench.control.calls().soap["Login"] == 2  # one for the inventory, one for the task
    assert set(bench.witness.states().values()) == {"poweredOn"}
