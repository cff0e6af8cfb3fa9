# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret of a credential or of a playbook is in any file that a job leaves, at verbosity 4, however the job ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.awx.credential import CredentialType
from tests.integration.awx.job import Done, Job
from tests.integration.awx.source import update
from tests.integration.awx.template import JobTemplate
from tests.integration.bench import HERE
from tests.integration.vsphere.bench import Bench
from tests.lab.vsphere.client import Rule

POWER = JobTemplate.all()["power"]
ANSWERS: dict[str, Any] = {"job_vms": "DC0_H0_VM0", "job_state": "running"}
WRONG, OTHERS = "not-the-password-of-anybody", "the-secret-of-another-entry"


def held(done: Done, status: str, *secrets: str) -> str:
    """Hold a job to its end and to its silence; returns what it showed."""
    assert done.status == status, done.shown()
    assert done.leaks(*secrets) == []
    return done.shown()


@pytest.fixture(autouse=True)
def verbose(job: Job) -> None:
    job.arguments = ("-vvvv",)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({}, None),
        ({"password": WRONG}, "AuthenticationFailed"),
        ({"port": "9"}, "ConnectionFailed"),
    ],
)
def test_a_job(job: Job, inputs: dict[str, Any], change: dict[str, str], error: str | None) -> None:
    inputs |= change
    done = job.launch(POWER, **ANSWERS).end()
    held(done, "failed" if error else "successful", *job.credential.secrets(inputs))
    assert [result.get("error") for result in done.results("vm_state")] == [error]


def test_the_search_finds_secrets(job: Job, inputs: dict[str, Any]) -> None:
    """One that a playbook prints is found where AWX would keep it."""
    done = job.launch(POWER, **ANSWERS | {"job_vms": inputs["password"]}).end()
    where = {Path(leak).parent.name for leak in done.leaks(*job.credential.secrets(inputs))}
    assert {"env", "job_events", "1"} <= where


def test_a_hypervisor_that_repeats_the_password(bench: Bench, job: Job, inputs: dict[str, Any]) -> None:
    detail = {"reason": f"for {inputs['password']}"}
    bench.control.faults(Rule(method="PowerOnVM_Task", fault="SystemError", detail=detail))
    shown = held(job.launch(POWER, **ANSWERS).end(), "failed", inputs["password"])
    assert "for ********" in shown


def test_a_whole_connections_file(bench: Bench, job: Job, inputs: dict[str, Any], tmp_path: Path) -> None:
    """The other type of credential, with two entries of which the job uses one."""
    entries = {"default": bench.sim.connection(), "other": bench.sim.connection(password=OTHERS)}
    job.credential = CredentialType.read("connections")
    job.inputs = {"connections": json.dumps({"hypervisors": entries})}
    held(job.launch(POWER, **ANSWERS).end(), "successful", inputs["password"], OTHERS)
    inventory, printed = update(bench, job, tmp_path / "update", "-vvvv")
    assert "DC0_H0_VM0" in inventory["_meta"]["hostvars"]
    for secret in (inputs["password"], OTHERS):
        assert secret not in json.dumps(inventory) + printed


def test_a_playbook_with_a_secret_of_its_own(bench: Bench, job: Job, inputs: dict[str, Any]) -> None:
    """AWX keeps the answer to a question of type password; the file that the job gets holds it, and nothing else."""
    connection = bench.sim.connection(password=None)
    variables = {"connection": connection, "own_secret": inputs["password"]}
    done = job.launch_file(HERE / "playbooks/awx_secrets.yml", variables).end()
    assert done.status == "failed"
    assert [result.get("error") for result in done.results("vm_info")] == [None, "InvalidOption"]
    assert [result.get("error") for result in done.results("vm_state")] == ["AuthenticationFailed"]
    assert list((done.data / "artifacts/1/fact_cache").iterdir())
    assert done.leaks(inputs["password"]) == [str(done.data / "env/extravars")]


def test_what_a_credential_leaves_is_for_its_owner_alone(job: Job, inputs: dict[str, Any]) -> None:
    done = job.launch(POWER, **ANSWERS).end()
    files = [path for path in (done.data / "env").iterdir() if path.name.startswith("tmp")]
    assert len(files) == len(job.credential.files)
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert [path for path in files if inputs["password"] in path.read_text()] == [
        Path(json.loads((done.data / "env/envvars").read_text())["CROSSVIRT_CONNECTIONS"])
    ]
