# SPDX-License-Identifier: GPL-3.0-or-later
"""Which YAML Ansible and our modules accept: plays, tasks, sources, connections files; templates are taken on trust."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.plugins.loader import module_loader
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.connection import KEYS
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.selection import REFS

from tests.unit.test_contract import MODULES, ROOT, documentation, own_options

OURS = "crossvirt.lifecycle."
LISTS_OF_TASKS = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")
PLAYS = {"hosts", "ansible.builtin.import_playbook"}  # what a play has and a task has not
KINDS: dict[str, Any] = {"bool": bool, "int": int, "float": (int, float), "dict": dict}


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
    return [fault for part in yaml.load_all(text, Loader) for fault in faults_of(part)]


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
            role = task[action]["name"].removeprefix(OURS)
            yield from option_faults(task.get("vars", {}), role_options(role), role)
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
        for one in value if isinstance(value, list) and spec.get("type") == "list" else [value]:
            if not is_template(one):
                yield from value_faults(one, spec, f"{where}.{key}")


def value_faults(value: Any, spec: dict[str, Any], where: str) -> Iterator[str]:
    """Yield what is wrong with one value of an option."""
    if spec.get("choices") and value not in spec["choices"]:
        yield f"{where} cannot be {value}"
    if not isinstance(value, KINDS.get(spec.get("type", "str"), object)):
        yield f"{where} is no {spec['type']}: {value!r}"
    elif isinstance(value, dict) and spec.get("suboptions"):
        yield from option_faults(value, spec["suboptions"], where)


def is_template(value: Any) -> bool:
    """Tell whether only Ansible can know what this becomes."""
    return isinstance(value, str) and "{{" in value
