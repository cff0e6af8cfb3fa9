# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that are cut off, or get in each other's way: the report is true, and a second run ends the work."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.integration.bench import Result, steps_of
from tests.integration.libvirt.bench import Bench
from tests.lab.commands import wait_until

pytestmark = pytest.mark.usefixtures("alone")
ROW = ["it-row1", "it-row2", "it-row3"]
HOST = "kvm1"
THERE = {"name": "kvm1-proxy"}
DONE, WAITS_FOR_EVER = [("start", "done")], {"guest": True, "timeout_seconds": 300}


@pytest.fixture
def row(bench: Bench) -> Iterator[list[str]]:
    """Three stopped VMs without an OS."""
    for name in ROW:
        bench.machines.bare(HOST, name)
    yield ROW
    bench.lab.proxy(HOST).heal()
    bench.machines.remove(HOST, *ROW)


def states(bench: Bench) -> list[str]:
    return [bench.machines.state(HOST, name) for name in ROW]


def errors_of(result: Result) -> list[str | None]:
    return [vm.get("error") for vm in result["vms"]]


def finished_by_a_second_run(bench: Bench, *, begun: int) -> None:
    """Run the task again: those that were begun are left alone, and then all are."""
    result = bench.run("vm_state", vms=ROW, state="running")
    assert "error" not in result
    assert steps_of(result) == [[]] * begun + [DONE] * (len(ROW) - begun)
    assert states(bench) == ["running"] * len(ROW)
    assert bench.run("vm_state", vms=ROW, state="running")["changed"] is False


def test_a_signal_in_the_middle_of_many(bench: Bench, row: list[str]) -> None:
    process = bench.begin("vm_state", vms=row, state="running", parallel=1, wait_for=WAITS_FOR_EVER)
    wait_until(lambda: states(bench)[0] == "running", "start of the first VM")
    process.popen.send_signal(signal.SIGTERM)
    result = process.result()
    assert (result["failed"], result["changed"], result["error"]) == (True, True, "Cancelled")
    assert errors_of(result) == ["Cancelled"] * 3
    assert steps_of(result) == [DONE, [], []]
    assert [vm["changed"] for vm in result["vms"]] == [True, False, False]
    assert [vm["after"] for vm in result["vms"]] == [{"state": "running"}, {"state": "stopped"}, {"state": "stopped"}]
    assert states(bench) == ["running", "shut off", "shut off"]
    finished_by_a_second_run(bench, begun=1)


def test_a_signal_while_connecting(bench: Bench) -> None:
    bench.lab.proxy(HOST).hang()
    try:
        with bench.lab.counting() as calls:
            process = bench.begin("vm_state", hypervisor=THERE, name="it-row1", state="running")
            wait_until(lambda: calls.connections > 0, "a connection")
        process.popen.send_signal(signal.SIGTERM)
        result = process.result()
    finally:
        bench.lab.proxy(HOST).heal()
    assert (result["changed"], result["error"], result["vms"]) == (False, "Cancelled", [])


def test_a_connection_that_is_cut_before_the_call(bench: Bench, row: list[str]) -> None:
    bench.lab.proxy(HOST).trap("cut", procedure="domain_create", after=1)
    result = bench.run("vm_state", hypervisor=THERE, vms=row, state="running", parallel=1)
    assert (result["changed"], result["error"]) == (True, "ConnectionFailed")
    assert "connection was lost" in result["msg"]
    assert "starting it-row2" in result["msg"]
    assert errors_of(result) == ["ConnectionFailed"] * 3
    assert steps_of(result) == [DONE, [("start", "failed")], []]
    assert states(bench) == ["running", "shut off", "shut off"]
    finished_by_a_second_run(bench, begun=1)


def test_a_connection_that_is_cut_before_the_answer(bench: Bench, row: list[str]) -> None:
    bench.lab.proxy(HOST).trap("cut", procedure="domain_create", after=1, deliver=True)
    result = bench.run("vm_state", hypervisor=THERE, vms=row, state="running", parallel=1)
    assert (result["changed"], result["error"]) == (True, "ConnectionFailed")
    assert steps_of(result)[:2] == [DONE, [("start", "failed")]]
    wait_until(lambda: states(bench)[1] == "running", "the start whose answer was lost")
    finished_by_a_second_run(bench, begun=2)


@pytest.mark.slow
def test_a_connection_that_hangs_in_the_middle(bench: Bench, row: list[str]) -> None:
    bench.lab.proxy(HOST).trap("hang", procedure="domain_create", after=1)
    process = bench.begin("vm_state", hypervisor=THERE, vms=row, state="running", parallel=1)
    result = process.result()
    assert (result["changed"], result["error"]) == (True, "ConnectionFailed")
    assert steps_of(result)[:2] == [DONE, [("start", "failed")]]
    assert process.seconds < 60
    bench.lab.proxy(HOST).heal()


def test_a_daemon_that_dies_in_the_middle(bench: Bench, row: list[str]) -> None:
    process = bench.begin("vm_state", vms=row, state="running", parallel=1, wait_for=WAITS_FOR_EVER)
    wait_until(lambda: states(bench)[0] == "running", "start of the first VM")
    bench.lab.kill_libvirtd(HOST)
    try:
        result = process.result()
    finally:
        bench.lab.start_libvirtd(HOST)
    assert (result["changed"], result["error"]) == (True, "ConnectionFailed")
    assert steps_of(result) == [DONE, [], []]
    assert states(bench) == ["running", "shut off", "shut off"]
    finished_by_a_second_run(bench, begun=1)


@pytest.mark.parametrize("states_asked", [("running", "running"), ("stopped", "suspended")])
def test_two_tasks_on_one_vm(bench: Bench, row: list[str], states_asked: tuple[str, str]) -> None:
    """Both read before either acts: calls arrive late, and all of them equally."""
    name = row[0]
    if "running" not in states_asked:
        bench.machines.put(HOST, name, "running")
    bench.lab.proxy(HOST).delay(0.1)
    both = [
        bench.begin("vm_state", hypervisor=THERE, name=name, state=state, shutdown={"method": "hard"})
        for state in states_asked
    ]
    results = [process.result() for process in both]
    bench.lab.proxy(HOST).heal()
    assert {result.get("error") for result in results} <= {None, "Busy", "InvalidState"}, results
    assert None in {result.get("error") for result in results}
    end = bench.run("vm_state", name=name, state="running")
    assert "error" not in end
    assert bench.machines.state(HOST, name) == "running"
