# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that are told to stop, are killed, get in each other's way, or meet a server that hangs."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.bench import Module, Result, assert_refused, steps_of
from tests.integration.vsphere.bench import HARD, OFF, ON, Bench
from tests.lab.vsphere.client import Rule
from tests.lab.vsphere.server import Layout

VM, OTHER = "DC0_H0_VM0", "DC0_H0_VM1"
START: dict[str, Any] = {"vms": [VM, OTHER], "state": "running", "parallel": 1}
BRIEF = {"name": "lab", "connect_timeout_seconds": 1}
SLACK_SECONDS = 10  # for starting Python on a busy machine, next to a deadline of the module itself


@pytest.fixture
def layout() -> Layout:
    return Layout(vms=2)


def stopped(bench: Bench, process: Module, call: str) -> Result:
    """Tell a module to stop as soon as something was called."""
    bench.wait_for_call(call)
    process.popen.send_signal(signal.SIGTERM)
    result = process.result()
    assert (result["failed"], result["error"]) == (True, "Cancelled")
    assert process.seconds < SLACK_SECONDS
    return result


def test_what_can_be_cancelled_is_cancelled(bench: Bench) -> None:
    bench.control.delays(PowerOnVM=60)
    result = stopped(bench, bench.begin("vm_state", **START), "WaitForUpdatesEx")
    assert bench.called("CancelTask") == 1
    assert (result["changed"], steps_of(result)) == (True, [[("start", "cancelled")], []])
    assert [vm["after"] for vm in result["vms"]] == [{"state": "stopped"}] * 2
    assert [vm["error"] for vm in result["vms"]] == ["Cancelled"] * 2
    bench.control.delays()
    again = bench.run("vm_state", **START)
    assert ("error" in again, steps_of(again)) == (False, [[("start", "done")]] * 2)


def test_what_cannot_be_cancelled_is_reported_as_it_ends(bench: Bench) -> None:
    bench.run("vm_state", name=VM, state="running")
    bench.control.reset()
    bench.control.delays(PowerOffVM=2)
    stop = bench.begin("vm_state", name=VM, state="stopped", shutdown=HARD)
    result = stopped(bench, stop, "WaitForUpdatesEx")
    assert (steps_of(result), result["vm"]["after"]) == ([[("stop", "done")]], {"state": "stopped"})


@pytest.mark.parametrize("call", ["Login", "RetrievePropertiesEx"])
def test_a_signal_before_anything_is_changed(bench: Bench, call: str) -> None:
    """The answer comes too late for the work, and soon enough for logging out."""
    bench.control.delays(**{call: 1})
    result = stopped(bench, bench.begin("vm_state", **START), call)
    assert (result["changed"], result["vms"]) == (False, [])
    assert bench.called("PowerOnVM_Task") == 0


def test_a_signal_while_a_call_hangs(bench: Bench) -> None:
    bench.control.faults(Rule(method="RetrievePropertiesEx", hang=True))
    result = stopped(bench, bench.begin("vm_state", **START), "RetrievePropertiesEx")
    assert (result["changed"], result["vms"]) == (False, [])


def test_a_signal_while_waiting_hangs(bench: Bench) -> None:
    bench.control.faults(Rule(method="WaitForUpdatesEx", hang=True))
    result = stopped(bench, bench.begin("vm_state", **START), "WaitForUpdatesEx")
    assert [vm["after"] for vm in result["vms"]] == [{"state": "running"}, {"state": "stopped"}]


def test_a_module_that_is_killed(bench: Bench) -> None:
    """Its one session is left to time; its task goes on, and a second run finds what is true."""
    bench.control.delays(PowerOnVM=1)
    process = bench.begin("vm_state", **START)
    bench.wait_for_call("WaitForUpdatesEx")
    process.popen.kill()
    assert process.end()[:2] == (-signal.SIGKILL, "")
    assert len(bench.control.sessions()) == 1
    again = bench.run("vm_state", **START)
    assert again.get("error") in (None, "Busy")
    assert bench.run("vm_state", **START).get("error") is None
    assert {bench.witness.states()[name] for name in (VM, OTHER)} == {ON}
    assert bench.control.end_sessions() == 1


def test_a_task_that_is_busy_when_another_comes(bench: Bench) -> None:
    """vSphere takes one task for each VM; the second one is told so, and may find its work done."""
    bench.control.delays(PowerOnVM=2)
    both = [bench.begin("vm_state", name=VM, state="running") for _number in range(2)]
    results = [process.result() for process in both]
    assert sorted(result.get("error", "") for result in results) in (["", "Busy"], ["", ""])
    assert bench.called("Login") == bench.called("Logout") == 2
    assert bench.run("vm_state", name=VM, state="running")["changed"] is False


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("call", ["RetrieveServiceContent", "Login"])
def test_a_server_that_hangs_at_first(bench: Bench, call: str) -> None:
    bench.control.faults(Rule(method=call, hang=True))
    process = bench.begin("vm_state", hypervisor=BRIEF, **START)
    assert_refused(process.result(), "ConnectionFailed", bench.sim.address, "within 1 seconds")
    assert process.seconds < 1 + SLACK_SECONDS


def test_a_port_that_says_nothing(bench: Bench) -> None:
    with silent() as port:
        nobody = bench.sim.connection(hosts="127.0.0.1", port=port, connect_timeout_seconds=1)
        bench.refused("ConnectionFailed", "127.0.0.1", "within 1 seconds", hypervisor=nobody, **START)


@pytest.mark.slow
@pytest.mark.parametrize("call", ["RetrievePropertiesEx", "PowerOnVM_Task", "WaitForUpdatesEx"])
def test_a_server_that_hangs_in_the_middle(bench: Bench, call: str) -> None:
    """A minute without a sign of life is the end; that of a task may be asked for several times."""
    bench.control.faults(Rule(method=call, hang=True, count=1))
    process = bench.begin("vm_state", name=VM, state="running")
    result = process.result()
    if call == "WaitForUpdatesEx":
        assert ("error" in result, bench.witness.states()[VM]) == (False, ON)
    else:
        assert (result["error"], bench.witness.states()[VM]) == ("ConnectionFailed", OFF)
        assert "did not answer in time" in result["msg"]
    assert process.seconds < 60 + SLACK_SECONDS
