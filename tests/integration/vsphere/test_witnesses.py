# SPDX-License-Identifier: GPL-3.0-or-later
"""govc, which is no code of ours, reads what ours wrote, and ours reads what govc wrote."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from tests.integration.bench import Result, assert_refused
from tests.integration.vsphere.bench import HARD, OFF, ON, SAVED, Bench
from tests.lab.vsphere.govc import Govc, Node

WEB = {"name": "web", "cluster": "DC0_C0", "memory_bytes": "256M"}
NAMES = "abc"  # few, so that a tree has several of one name


@pytest.fixture
def govc(bench: Bench) -> Govc:
    return bench.sim.govc


def path(name: str) -> str:
    return f"/DC0/vm/{name}"


def done(result: Result) -> Result:
    """Return a result that is no failure."""
    assert "error" not in result, result
    return result


def walk(trees: Sequence[Node], above: tuple[str, ...] = ()) -> Iterator[tuple[Node, tuple[str, ...]]]:
    """Yield all snapshots, each with the names from the root down to it."""
    for one in trees:
        names = (*above, one.name)
        yield one, names
        yield from walk(one.children, names)


def shown(trees: Sequence[Result]) -> tuple[Node, ...]:
    """Return the snapshots of a document of ours as govc's are."""
    return tuple(Node(one["id"], one["name"], shown(one["children"])) for one in trees)


def snapshots(bench: Bench, name: str) -> tuple[tuple[Node, ...], str | None]:
    """Read trees and the current snapshot with ours."""
    trees = bench.run("vm_info", name=name, gather=["snapshots"])["vm"]["snapshots"]

    def current(some: Sequence[Result]) -> Iterator[str]:
        for one in some:
            if one["current"]:
                yield one["id"]
            yield from current(one["children"])

    return shown(trees), next(current(trees), None)


def test_power(bench: Bench, govc: Govc) -> None:
    name = "DC0_C0_RP0_VM0"
    for state, seen, more in (("suspended", SAVED, {}), ("running", ON, {}), ("stopped", OFF, {"shutdown": HARD})):
        assert bench.run("vm_state", name=name, state=state, **more)["changed"]
        assert govc.state(path(name)) == seen
    for order, seen in (("-on", "running"), ("-suspend", "suspended"), ("-on", "running"), ("-off", "stopped")):
        govc("vm.power", order, path(name))
        assert bench.run("vm_info", name=name)["vm"]["state"] == seen


def test_creation(bench: Bench, govc: Govc) -> None:
    govc("folder.create", path("apps"))
    govc("fields.add", "-type", "VirtualMachine", "owner")
    govc("tags.category.create", "-t", "VirtualMachine", "-m", "role")
    govc("tags.create", "-c", "role", "front")
    govc("tags.create", "-c", "role", "back")
    result = done(
        bench.run(
            "vm",
            **WEB,
            cpus=3,
            folder=path("apps"),
            notes="two\nlines",
            labels={"owner": "jo", "role": ["front", "back"]},
            disks=[{"size_bytes": "1G"}, {"size_bytes": "2G", "storage": "LocalDS_0"}],
            nics=[{"network": "DC0_DVPG0"}, {"network": "VM Network", "mac": "00:50:56:00:00:17"}],
        )
    )
    place = path("apps/web")
    seen = govc.vm(place)
    assert seen["self"]["value"] == result["vm"]["id"]
    config = seen["config"]
    assert config["instanceUuid"] == result["vm"]["uuid"]
    assert (config["hardware"]["numCPU"], config["hardware"]["memoryMB"]) == (3, 256)
    assert config["annotation"] == "two\nlines"
    devices = config["hardware"]["device"]
    assert [one["capacityInBytes"] for one in devices if "capacityInBytes" in one] == [2**30, 2**31]
    macs = [one["macAddress"] for one in devices if "macAddress" in one]
    assert len(macs) == 2
    assert macs[1] == "00:50:56:00:00:17"
    assert govc.attributes(place) == {"owner": "jo"}
    assert govc.tags(place) == ["back", "front"]

    govc("fields.set", "owner", "kim", place)
    govc("tags.detach", "-c", "role", "front", place)
    labels = bench.run("vm_info", path=place, gather=["labels"])["vm"]["labels"]
    assert labels == {"owner": ["kim"], "role": ["back"]}


def test_copies(bench: Bench, govc: Govc) -> None:
    govc("vm.power", "-off", path("DC0_H0_VM0"))
    govc("vm.change", "-vm", path("DC0_H0_VM0"), "-annotation", "the original", "-c", "2")
    done(bench.run("vm", name="ours", clone={"source": {"name": "DC0_H0_VM0"}}))
    seen, source = govc.vm(path("ours")), govc.vm(path("DC0_H0_VM0"))
    assert (seen["config"]["annotation"], seen["config"]["hardware"]["numCPU"]) == ("the original", 2)
    assert seen["runtime"]["host"] == source["runtime"]["host"]
    assert seen["config"]["instanceUuid"] != source["config"]["instanceUuid"]

    govc("vm.clone", "-vm", path("ours"), "-on=false", "-ds", "LocalDS_0", "-host", "DC0_H0", "theirs")
    copy = bench.run("vm_info", name="theirs", gather=["config"])["vm"]
    assert (copy["config"]["notes"], copy["cpus"], copy["host"], copy["state"]) == (
        "the original",
        2,
        "DC0_H0",
        "stopped",
    )


def test_removal(bench: Bench, govc: Govc) -> None:
    before = govc.paths()
    done(bench.run("vm", **WEB, disks=[{"size_bytes": "1M"}]))
    assert govc.paths() == sorted([*before, path("web")])
    done(bench.run("vm", name="web", state="absent", remove=["disks"]))
    assert govc.paths() == before
    govc("vm.power", "-off", path("DC0_H0_VM0"))
    govc("vm.destroy", path("DC0_H0_VM0"))
    assert "DC0_H0_VM0" not in {vm["name"] for vm in bench.run("vm_info")["vms"]}


def test_siblings(bench: Bench, govc: Govc) -> None:
    name = "DC0_H0_VM0"
    for step in ({"snapshot": "base"}, {"snapshot": "a"}, {"snapshot": "base", "state": "reverted"}, {"snapshot": "b"}):
        assert bench.run("vm_snapshot", name=name, **step)["changed"]
    assert not bench.run("vm_snapshot", name=name, snapshot="b")["changed"]
    trees, current = govc.snapshots(path(name))
    assert [names for _node, names in walk(trees)] == [("base",), ("base", "a"), ("base", "b")]
    assert current == next(node.id for node, _names in walk(trees) if node.name == "b")
    assert bench.run("vm_snapshot", name=name, snapshot="b", state="absent")["changed"]
    assert [names for _node, names in walk(govc.snapshots(path(name))[0])] == [("base",), ("base", "a")]


@pytest.mark.parametrize(("seed", "size"), [(5, 6), pytest.param(55, 15, marks=pytest.mark.slow)])
def test_any_tree_of_snapshots(bench: Bench, govc: Govc, seed: int, size: int) -> None:
    """Random trees with siblings and several snapshots of one name, written by govc: every one is the one meant."""
    chance = random.Random(seed)  # noqa: S311
    name = "DC0_C0_RP0_VM0"
    for _number in range(size):
        if known := [node.id for node, _names in walk(govc.snapshots(path(name))[0])]:
            bench.run("vm_snapshot", name=name, snapshot_id=chance.choice(known), state="reverted")
        govc("snapshot.create", "-vm", path(name), chance.choice(NAMES))
    trees, current = govc.snapshots(path(name))
    assert snapshots(bench, name) == (trees, current)

    nodes = list(walk(trees))
    for node, names in nodes:
        by_path = {"name": name, "snapshot_path": list(names), "state": "reverted"}
        if [other for _node, other in nodes].count(names) > 1:
            assert_refused(bench.run("vm_snapshot", **by_path), "Ambiguous", node.id)
        else:
            done(bench.run("vm_snapshot", **by_path))
            assert govc.snapshots(path(name)) == (trees, node.id)

    left = [node.id for node, _names in nodes]
    while left:
        gone = left.pop(chance.randrange(len(left)))
        done(bench.run("vm_snapshot", name=name, snapshot_id=gone, state="absent"))
        trees, _current = govc.snapshots(path(name))
        assert sorted(node.id for node, _names in walk(trees)) == sorted(left)
    assert snapshots(bench, name) == ((), None)
