# SPDX-License-Identifier: GPL-3.0-or-later
"""Every block of YAML in our pages is something that Ansible and our modules accept, templates taken on trust."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.plugins.loader import module_loader
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.connection import KEYS
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.selection import REFS

from tests.unit.test_contract import MODULES, ROOT, documentation, own_options

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = "crossvirt.lifecycle."
LISTS_OF_TASKS = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")
PLAYS = {"hosts", "ansible.builtin.import_playbook"}  # what a play has and a task has not
BLOCKS = [
    pytest.param(text, id=f"{page.name}:{page.read_text()[: match.start()].count(chr(10)) + 1}")
    for page in PAGES
    for match in re.finditer(r"^( *)```yaml\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    for text in [match[2]]
]


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it, with secrets that nobody opens."""


Loader.add_constructor("!vault", lambda loader, node: "{{ secret }}")


@cache
def role_options(name: str) -> dict[str, Any]:
    """Return the arguments of one of our roles."""
    specs = yaml.safe_load((ROOT / "roles" / name / "meta/argument_specs.yml").read_text())["argument_specs"]
    found: dict[str, Any] = specs["main"]["options"]
    return found


def wrong(text: str) -> list[str]:
    """Return what is wrong with a block."""
    return [fault for part in yaml.load_all(text, Loader) for fault in faults_of(part)]  # noqa: S506


def faults_of(part: Any) -> Iterator[str]:
    """Tell what kind of document this is, and yield its faults."""
    if isinstance(part, list):
        for one in part:
            yield from play_faults(one) if one.keys() & PLAYS else task_faults(one)
    elif isinstance(part.get("hypervisors"), dict):
        for name, keys in part["hypervisors"].items():
            yield from (f"{name}: unknown key {key}" for key in keys.keys() - KEYS[keys["type"]])
    elif "plugin" in part or part.keys() <= inventory_options().keys():
        yield from option_faults(part, inventory_options(), "inventory")
    elif part.keys() == {"hypervisor"}:
        yield from option_faults(part, module_options("vm_info"), "hypervisor")
    elif part.keys() == {"module_defaults"}:
        yield from play_faults(part)
    elif OURS in str(part):  # all else is a result, which test_contract_examples gets, or a file of somebody else
        yield f"nobody knows what this is: {sorted(part)}"


def play_faults(play: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a play."""
    yield from (f"no keyword of a play: {key}" for key in play.keys() - Play.fattributes.keys() - PLAYS)
    for name in PLAYS - {"hosts"} & play.keys():
        if not (ROOT / "playbooks" / f"{play[name].removeprefix(OURS)}.yml").is_file():
            yield f"no playbook {play[name]}"
    yield from nested_faults(play)


def nested_faults(holder: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the tasks and defaults inside a play or a block."""
    for group, options in holder.get("module_defaults", {}).items():
        assert group == f"group/{OURS}all"
        yield from option_faults(options, module_options("vm_info"), group)
    for key in LISTS_OF_TASKS:
        for task in holder.get(key, []):
            yield from task_faults(task)


def task_faults(task: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a task."""
    if "block" in task:
        yield from (f"no keyword of a block: {key}" for key in task.keys() - Block.fattributes.keys())
        yield from nested_faults(task)
        return
    actions = task.keys() - Task.fattributes.keys()
    if len(actions) != 1:
        yield f"a task has one action, and not {sorted(actions)}"
        return
    (action,) = actions
    short = action.removeprefix(OURS)
    if action.startswith("ansible.builtin."):
        if short.endswith("_role") and task[action]["name"].startswith(OURS):
            yield from option_faults(task.get("vars", {}), role_options(task[action]["name"].removeprefix(OURS)), action)
        elif module_loader.find_plugin(action) is None:  # type: ignore[no-untyped-call]
            yield f"no module {action}"
    elif short in MODULES and action != short:
        yield from option_faults(task[action], module_options(short), short)
        yield from entry_faults(task[action].get("vms"), short)
    else:
        yield f"no module {action}"


def entry_faults(entries: Any, module: str) -> Iterator[str]:
    """Yield what is wrong with the entries of `vms`, which may carry a module's own options."""
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            own = {key: value for key, value in entry.items() if key not in REFS}
            yield from option_faults(own, {key: module_options(module)[key] for key in own_options(module)}, module)


def module_options(module: str) -> dict[str, Any]:
    found: dict[str, Any] = documentation()[module]["doc"]["options"]
    return found


def inventory_options() -> dict[str, Any]:
    found: dict[str, Any] = documentation("inventory")["vms"]["doc"]["options"]
    return found


def option_faults(given: Any, known: dict[str, Any], where: str) -> Iterator[str]:
    """Yield options that nobody knows, and values that are none of the choices or of another kind."""
    if is_template(given):
        return
    for key, value in given.items():
        if key not in known:
            yield f"{where}: unknown option {key}"
            continue
        spec = known[key]
        kind = spec.get("type", "str")
        values = value if isinstance(value, list) and kind == "list" else [value]
        for one in values:
            if is_template(one):
                continue
            if spec.get("choices") and one not in spec["choices"]:
                yield f"{where}: {key} cannot be {one}"
            if kind in ("bool", "int", "float", "dict") and not isinstance(one, {"bool": bool, "dict": dict}.get(kind, (int, float))):
                yield f"{where}: {key} is no {kind}: {one!r}"
            if isinstance(one, dict) and spec.get("suboptions"):
                yield from option_faults(one, spec["suboptions"], f"{where}.{key}")


def is_template(value: Any) -> bool:
    """Tell whether only Ansible can know what this becomes."""
    return isinstance(value, str) and "{{" in value


@pytest.mark.parametrize("text", BLOCKS)
def test_block_is_accepted(text: str) -> None:
    assert wrong(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "- crossvirt.lifecycle.vm_state: {name: web1, state: of}",
        "- crossvirt.lifecycle.vm_state: {nam: web1, state: running}",
        "- crossvirt.lifecycle.vm_state: {name: web1, state: stopped, shutdown: {timeout: 3}}",
        "- crossvirt.lifecycle.vm: {vms: [{name: web1, cpu: 1}]}",
        "- crossvirt.lifecycle.vm_power: {name: web1}",
        "- vm_state: {name: web1, state: running}",
        "- {ansible.builtin.debug: {}, unles: true}",
        "- {hosts: all, task: []}",
        "plugin: crossvirt.lifecycle.vms\nselects: {}",
        "hypervisors: {kvm: {type: libvirt, port: 1}}",
        "plug: crossvirt.lifecycle.vms",
        "- {ansible.builtin.import_playbook: crossvirt.lifecycle.dem}",
    ],
)
def test_faults_are_found(text: str) -> None:
    assert len(wrong(text)) == 1


def test_pages_have_blocks() -> None:
    assert {Path(block.id or "").name.partition(":")[0] for block in BLOCKS} >= {"contract.md", "recipes.md", "README.md"}
