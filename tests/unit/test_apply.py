# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out many plans: few reads, bounded parallelism, real deadlines, and a true report whatever happens."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import apply as module
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.apply import Run, apply
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.endpoints import Endpoints
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    BackendError,
    Busy,
    Cancelled,
    InvalidState,
    NotFound,
    Timeout,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Selection
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.plan import Plan
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.steps import (
    Pause,
    Resume,
    Shutdown,
    Start,
    Step,
    Stop,
    Suspend,
    WaitForGuest,
)

from tests.unit.harness import connection_to
from tests.unit.memory import drivers_of
from tests.unit.world import World


def carry_out(
    world: World,
    *steps: Step,
    parallel: int = 10,
    stop_on_failure: bool = False,
    meanwhile: Callable[[], Any] | None = None,
    cancel_after: float | None = None,
) -> list[Run]:
    """Give every VM of the world these steps; `meanwhile` is called before the first, the whole cancelled later."""

    async def work() -> list[Run]:
        endpoints = await Endpoints.open(connection_to(world), drivers_of(world)("memory"))
        found = sorted(await endpoints.find(Selection()), key=lambda one: one.vm.name)
        runs = [Run(one.endpoint, one.vm.name, Plan({}, {}, steps), one.vm) for one in found]
        if meanwhile:
            meanwhile()
        world.calls.clear()
        applying = asyncio.ensure_future(apply(runs, parallel=parallel, stop_on_failure=stop_on_failure))
        if cancel_after is not None:
            await asyncio.sleep(cancel_after)
            applying.cancel()
        await applying
        return runs

    return asyncio.run(work())


def outcomes(run: Run) -> list[tuple[str, str]]:
    return [(step["action"], step["outcome"]) for step in run.steps]


def errors_of(runs: Sequence[Run]) -> list[str | None]:
    return [type(run.error).__name__ if run.error else None for run in runs]


def fleet(count: int, state: str = "running", **facts: Any) -> World:
    world = World()
    for number in range(count):
        world.add(f"vm{number:02}", list(world.sites)[number % 2], state, **facts)
    return world


def test_fifty_restarts_share_their_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GLANCE_SECONDS", 0.5)
    world = fleet(50)
    world.guest_seconds = 0.7
    runs = carry_out(world, Shutdown(), Start(), WaitForGuest(), parallel=50)
    assert errors_of(runs) == [None] * 50
    assert all(outcomes(run) == [("shutdown", "done"), ("start", "done")] for run in runs)
    assert len(world.writes) == 100
    assert len(world.reads) <= 16  # about two looks per wait and endpoint, not two per VM


@pytest.mark.parametrize("parallel", [1, 3])
def test_no_more_than_parallel_are_under_way(parallel: int) -> None:
    world = fleet(9, "stopped")
    world.seconds["start"] = 0.03
    runs = carry_out(world, Start(), parallel=parallel)
    assert world.peak == parallel
    assert errors_of(runs) == [None] * 9


def test_one_at_a_time_waits_too() -> None:
    world = fleet(2)
    carry_out(world, Shutdown(), Start(), parallel=1)
    assert world.writes == ["shutdown", "start", "shutdown", "start"]


def test_force_after_the_deadline() -> None:
    world = fleet(2)
    world.machine("vm00").deaf = True
    deaf, other = carry_out(world, Shutdown(timeout_seconds=0.8, on_timeout=Stop()))
    assert outcomes(deaf) == [("shutdown", "timeout"), ("stop", "done")]
    assert outcomes(other) == [("shutdown", "done")]
    assert errors_of([deaf, other]) == [None, None]
    assert world.machine("vm00").state == "stopped"


def test_a_deadline_without_force_is_a_timeout() -> None:
    world = fleet(1, deaf=True)
    (run,) = carry_out(world, Shutdown(timeout_seconds=0.6), Start())
    assert outcomes(run) == [("shutdown", "timeout")]
    assert isinstance(run.error, Timeout)
    assert world.machine("vm00").state == "running"


@pytest.mark.parametrize("how", ["errors", "rejects"])
@pytest.mark.parametrize(
    ("error", "reported"),
    [
        (InvalidState("no"), InvalidState),
        (ValueError("no"), BackendError),
        (KeyError("no"), BackendError),
        (StopIteration("no"), BackendError),
    ],
)
def test_a_failure_is_that_of_its_vm(how: str, error: Exception, reported: type[Exception]) -> None:
    world = fleet(3, "stopped")
    getattr(world.machine("vm01"), how)["start"] = error
    runs = carry_out(world, Start(), Pause())
    assert [type(run.error) for run in runs] == [type(None), reported, type(None)]
    assert [world.machine(name).state.value for name in ("vm00", "vm01", "vm02")] == ["paused", "stopped", "paused"]
    assert outcomes(runs[1]) == ([("start", "failed")] if how == "errors" else [])


def test_the_rest_is_not_begun_after_a_failure() -> None:
    world = fleet(4, "stopped")
    world.machine("vm01").errors["start"] = InvalidState("no")
    runs = carry_out(world, Start(), parallel=1, stop_on_failure=True)
    assert errors_of(runs) == [None, "InvalidState", "Cancelled", "Cancelled"]
    assert [bool(run.steps) for run in runs] == [True, True, False, False]


def test_those_under_way_are_finished_after_a_failure() -> None:
    world = fleet(3, "stopped")
    world.machine("vm00").errors["start"] = InvalidState("no")
    world.machine("vm01").seconds["start"] = 0.2
    runs = carry_out(world, Start(), parallel=2, stop_on_failure=True)
    assert errors_of(runs) == ["InvalidState", None, "Cancelled"]
    assert world.machine("vm01").state == "running"


def test_cancelling_aborts_what_can_be_aborted() -> None:
    world = fleet(3)
    world.machine("vm01").seconds["suspend"] = 60
    world.machine("vm02").seconds["suspend"] = 60
    begun = time.monotonic()
    runs = carry_out(world, Suspend(), Resume(), parallel=2, cancel_after=0.3)
    assert time.monotonic() - begun < 2
    assert outcomes(runs[0]) == [("suspend", "done"), ("resume", "done")]
    assert outcomes(runs[1]) == outcomes(runs[2]) == [("suspend", "cancelled")]
    assert errors_of(runs) == [None, "Cancelled", "Cancelled"]
    assert [world.machine(name).state.value for name in ("vm01", "vm02")] == ["running", "running"]


def test_what_cannot_be_aborted_is_given_a_moment_to_end() -> None:
    world = fleet(1)
    world.machine("vm00").stubborn = True
    world.seconds["suspend"] = 0.5
    (run,) = carry_out(world, Suspend(), Resume(), cancel_after=0.2)
    assert outcomes(run) == [("suspend", "done")]
    assert isinstance(run.error, Cancelled)
    assert world.machine("vm00").state == "suspended"


def test_those_not_begun_are_cancelled_too() -> None:
    world = fleet(3, "stopped")
    world.seconds["start"] = 60
    runs = carry_out(world, Start(), parallel=1, cancel_after=0.2)
    assert errors_of(runs) == ["Cancelled"] * 3
    assert [len(run.steps) for run in runs] == [1, 0, 0]


@pytest.mark.parametrize("stubborn", [False, True])
def test_an_operation_that_hangs_meets_its_deadline(monkeypatch: pytest.MonkeyPatch, *, stubborn: bool) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.2)
    world = fleet(1, "stopped", stubborn=stubborn)
    world.seconds["start"] = 5
    begun = time.monotonic()
    (run,) = carry_out(world, Start(timeout_seconds=0.2))
    assert time.monotonic() - begun < 1
    assert outcomes(run) == [("start", "timeout")]
    assert isinstance(run.error, Timeout)


def test_a_read_that_hangs_meets_the_deadline_of_who_waits() -> None:
    world = fleet(2)

    def hang() -> None:
        world.sites["kvm1"].read_seconds = 60

    begun = time.monotonic()
    runs = carry_out(world, Shutdown(timeout_seconds=1.2), meanwhile=hang)
    assert time.monotonic() - begun < 3
    assert errors_of(runs) == ["Timeout", None]


def test_a_vm_that_vanishes_is_not_waited_for() -> None:
    (run,) = carry_out(fleet(1, transient=True), Shutdown(timeout_seconds=5))
    assert isinstance(run.error, NotFound)
    assert outcomes(run) == [("shutdown", "failed")]


def test_two_tasks_on_one_vm_are_busy() -> None:
    world = fleet(1, "stopped")
    (run,) = carry_out(world, Start(), meanwhile=lambda: setattr(world.machine("vm00"), "task", "a backup"))
    assert isinstance(run.error, Busy)
    assert run.steps == []
