# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/contract.md are played, each task through its own module, and give the results shown."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants
from ansible.inventory.data import InventoryData
from ansible.inventory.host import Host
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.doc_fragments import constructed, inventory_cache
from ansible_collections.crossvirt.lifecycle.plugins.inventory import vms
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import runner
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.policy import PATH
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.policy_file import policy_from

from tests.unit.contract_page import SECTIONS, words
from tests.unit.harness import run
from tests.unit.machines import GIB, Volume
from tests.unit.memory import drivers_of
from tests.unit.world import World

SHOWN = {
    heading.rpartition(" ")[2]: section.examples for heading, section in SECTIONS.items() if "Example of" in heading
}
MODULES = sorted(SHOWN.keys() - {"inventory"})


def fleet() -> World:
    """Return the hypervisor that all examples play on."""
    world = World("kvm1", "kvm2")
    world.sites["kvm1"].volumes["default"]["debian-12.qcow2"] = Volume(2 * GIB)
    for row in SECTIONS["The VMs of the examples"].rows:
        facts = {key: int(row[key]) for key in ("cpus", "memory_bytes")}
        labels = {key: [value] for key, value in [row["labels"].split(": ")]}
        machine = world.add(words(row["VM"])[0], row["host"], row["state"], uuid=row["uuid"], labels=labels, **facts)
        for name in words(row["snapshots"]):
            world.snap(machine, name)
    return world


def completed(shown: dict[str, Any]) -> dict[str, Any]:
    """Return a result with what an example leaves out: the diff, and the only VM, or host, once more."""
    key = "vm" if "vms" in shown else "host"
    subjects = shown.get(f"{key}s", [])
    changes = "steps" in (subjects or [{}])[0]
    only = {key: subjects[0]} if len(subjects) == 1 and (changes or key == "vm") else {}
    if not changes:
        return only | shown
    titles = [f"{one['name']} ({one['id']})" if "id" in one else one["name"] for one in subjects]
    diff = [
        {"before_header": title, "after_header": title, "before": one["before"], "after": one["after"]}
        for title, one in zip(titles, subjects, strict=True)
        if one["changed"]
    ]
    return {"diff": diff, **only, **shown}


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The connections file that all examples name."""
    path = tmp_path / "connections.yml"
    path.write_text(yaml.safe_dump({"hypervisors": {"kvm": {"type": "libvirt", "hosts": ["kvm1", "kvm2"]}}}))
    monkeypatch.setenv("CROSSVIRT_CONNECTIONS", str(path))


@pytest.mark.parametrize("module", MODULES)
def test_task_gives_the_result_shown(module: str) -> None:
    ((task,), shown) = SHOWN[module]
    options, check_mode = task[f"crossvirt.lifecycle.{module}"], task.get("check_mode", False)
    result = run(module, options, check_mode=check_mode, drivers=drivers_of(fleet()))
    assert {key: value for key, value in result.items() if key not in ("invocation", "warnings")} == completed(shown)


def test_policy_forbids_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    (keys,) = SECTIONS["12. Guard policy"].examples
    keys["allowed"]["hypervisors"]["kvm"]["hosts"] = ["kvm1", "kvm2"]
    policy = policy_from(yaml.safe_dump(keys), PATH)
    monkeypatch.setattr(runner, "load", lambda _warn: policy)
    (task,), shown = SECTIONS["A task that a policy forbids"].examples
    result = run("vm_state", task["crossvirt.lifecycle.vm_state"], drivers=drivers_of(fleet()))
    assert {key: value for key, value in result.items() if key not in ("invocation", "warnings", "failed")} == {
        "diff": [],
        **shown,
    }


def test_source_gives_the_inventory_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source, shown = SHOWN["inventory"]
    path = tmp_path / "page.crossvirt.yml"
    path.write_text(yaml.safe_dump(source))
    monkeypatch.setattr(vms.InventoryModule, "drivers", staticmethod(drivers_of(fleet())))
    inventory = InventoryData()
    inventory_plugin().parse(inventory, DataLoader(), str(path))  # type: ignore[no-untyped-call]
    assert {name: plain_variables(host) for name, host in inventory.hosts.items()} == shown["hosts"]
    groups = {name: [host.name for host in group.hosts] for name, group in inventory.groups.items()}
    assert groups == {"all": [], "ungrouped": [], **shown["groups"]}


def inventory_plugin() -> vms.InventoryModule:
    """Return the plugin with its options defined, which Ansible's loader does elsewhere."""
    texts = [vms.DOCUMENTATION, *(one.ModuleDocFragment.DOCUMENTATION for one in (constructed, inventory_cache))]
    options = {key: option for text in texts for key, option in yaml.safe_load(text)["options"].items()}
    plugin, name = vms.InventoryModule(), vms.InventoryModule.NAME
    constants.config.initialize_plugin_configuration_definitions("inventory", name, options)  # type: ignore[no-untyped-call]
    plugin._load_name = name  # noqa: SLF001
    return plugin


def plain_variables(host: Host) -> dict[str, Any]:
    """Return the variables that the plugin gave."""
    return {key: value for key, value in host.vars.items() if not key.startswith("inventory_")}
