# SPDX-License-Identifier: GPL-3.0-or-later
"""Each job template of the pattern on a simulated vCenter, launched with answers to its survey, and once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.awx.job import Done, Job
from tests.integration.awx.source import update
from tests.integration.awx.template import JobTemplate
from tests.integration.vsphere.bench import OFF, ON, Bench

TEMPLATES = JobTemplate.all()
VM, OTHER = "DC0_H0_VM0", "DC0_H0_VM1"
TASKS = {
    "good": {"ansible.builtin.assert": {"that": "true"}},
    "bad": {"ansible.builtin.fail": {"msg": "The change is not good."}},
}


@pytest.fixture
def folder(tmp_path: Path) -> dict[str, Any]:
    """A folder of files of tasks, as the template's extra variables name it."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    for name, task in TASKS.items():
        (folder / f"{name}.yml").write_text(yaml.safe_dump([{"name": name, **task}]))
    return {"job_tasks_folder": str(folder)}


def successful(done: Done) -> Done:
    assert done.status == "successful", done.shown()
    return done


def changed(done: Done, module: str) -> list[bool]:
    return [result["changed"] for result in successful(done).results(module)]


def test_fleet_report(job: Job) -> None:
    done = successful(job.launch(TEMPLATES["fleet_report"], job_hypervisors="default\n", job_days=1).end())
    report = done.stats()["crossvirt_report"]
    assert (len(report["hosts"]), report["failures"]) == (3, [])


def test_power_of_named_vms(bench: Bench, job: Job) -> None:
    answers: dict[str, Any] = {"job_vms": f"{VM}\n\n {OTHER} \n", "job_state": "running"}
    assert changed(job.launch(TEMPLATES["power"], **answers).end(), "vm_state") == [True]
    states = bench.witness.states()
    assert {name for name, state in states.items() if state == ON} == {VM, OTHER}
    assert changed(job.launch(TEMPLATES["power"], **answers).end(), "vm_state") == [False]


def test_power_of_vms_by_conditions(bench: Bench, job: Job) -> None:
    """In check mode first, which AWX calls a job of type check."""
    answers: dict[str, Any] = {
        "job_name": "?*_VM1",
        "job_host": "DC0_H0",
        "job_in_state": "stopped",
        "job_state": "running",
    }
    job.arguments = ("--check",)
    assert changed(job.launch(TEMPLATES["power"], **answers).end(), "vm_state") == [True]
    assert set(bench.witness.states().values()) == {OFF}
    job.arguments = ()
    assert changed(job.launch(TEMPLATES["power"], **answers).end(), "vm_state") == [True]
    assert {name for name, state in bench.witness.states().items() if state == ON} == {OTHER}


def test_power_of_an_inventory(bench: Bench, job: Job, tmp_path: Path) -> None:
    job.inventory, _printed = update(bench, job, tmp_path / "update")
    launched = job.launch(TEMPLATES["power_inventory"], job_hosts="crossvirt_host_DC0_H0", job_state="running")
    assert changed(launched.end(), "vm_state") == [True]
    assert {name for name, state in bench.witness.states().items() if state == ON} == {VM, OTHER}


def test_power_of_tiers(bench: Bench, job: Job) -> None:
    tiers = yaml.safe_dump([{"name": "db", "vms": [VM]}, {"name": "web", "select": {"name": OTHER}}])
    successful(job.launch(TEMPLATES["power_sequence"], job_tiers=tiers, job_state="running").end())
    assert {name for name, state in bench.witness.states().items() if state == ON} == {VM, OTHER}


def test_snapshots_are_taken_and_removed(job: Job) -> None:
    for number in (1, 2):
        answers: dict[str, Any] = {"job_vms": VM, "job_snapshot": f"nightly-{number}"}
        done = successful(job.launch(TEMPLATES["snapshot"], **answers, job_keep=1, job_match="nightly-*").end())
    assert done.results("vm_snapshot")[0]["vm"]["after"]["snapshots"] == [["nightly-2"]]
    answers = {"job_vms": VM, "job_keep": 0}
    told = [
        successful(job.launch(TEMPLATES["snapshot_retention"], **answers, job_mode=mode).end()).results("vm_snapshot")
        for mode in ("report", "remove")
    ]
    assert [results[-1]["vm"]["before"]["snapshots"] for results in told] == [[["nightly-2"]]] * 2
    assert told[1][-1]["vm"]["after"]["snapshots"] == []


def test_a_move(job: Job) -> None:
    answers: dict[str, Any] = {"job_vms": "DC0_C0_RP0_VM0", "job_target_host": "DC0_C0_H1", "job_mode": "cold"}
    first = successful(job.launch(TEMPLATES["move"], **answers).end()).results("vm_migrate")
    assert first[0]["vm"]["after"]["host"] == "DC0_C0_H1"
    assert changed(job.launch(TEMPLATES["move"], **answers).end(), "vm_migrate") == [False]


@pytest.mark.parametrize(
    ("check", "status"), [pytest.param("good", "successful", marks=pytest.mark.slow), ("bad", "failed")]
)
def test_a_patch(job: Job, folder: dict[str, Any], check: str, status: str) -> None:
    """The file is chosen by its name: folders that an answer names do not count."""
    answers: dict[str, Any] = {"job_vms": VM, "job_change": "../elsewhere/good", "job_verify": check}
    done = job.launch(TEMPLATES["patch_safely"], folder, **answers).end()
    assert done.status == status, done.shown()
    steps = [step["action"] for result in done.results("vm_snapshot") for step in result["vms"][0]["steps"]]
    assert ("revert_snapshot" in steps) == (check == "bad")


def test_a_host_is_evacuated(bench: Bench, job: Job, folder: dict[str, Any]) -> None:
    successful(job.launch(TEMPLATES["power"], job_name="?*_C0_*", job_max_vms=9, job_state="running").end())
    done = job.launch(TEMPLATES["host_evacuate"], folder, job_host="DC0_C0_H0", job_change="good").end()
    assert successful(done).results("vm_migrate")
    assert {bench.called(name) for name in ("EnterMaintenanceMode_Task", "ExitMaintenanceMode_Task")} == {1}


@pytest.mark.parametrize("answer", ["0123", "yes"])
def test_an_answer_that_ansible_takes_for_something_else(bench: Bench, job: Job, answer: str) -> None:
    """With ansible-core 2.19 and later text that AWX marks as unsafe becomes a number or a switch."""
    done = job.launch(TEMPLATES["power"], job_vms=answer, job_state="running").end()
    assert done.status == "failed"
    assert "was not taken as text" in done.shown()
    assert bench.called("Login") == 0


def test_an_answer_is_never_a_template(job: Job) -> None:
    done = job.launch(TEMPLATES["power"], job_vms="{{ lookup('env', 'HOME') }}", job_state="running").end()
    assert [result["error"] for result in done.results("vm_state")] == ["NotFound"]
    assert "lookup('env', 'HOME')" in done.shown()


def test_every_job_template_is_tried() -> None:
    here = Path(__file__).read_text()
    assert [name for name in TEMPLATES if f'TEMPLATES["{name}"]' not in here] == []
