# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports run one way, few files know Ansible, and an SDK is imported where it is needed."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
UTILS = PLUGINS / "module_utils"
ROOMS = [
    {"model"},
    {"errors"},
    {"support"},
    {"driver"},
    {"steps", "plan"},
    {"planning"},
    {"connection", "selection", "registry", "movers", "policy", "policy_file"},
    {"endpoints"},
    {"apply", "places", "reading"},
    {"placement"},
    {"report", "creation", "migration", "whereabouts", "guard", "engine", "hosts", "listing"},
    {"runner"},
]
RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}
SHARED_WITH_DRIVERS = {"model", "errors", "driver", "support"}
FROM_ANSIBLE = {
    "runner.py": {
        "ansible.module_utils.basic.AnsibleModule",
        "ansible.module_utils.common.arg_spec.ArgumentSpecValidator",
    },
    "session.py": {"ansible.module_utils.basic.missing_required_lib"},
}
every_file = pytest.mark.parametrize(
    "path", sorted(UTILS.rglob("*.py")), ids=lambda path: path.relative_to(UTILS).as_posix()
)


def imports(path: Path, *, lazy: bool) -> Iterator[str]:
    """Full names of what a file imports: at its top level, or also inside functions."""
    folder = path.relative_to(PLUGINS.parent).parent.parts
    nodes: list[ast.AST] = [ast.parse(path.read_text())]
    for node in nodes:
        if lazy or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = folder[: len(folder) + 1 - node.level] if node.level else ()
            start = [*package, node.module] if node.module else package
            yield from (".".join([*start, name.name]) for name in node.names)


@every_file
def test_imports_run_one_way(path: Path) -> None:
    room, *inside = path.relative_to(UTILS).with_suffix("").parts
    ours = [name.partition("plugins.module_utils.")[2] for name in imports(path, lazy=True) if "plugins." in name]
    for target, *rest in (name.split(".") for name in ours):
        if room == "drivers":
            assert target in SHARED_WITH_DRIVERS or (target == "drivers" and rest[0] == inside[0]), target
        elif target == "drivers":
            assert room in ("registry", "movers")
        else:
            assert RANK[target] <= RANK[room], target


@every_file
def test_only_the_runner_knows_ansible_and_no_sdk_is_imported_at_the_top(path: Path) -> None:
    known = {*sys.stdlib_module_names, "plugins"}
    foreign = {name for name in imports(path, lazy=False) if name.partition(".")[0] not in known}
    assert foreign <= FROM_ANSIBLE.get(path.name, set())
    assert not any(name.startswith("ansible.") for name in set(imports(path, lazy=True)) - foreign)


@every_file
def test_nothing_is_imported_inside_a_match(path: Path) -> None:
    """ansible-core 2.21 would not ship it with a module."""
    matches = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Match)]
    inside = [node for match in matches for node in ast.walk(match)]
    assert not [node for node in inside if isinstance(node, ast.Import | ast.ImportFrom)]


def sent_with(module: str) -> set[str]:
    """Return the files of ours that Ansible sends with a module: whatever an import names, wherever it stands."""
    found: set[str] = set()
    waiting = [PLUGINS / "modules" / f"{module}.py"]
    while waiting:
        for name in imports(waiting.pop(), lazy=True):
            inside = name.partition("plugins.module_utils.")[2]
            for parts in (inside.split("."), inside.split(".")[:-1]):
                path = UTILS.joinpath(*parts).with_suffix(".py")
                if inside and path.is_file() and str(path.relative_to(UTILS)) not in found:
                    found.add(str(path.relative_to(UTILS)))
                    waiting.append(path)
    return found


@pytest.mark.parametrize("module", ["vm_state", "vm_snapshot", "vm", "vm_info", "hypervisor_info"])
def test_what_moves_vms_is_sent_only_with_who_moves_them(module: str) -> None:
    everywhere = sent_with("vm_migrate")
    assert {"drivers/libvirt/moves.py", "drivers/vsphere/moves.py", "drivers/libvirt/live_move.py"} <= everywhere
    assert not {one for one in sent_with(module) if one.endswith(("/moves.py", "_move.py", "migration.py"))}


def test_every_file_is_sent_with_a_module_or_belongs_to_the_inventory() -> None:
    sent = set().union(*(sent_with(path.stem) for path in (PLUGINS / "modules").glob("*.py")))
    assert {path.relative_to(UTILS).as_posix() for path in UTILS.rglob("*.py")} - sent == {"listing.py"}
