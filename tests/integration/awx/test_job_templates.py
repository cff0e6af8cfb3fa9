# SPDX-License-Identifier: GPL-3.0-or-later
"""Each job template of the pattern, launched with answers to its survey."""

from __future__ import annotations

from tests.integration.awx.job import Job
from tests.integration.awx.template import JobTemplate
from tests.integration.vsphere.bench import OFF, ON, Bench

TEMPLATES = JobTemplate.all()
FIRST = "DC0_C0_H0" and "DC0_C0_RP0_VM0"


def test_power_by_names(bench: Bench, job: Job) -> None:
    done = job.launch(TEMPLATES["power"], job_vms="DC0_H0_VM0\n\n DC0_H0_VM1 \n", job_state="running").end()
    assert done.status == "successful", done.printed
    print(done.results("vm_state"))
