# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts whose maintenance does not come about: too late, cancelled, without the right, or with a VM that starts."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.integration.bench import Result, assert_refused
from tests.integration.vsphere.bench import Bench
from tests.lab.vsphere.server import Layout

HOST, VM = "DC0_H0", "DC0_H0_VM0"
ENTER: dict[str, Any] = {"host": HOST, "state": "maintenance"}


@pytest.fixture
def layout() -> Layout:
    return Layout(vms=1)


def state_of(bench: Bench) -> str:
    """Ask govc."""
    closed = bench.sim.govc("object.collect", "-s", f"/DC0/host/{HOST}/{HOST}", "runtime.inMaintenanceMode")
    return {"true": "maintenance", "false": "up"}[closed]


def assert_up(bench: Bench, result: Result, error: str, outcome: str) -> None:
    """The step did not end well, and the host takes VMs as before."""
    host = result["host"]
    assert (result["error"], host["error"], host["steps"][0]["outcome"]) == (error, error, outcome)
    assert host["after"] == {"state": "up"}
    assert state_of(bench) == "up"


def test_what_takes_too_long_is_taken_back(bench: Bench) -> None:
    bench.control.delays(EnterMaintenanceMode=60)
    assert_up(bench, bench.run("host_maintenance", **ENTER, timeout_seconds=1), "Timeout", "timeout")
    assert bench.called("CancelTask") == 1


def test_a_signal_takes_it_back(bench: Bench) -> None:
    bench.control.delays(EnterMaintenanceMode=60)
    process = bench.begin("host_maintenance", **ENTER)
    bench.wait_for_call("WaitForUpdatesEx")
    process.popen.send_signal(signal.SIGTERM)
    assert_up(bench, process.result(), "Cancelled", "cancelled")


def test_a_vm_that_starts_meanwhile_is_waited_for_no_longer_than_allowed(bench: Bench) -> None:
    bench.control.delays(EnterMaintenanceMode_Task=1)
    process = bench.begin("host_maintenance", **ENTER, timeout_seconds=3)
    bench.wait_for_call("EnterMaintenanceMode_Task")
    assert "error" not in bench.run("vm_state", name=VM, state="running")
    assert_up(bench, process.result(), "Timeout", "timeout")


def test_a_right_that_is_missing(bench: Bench) -> None:
    viewer = bench.sim.connection(username=bench.sim.viewer)
    result = bench.run("host_maintenance", hypervisor=viewer, **ENTER)
    assert_refused(result, "PermissionDenied", "Host.Config.Maintenance")
    assert state_of(bench) == "up"
