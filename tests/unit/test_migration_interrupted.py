# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves that end half-way: where the VM is then, what is said of it, and what a second run makes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product
from threading import Thread
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import apply
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Operation
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    BackendError,
    Busy,
    CapacityExceeded,
    ConnectionFailed,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Move, MoveSpec, Ref

from tests.unit.harness import play
from tests.unit.machines import Machine
from tests.unit.memory import drivers_of
from tests.unit.moving import POINTS
from tests.unit.world import World

TO_KVM2: dict[str, Any] = {"name": "vm", "target": {"host": "kvm2"}}
WEST: dict[str, Any] = {"name": "vm", "target": {"hypervisor": {"type": "libvirt", "hosts": ["kvm2"]}}}
ENDS = {"source": ["kvm1"], "target": ["kvm2"], "both": ["kvm1", "kvm2"], "process": []}
# Where the VM is seen after each point, by host; what it was is `as it was`.
HERE, GONE = [("kvm1", "as it was")], [("kvm2", "as it was")]
SEEN = {
    "begun": HERE,
    "copying": HERE,
    "copied": HERE,
    "defined": [*HERE, ("kvm2", "stopped")],
    "between": [("kvm1", "paused"), ("kvm2", "paused")],
    "whole": [("kvm1", "stopped"), *GONE],
    "forgotten": GONE,
    "done": GONE,
}
# Nothing is handed over of a VM that is off.
CELLS = [cell for cell in product(POINTS, ("running", "paused", "stopped")) if cell != ("between", "stopped")]


def world_with(state: str) -> World:
    world = World()
    world.add("vm", "kvm1", state, memory="what it remembers")
    return world


def die(world: World, lost: list[str]) -> Callable[[], None]:
    """Return what ends a move where it stands, and the connections to these hosts."""

    def now() -> None:
        for host in lost:
            world.sites[host].restart()
        raise ConnectionFailed("the connection was lost")

    return now


def machines(world: World) -> list[Machine]:
    return [one for one in world.machines if one.name == "vm"]


def hold_together(world: World) -> None:
    """Hold that the VM does not run twice, and is whole somewhere."""
    assert sum(one.state == "running" for one in machines(world)) <= 1
    assert any(world.content(one) == {"vm.qcow2": "disk of vm"} for one in machines(world))


def arrived(world: World, state: str) -> None:
    """Hold that the VM is at the target alone, as it was, with nothing left behind."""
    (machine,) = machines(world)
    assert (machine.host, machine.state, machine.memory) == ("kvm2", state, "what it remembers")
    assert (world.content(machine), machine.journey) == ({"vm.qcow2": "disk of vm"}, None)
    assert world.sites["kvm1"].volumes == {"default": {}}


@pytest.mark.parametrize("connection", [TO_KVM2, WEST], ids=["one connection", "two connections"])
@pytest.mark.parametrize("lost", ENDS)
@pytest.mark.parametrize(("point", "state"), CELLS)
def test_a_second_run_ends_what_was_interrupted(point: str, state: str, lost: str, connection: dict[str, Any]) -> None:
    world = world_with(state)
    world.machine("vm").at[point] = die(world, ENDS[lost])
    home = {"hosts": ["kvm1"]} if connection is WEST else {}
    failed = play(world, "vm_migrate", hypervisor=home, **connection)
    hold_together(world)
    assert (failed["error"], failed["changed"]) == ("ConnectionFailed", True)
    assert failed["vm"]["steps"][0]["outcome"] == "failed"
    seen = [(host, state if said == "as it was" else said) for host, said in SEEN[point]]
    assert [(one["host"], one["state"]) for one in failed["vm"]["found"]] == seen
    assert all(one["name"] == "vm" for one in failed["vm"]["found"])
    as_it_was = [host for host, said in seen if said == state] or [seen[0][0]]
    assert failed["vm"]["host"] == failed["vm"]["after"]["host"] == as_it_was[0]

    writes = len(world.writes)
    predicted = play(world, "vm_migrate", hypervisor=home, check_mode=True, **connection)
    assert (predicted["changed"], len(world.writes)) == (point != "done", writes)
    again = play(world, "vm_migrate", hypervisor=home, **connection)
    assert "error" not in again, again["msg"]
    assert (again["vm"]["after"], again["changed"]) == (predicted["vm"]["after"], predicted["changed"])
    assert again["vm"]["after"] == {"name": "vm", "host": "kvm2", "state": state}
    arrived(world, state)
    assert not play(world, "vm_migrate", hypervisor=home, **connection)["changed"]


@pytest.mark.parametrize(("point", "state"), [cell for cell in CELLS if "paused" not in cell])
def test_an_interrupted_move_can_be_sent_back(point: str, state: str) -> None:
    world = world_with(state)
    world.machine("vm").at[point] = die(world, ["kvm1"])
    assert play(world, "vm_migrate", **TO_KVM2)["error"] == "ConnectionFailed"
    back = play(world, "vm_migrate", name="vm", target={"host": "kvm1"})
    assert "error" not in back, back["msg"]
    (machine,) = machines(world)
    assert (machine.host, machine.state, machine.journey) == ("kvm1", state, None)
    assert world.content(machine) == {"vm.qcow2": "disk of vm"}
    assert world.sites["kvm2"].volumes == {"default": {}}


@pytest.mark.parametrize("point", ["defined", "between", "whole"])
def test_what_was_left_is_settled_by_a_selection_too(point: str) -> None:
    world = world_with("running")
    world.machine("vm").at[point] = die(world, [])
    play(world, "vm_migrate", **TO_KVM2)
    again = play(world, "vm_migrate", select={"name": "v*"}, target={"host": "kvm2"})
    assert "error" not in again, again["msg"]
    arrived(world, "running")


def test_what_cannot_be_reached_is_not_tidied_up_blindly() -> None:
    world = World("kvm1", "kvm2", "kvm3")
    world.add("vm", "kvm1", "running")
    world.machine("vm").at["whole"] = die(world, [])
    play(world, "vm_migrate", **TO_KVM2)
    result = play(world, "vm_migrate", hypervisor={"hosts": ["kvm2", "kvm3"]}, name="vm", target={"host": "kvm3"})
    assert (result["error"], result["changed"]) == ("InvalidState", False)
    assert "kvm1" in result["msg"]


@pytest.mark.parametrize("down", ["kvm1", "kvm2"])
@pytest.mark.parametrize("point", ["begun", "whole", "done"])
def test_a_host_that_stays_away_is_unknown(point: str, down: str) -> None:
    world = world_with("running")

    def fall() -> None:
        world.sites[down].restart(down=True)
        raise ConnectionFailed("the connection was lost")

    world.machine("vm").at[point] = fall
    result = play(world, "vm_migrate", **TO_KVM2)
    assert result["error"] == "ConnectionFailed"
    facts = {one["host"]: one for one in result["vm"]["found"]}
    assert (facts[down]["state"], facts[down]["state_reason"]) == ("unknown", f"{down} is down")
    assert {host: facts[host]["state"] for host in facts if host != down} == {
        host: "running" if said == "as it was" else said for host, said in SEEN[point] if host != down
    }


def test_one_that_is_found_nowhere_is_said_to_be_nowhere() -> None:
    world = world_with("running")

    def vanish() -> None:
        world.machines.clear()
        raise ConnectionFailed("what now")

    world.machine("vm").at["copied"] = vanish
    result = play(world, "vm_migrate", **TO_KVM2)
    assert (result["error"], result["vm"]["found"], result["vm"]["after"]) == ("ConnectionFailed", [], {})


def test_a_host_that_is_lost_costs_only_its_own_vms() -> None:
    world = World("kvm1", "kvm2", "kvm3")
    for name in ("vm", "vm2", "vm3"):
        world.add(name, "kvm1", "running")

    def fall() -> None:
        world.sites["kvm2"].restart(down=True)
        raise ConnectionFailed("the connection was lost")

    for name in ("vm", "vm2"):
        world.machine(name).at["begun"] = fall
    vms = ["vm", {"name": "vm3", "target": {"host": "kvm3"}}, "vm2"]
    result = play(world, "vm_migrate", vms=vms, target={"host": "kvm2"})
    assert [vm.get("error") for vm in result["vms"]] == ["ConnectionFailed", None, "ConnectionFailed"]
    assert [vm["after"]["host"] for vm in result["vms"]] == ["kvm1", "kvm3", "kvm1"]
    assert world.calls.count("connect") == 4  # the lost one is tried once more, for both


@pytest.mark.parametrize("error", [CapacityExceeded("disk full"), Busy("held"), ValueError("unforeseen")])
def test_a_failure_leaves_the_vm_whole_where_it_was(error: Exception) -> None:
    world = world_with("running")
    world.machine("vm").errors["migrate"] = error
    result = play(world, "vm_migrate", **TO_KVM2)
    reported = "BackendError" if isinstance(error, ValueError) else type(error).__name__
    assert (result["error"], result["changed"]) == (reported, True)
    assert result["vm"]["after"] == {"name": "vm", "host": "kvm1", "state": "running"}
    assert (result["vm"]["host"], result["vm"]["hypervisor"]) == ("kvm1", "memory")
    assert result["vm"]["found"] == [{"host": "kvm1", "name": "vm", "state": "running"}]
    stayed(world)


def stayed(world: World) -> None:
    """Hold that the VM is where it was, as it was, and nothing is at the target."""
    (machine,) = machines(world)
    assert (machine.host, machine.state, machine.journey) == ("kvm1", "running", None)
    assert world.content(machine) == {"vm.qcow2": "disk of vm"}
    assert world.sites["kvm2"].volumes == {"default": {}}


def test_a_move_that_was_refused_when_it_was_to_begin_is_no_step() -> None:
    world = world_with("running")
    world.machine("vm").rejects["migrate"] = Busy("a backup has it")
    result = play(world, "vm_migrate", **TO_KVM2)
    assert (result["error"], result["changed"], result["vm"]["steps"]) == ("Busy", False, [])
    assert "found" not in result["vm"]


def test_a_deadline_takes_the_move_back() -> None:
    world = world_with("running")
    world.seconds["migrate"] = 60
    result = play(world, "vm_migrate", **TO_KVM2, timeout_seconds=0.3)
    assert (result["error"], result["vm"]["steps"][0]["outcome"]) == ("Timeout", "timeout")
    assert result["vm"]["found"] == [{"host": "kvm1", "name": "vm", "state": "running"}]
    assert 0 < result["vm"]["steps"][0]["progress"]["percent"] < 100
    stayed(world)


def test_what_an_abort_could_not_remove_is_told_though_it_was_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "GRACE_SECONDS", 1)
    world = world_with("running")
    world.machine("vm").stubborn = True
    world.seconds["migrate"] = 0.5
    world.machine("vm").errors["migrate"] = BackendError("the disk stays", left_behind=["vm.qcow2"])
    result = play(world, "vm_migrate", **TO_KVM2, timeout_seconds=0.2)
    assert (result["error"], result["vm"]["steps"][0]["outcome"]) == ("Timeout", "timeout")
    assert result["vm"]["left_behind"] == ["vm.qcow2"]
    assert "the disk stays" in result["msg"]


def test_a_move_that_ends_though_it_is_late_is_found_at_the_target() -> None:
    world = world_with("running")
    world.machine("vm").stubborn = True
    world.seconds["migrate"] = 0.5
    result = play(world, "vm_migrate", **TO_KVM2, timeout_seconds=0.2)
    assert result["error"] == "Timeout"
    assert [(one["host"], one["state"]) for one in result["vm"]["found"]] == [("kvm2", "running")]
    assert (result["vm"]["host"], result["vm"]["after"]["host"]) == ("kvm2", "kvm2")
    arrived(world, "running")


def begin_elsewhere(world: World) -> Operation:
    """Begin to move the VM, as another process would."""
    source, target = (drivers_of(world)("memory").connect({}, host) for host in ("kvm1", "kvm2"))
    (vm,) = source.find_vms((Ref("name", "vm"),))
    (move,) = target.receive([(source.depart([vm])[0], MoveSpec(host="kvm2"))], [source])
    assert isinstance(move, Move)
    return source.migrate(vm.id, move)


def test_somebody_elses_move_is_waited_for() -> None:
    world = world_with("running")
    world.seconds["migrate"] = 1
    operation = begin_elsewhere(world)
    (shown,) = play(world, "vm_info", name="vm", gather=["progress"])["vms"]
    assert shown["state"] == "changing"
    assert shown["progress"]["bytes_total"] > 0
    result = play(world, "vm_migrate", **TO_KVM2)
    assert operation.done()
    assert (result["changed"], result["vm"]["after"]["host"]) == (False, "kvm2")
    assert world.writes == ["migrate"]
    (shown,) = play(world, "vm_info", name="vm", gather=["progress"])["vms"]
    assert shown["progress"] == {}


def test_somebody_elses_move_is_not_waited_for_forever() -> None:
    world = world_with("running")
    world.machine("vm").changing_reads = 100
    result = play(world, "vm_migrate", **TO_KVM2, timeout_seconds=0.5)
    assert (result["error"], world.writes) == ("Timeout", [])


def test_a_vm_that_goes_away_while_it_is_waited_for_is_nowhere() -> None:
    world = world_with("running")
    world.machine("vm").changing_reads = 100

    def remove() -> None:
        while "get_vms" not in world.calls:
            time.sleep(0.01)
        world.machines.clear()

    other = Thread(target=remove)
    other.start()
    result = play(world, "vm_migrate", **TO_KVM2)
    other.join()
    assert (result["error"], world.writes) == ("NotFound", [])
