# SPDX-License-Identifier: GPL-3.0-or-later
"""Random trees of snapshots, with siblings and names that are there twice: each one is the one that is meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Part, Ref, Vm

from tests.conformance.bed import Bed, Start
from tests.unit.harness import Result

pytestmark = pytest.mark.usefixtures("snapshots_are_there")

NODES = 10
NAMES = ("base", "daily", "50% of <ü>")


@dataclass
class Node:
    """A snapshot as it has to be; `parent` is an id."""

    name: str
    parent: str | None
    state: str


@dataclass
class Tree:
    """What has to be there, in no words of the driver's but ids."""

    nodes: dict[str, Node] = field(default_factory=dict)
    current: str | None = None

    def path(self, one: str | None) -> list[str]:
        """Return the names from the root down to a snapshot."""
        return [*self.path(self.nodes[one].parent), self.nodes[one].name] if one else []

    def paths(self) -> list[list[str]]:
        """Return all of them, sorted."""
        return sorted(self.path(one) for one in self.nodes)

    def below(self, one: str) -> list[str]:
        """Return a snapshot and all below it, parents first."""
        children = [key for key, node in self.nodes.items() if node.parent == one]
        return [one, *(key for child in children for key in self.below(child))]

    def remove(self, one: str) -> None:
        """Forget one; its children move up, and so does what the VM goes on from."""
        gone = self.nodes.pop(one)
        for node in self.nodes.values():
            node.parent = gone.parent if node.parent == one else node.parent
        self.current = gone.parent if self.current == one else self.current


class Gardener:
    """Lets a VM's tree grow and go by chance, and compares each time."""

    def __init__(self, bed: Bed, driver: Driver, vm: str, random: Random) -> None:
        self.bed, self.driver, self.vm, self.random = bed, driver, vm, random
        self.tree = Tree()

    def seen(self) -> Vm:
        """Read the VM as the driver sees it."""
        (vm,) = self.driver.find_vms((Ref("name", self.vm),), [Part.SNAPSHOTS, Part.LIMITS])
        return vm

    def play(self, **options: Any) -> Result:
        """Run a task."""
        return self.bed.run("vm_snapshot", {"name": self.vm, **options})

    def grow(self) -> None:
        """Take a snapshot; as vm_snapshot takes no second one of a name, the driver itself is asked."""
        vm = self.seen()
        name = self.random.choice(NAMES) if self.may_be_twice() else f"{len(self.tree.nodes)} {NAMES[2]}"
        kinds = [one for one in self.driver.snapshot_kinds(vm, name) if not (one.refused or one.unrevertable)]
        kind = self.random.choice(kinds)
        self.driver.create_snapshot(vm.id, name, "", kind.consistency, kind.how).result(60)
        (new,) = (one for one in flat(self.seen()) if one not in self.tree.nodes)
        with_memory = kind.consistency == "memory"
        self.tree.nodes[new] = Node(name, self.tree.current, vm.state.value if with_memory else "stopped")
        self.tree.current = new

    def may_be_twice(self) -> bool:
        """Say whether the hypervisor tells snapshots apart by more than their names."""
        return all(key != node.name for key, node in self.tree.nodes.items())

    def address(self, one: str) -> dict[str, Any]:
        """Name a snapshot by its id, or by its path where only one has it; where several have, none is guessed."""
        path = self.tree.path(one)
        if self.tree.paths().count(path) > 1:
            result = self.play(state="reverted", snapshot_path=path)
            assert (result["error"], result["changed"]) == ("Ambiguous", False)
            assert len(result["vms"][0]["candidates"]) == self.tree.paths().count(path)
            return {"snapshot_id": one}
        return self.random.choice([{"snapshot_id": one}, {"snapshot_path": path}])

    def turn(self) -> None:
        """Go back to any snapshot; the VM is then in the state that it holds."""
        one = self.random.choice(sorted(self.tree.nodes))
        result = self.play(state="reverted", **self.address(one))
        assert "error" not in result, result["msg"]
        self.tree.current = one
        assert self.bed.state(self.vm) == result["vm"]["after"]["state"] == self.tree.nodes[one].state

    def cut(self) -> None:
        """Remove any snapshot, alone or with all below it."""
        one = self.random.choice(sorted(self.tree.nodes))
        children = self.random.choice(["keep", "keep", "remove"])
        result = self.play(state="absent", children=children, **self.address(one))
        assert "error" not in result, result["msg"]
        for key in reversed(self.tree.below(one)) if children == "remove" else [one]:
            self.tree.remove(key)

    def compare(self) -> None:
        """Look at the tree through the driver, and through the witness."""
        vm = self.seen()
        found, nodes = flat(vm), self.tree.nodes
        shown = {key: (one.name, parent, one.state, one.current) for key, (one, parent) in found.items()}
        wanted = {key: (one.name, one.parent, one.state, key == self.tree.current) for key, one in nodes.items()}
        assert shown == wanted
        assert self.bed.snapshots(self.vm) == self.tree.paths()


def flat(vm: Vm) -> dict[str, Any]:
    """Return all snapshots of a VM by id, each with the id of its parent."""

    def walk(trees: Any, parent: str | None) -> Iterator[tuple[str, Any]]:
        for one in trees:
            yield one.id, (one, parent)
            yield from walk(one.children, one.id)

    return dict(walk(vm.snapshots, None))


@pytest.mark.parametrize(("seed", "state"), [(1, "stopped"), (2, "stopped"), (3, "running")])
def test_each_snapshot_of_a_tree_is_the_one_that_is_meant(bed: Bed, driver: Driver, seed: int, state: str) -> None:
    random = Random(seed)  # noqa: S311 - the same trees each time
    gardener = Gardener(bed, driver, bed.vm(Start(state)), random)
    while len(gardener.tree.nodes) < NODES:
        gardener.grow()
        if random.random() < 0.5:
            gardener.turn()
        gardener.compare()
    while gardener.tree.nodes:
        random.choice([gardener.cut, gardener.cut, gardener.turn])()
        gardener.compare()
