# SPDX-License-Identifier: GPL-3.0-or-later
"""Two jobs at once on one fleet: nothing is done twice, and nothing is missed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.integration.awx.job import Done, Job
from tests.integration.awx.source import cut, update
from tests.integration.awx.template import JobTemplate
from tests.integration.vsphere.bench import ON, Bench
from tests.lab.vsphere.server import Layout

TEMPLATES = JobTemplate.all()


@pytest.fixture
def layout() -> Layout:
    """13 VMs on 3 hosts of a cluster and 13 on one alone: an odd number for each slice."""
    return Layout(vms=13, hosts=3)


def worked_on(done: Done) -> Counter[str]:
    """Count what a job has changed, by VM."""
    return Counter(vm["name"] for result in done.results("vm_state") for vm in result["vms"] if vm["changed"])


def test_slices_of_an_inventory(bench: Bench, job: Job, tmp_path: Path) -> None:
    bench.control.delays(PowerOnVM=1)
    whole, _printed = update(bench, job, tmp_path / "update")
    running = []
    for number in (1, 2):
        job.inventory = cut(whole, number, 2)
        running.append(job.launch(TEMPLATES["power_inventory"], job_state="running"))
    first, second = (worked_on(each.end()) for each in running)
    assert (len(first), len(second), len(first & second)) == (13, 13, 0)
    assert set((first + second).values()) == {1}
    assert bench.called("PowerOnVM_Task") == 26
    assert set(bench.witness.states().values()) == {ON}
    assert bench.called("Login") == bench.called("Logout")


def test_jobs_with_conditions_that_do_not_overlap(bench: Bench, job: Job) -> None:
    bench.control.delays(PowerOnVM=1)
    answers: dict[str, Any] = {"job_max_vms": 50, "job_state": "running"}
    parts = ("?*_C0_*", "?*_H0_*")
    both = [job.launch(TEMPLATES["power"], job_name=part, **answers) for part in parts]
    first, second = (worked_on(each.end()) for each in both)
    assert (len(first), len(second), len(first & second)) == (13, 13, 0)
    assert bench.called("PowerOnVM_Task") == 26
    assert set(bench.witness.states().values()) == {ON}


def test_the_same_job_twice_at_once(bench: Bench, job: Job) -> None:
    """vSphere takes one task for each VM: the other job is told so, or finds it done. A third one finds all done."""
    bench.control.delays(PowerOnVM=1)
    answers: dict[str, Any] = {"job_name": "?*", "job_max_vms": 50, "job_state": "running"}
    both = [job.launch(TEMPLATES["power"], **answers) for _number in (1, 2)]
    results = [each.end().results("vm_state")[0] for each in both]
    assert {vm.get("error", "") for result in results for vm in result["vms"]} <= {"", "Busy"}
    assert set(bench.witness.states().values()) == {ON}
    after = job.launch(TEMPLATES["power"], **answers).end().results("vm_state")[0]
    assert (after["changed"], len(after["vms"])) == (False, 26)
