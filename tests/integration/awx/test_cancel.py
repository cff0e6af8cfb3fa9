# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that are cancelled in the middle of a bulk change: what becomes of the VMs, and what the next job finds."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.awx.job import Done, Job
from tests.integration.awx.template import JobTemplate
from tests.integration.vsphere.bench import OFF, ON, Bench
from tests.lab.commands import wait_until
from tests.lab.vsphere.server import Layout

POWER = JobTemplate.all()["power"]
ALL: dict[str, Any] = {"job_name": "?*", "job_max_vms": 20, "job_parallel": 1, "job_state": "running"}
ENDS = {"runner_on_ok", "runner_on_failed", "runner_on_unreachable"}


@pytest.fixture
def layout() -> Layout:
    return Layout(vms=5)


def modules_of(job: Job) -> list[str]:
    """List the modules of jobs in this folder that still run."""
    listed = subprocess.run(["ps", "-ewwo", "args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if "AnsiballZ_vm_state" in line and str(job.folder) in line]


def cancelled(bench: Bench, job: Job, then: Callable[[], object]) -> Done:
    """Start ten VMs one by one, cancel the job with the third, and look at once."""
    bench.control.delays(PowerOnVM=1)
    running = job.launch(POWER, **ALL)
    wait_until(lambda: bench.called("PowerOnVM_Task") >= 3, "the third VM")
    assert modules_of(job) != []
    running.cancel()
    running.process.popen.wait()
    then()
    done = running.end()
    assert done.status == "canceled"
    assert not [
        event
        for event in done.events
        if event["event"] in ENDS and event["event_data"]["task_action"].endswith("vm_state")
    ]
    return done


def finish(bench: Bench, job: Job) -> list[tuple[str, bool]]:
    """Run it again, and return who was running already."""
    bench.control.delays()
    result = job.launch(POWER, **ALL).end().results("vm_state")[0]
    assert "error" not in result, result
    assert set(bench.witness.states().values()) == {ON}
    return [(vm["before"]["state"], vm["changed"]) for vm in result["vms"]]


def test_a_cancelled_job_ends_at_once_in_its_container(bench: Bench, job: Job, inputs: dict[str, Any]) -> None:
    """As AWX runs it: the module dies with everything. What it began goes on at the hypervisor, and no more."""
    job.isolated = True
    begun: list[int] = []

    def nothing_is_left() -> None:
        assert modules_of(job) == []
        begun.append(bench.called("PowerOnVM_Task"))

    done = cancelled(bench, job, nothing_is_left)
    assert done.leaks(*job.credential.secrets(inputs)) == []
    wait_until(lambda: sorted(bench.witness.states().values()) == [OFF] * (10 - begun[0]) + [ON] * begun[0], "its end")
    assert bench.called("PowerOnVM_Task") == begun[0] < 10
    assert sorted(finish(bench, job)) == [("running", False)] * begun[0] + [("stopped", True)] * (10 - begun[0])
    assert bench.called("PowerOnVM_Task") == 10
    assert (
        bench.control.end_sessions() == 1
    )  # that of the module that was killed, which vSphere ends when it has been idle


@pytest.mark.slow
def test_a_module_outlives_a_cancelled_job_that_had_no_container(bench: Bench, job: Job) -> None:
    """ansible-runner kills the process group, and ansible-core gives its workers sessions of their own."""

    def module_is_left() -> None:
        assert modules_of(job) != []
        wait_until(lambda: modules_of(job) == [], "end of the module")

    cancelled(bench, job, module_is_left)
    assert finish(bench, job) == [("running", False)] * 10
    assert bench.called("PowerOnVM_Task") == 10
    assert bench.control.sessions() == []
