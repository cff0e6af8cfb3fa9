# SPDX-License-Identifier: GPL-3.0-or-later
"""Many moves in one task: never more at once than a host is to bear, results in order, and progress for who waits."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import apply, runner
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import BackendError

from tests.unit.harness import play
from tests.unit.machines import GIB
from tests.unit.world import World

HOSTS = ("kvm1", "kvm2", "kvm3", "kvm4")


def fleet(count: int, *hosts: str) -> World:
    """VMs on the hosts, one after the other."""
    world = World(*(hosts or HOSTS))
    for number in range(count):
        world.add(f"vm{number:02}", list(world.sites)[number % len(world.sites)], "running", memory_bytes=GIB // 8)
    return world


def names(count: int) -> list[str]:
    return [f"vm{number:02}" for number in range(count)]


def scattered(count: int, seed: int) -> list[dict[str, Any]]:
    """Return moves from everywhere to everywhere."""
    choose = random.Random(seed)  # noqa: S311 - the same in every run
    targets = [choose.choice([host for host in HOSTS if host != HOSTS[n % 4]]) for n in range(count)]
    moves = [{"name": name, "target": {"host": host}} for name, host in zip(names(count), targets, strict=True)]
    choose.shuffle(moves)
    return moves


@pytest.mark.parametrize("per_host", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_host_never_bears_more_than_it_is_to(per_host: int, seed: int) -> None:
    world = fleet(24)
    world.seconds["migrate"] = 0.02
    moves = scattered(24, seed)
    result = play(world, "vm_migrate", vms=moves, per_host=per_host, parallel=24)
    assert "error" not in result
    assert [vm["name"] for vm in result["vms"]] == [move["name"] for move in moves]
    assert [vm["after"]["host"] for vm in result["vms"]] == [move["target"]["host"] for move in moves]
    assert max(world.peaks.values()) == per_host
    assert 1 < world.peak <= 2 * per_host


def test_parallel_bounds_all_hosts_together() -> None:
    world = fleet(12)
    world.seconds["migrate"] = 0.05
    assert "error" not in play(world, "vm_migrate", vms=scattered(12, 1), per_host=12, parallel=2)
    assert world.peak == 2


def test_two_at_a_time_unless_it_is_said() -> None:
    world = fleet(12, "kvm1", "kvm2")
    world.seconds["migrate"] = 0.05
    assert "error" not in play(world, "vm_migrate", select={"host": "kvm1"}, target={"host": "kvm2"})
    assert world.peaks == {"kvm1": 2, "kvm2": 2}


def test_who_has_nothing_to_do_waits_for_nobody() -> None:
    world = fleet(4, "kvm1", "kvm2")
    world.machine("vm00").errors["migrate"] = BackendError("no")
    result = play(world, "vm_migrate", vms=names(4), target={"host": "kvm2"}, per_host=1, on_failure="stop")
    assert [(vm.get("error"), vm["changed"]) for vm in result["vms"]] == [
        ("BackendError", True),
        (None, False),
        ("Cancelled", False),
        (None, False),
    ]


@pytest.mark.parametrize("on_failure", ["continue", "stop"])
def test_one_that_fails_stops_the_rest_if_it_is_to(on_failure: str) -> None:
    world = fleet(4, "kvm1")
    world.sites |= World("kvm2").sites
    world.machine("vm01").errors["migrate"] = BackendError("no")
    result = play(
        world, "vm_migrate", vms=names(4), target={"host": "kvm2"}, per_host=1, parallel=4, on_failure=on_failure
    )
    rest = "Cancelled" if on_failure == "stop" else None
    assert [vm.get("error") for vm in result["vms"]] == [None, "BackendError", rest, rest]
    assert ["found" in vm for vm in result["vms"]] == [False, True, False, False]
    left = {"kvm1"} if on_failure == "stop" else {"kvm2"}
    assert {world.machine(name).host for name in ("vm02", "vm03")} == left


def test_those_that_fail_are_looked_for_together() -> None:
    world = fleet(10, "kvm1")
    world.sites |= World("kvm2").sites
    for machine in world.machines:
        machine.errors["migrate"] = BackendError("no")
    result = play(world, "vm_migrate", select={"name": "*"}, target={"host": "kvm2"})
    assert [len(vm["found"]) for vm in result["vms"]] == [1] * 10
    assert world.calls.count("find_vms") == 4  # both hosts to begin with, and both again
    assert world.calls.count("connect") == 2


@pytest.mark.parametrize("name", ["vm", "50% of <ü>\0"])
def test_progress_is_in_the_log_and_in_the_result(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    said: list[str] = []
    monkeypatch.setattr(apply, "PROGRESS_SECONDS", 0.1)
    monkeypatch.setattr(runner.Module, "log", lambda _module, text, **_facts: said.append(text))
    world = World()
    world.add(name, "kvm1", "running")
    world.seconds["migrate"] = 1
    result = play(world, "vm_migrate", vms=[name], target={"host": "kvm2"})
    notes = [json.loads(line) for line in said if line.startswith("{")]
    assert {note["vm"] for note in notes} == {name}
    percents = [note["percent"] for note in notes]
    assert len(percents) >= 5
    assert percents == sorted(percents)
    assert all(note["bytes_done"] <= note["bytes_total"] for note in notes)
    assert result["vm"]["steps"][0]["progress"]["percent"] == 100
    assert all(line.isascii() and line.isprintable() for line in said if line.startswith("{"))
