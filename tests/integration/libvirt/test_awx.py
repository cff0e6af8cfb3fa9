# SPDX-License-Identifier: GPL-3.0-or-later
"""Job templates of the pattern on real guests, with the lab's certificates typed into a credential."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.awx.credential import CredentialType
from tests.integration.awx.job import Job
from tests.integration.awx.template import JobTemplate
from tests.integration.libvirt.bench import Bench

TEMPLATES = JobTemplate.all()


@pytest.fixture
def job(bench: Bench, tmp_path: Path) -> Job:
    entry: dict[str, Any] = yaml.safe_load(bench.connections_file.read_text())["hypervisors"]["lab"]
    files = {"ca": "ca_path", "cert": "client_cert", "key": "client_key"}
    texts = {field: Path(entry[key]).read_text() for field, key in files.items()}
    inputs = {"name": "default", "type": "libvirt", "hosts": "\n".join(entry["hosts"]), **texts}
    return Job(tmp_path, CredentialType.read("hypervisor"), inputs, arguments=("-vvvv",))


@pytest.mark.usefixtures("alone")
def test_a_guest_has_a_snapshot_and_restarts(job: Job, guest: str) -> None:
    """Asked to shut down, and started again; no line of the client's key is in what the jobs leave."""
    answers: dict[str, Any] = {"job_vms": guest}
    launched = (
        ("snapshot", "vm_snapshot", {"job_snapshot": "awx", "job_keep": 1, "job_match": "awx"}),
        ("power", "vm_state", {"job_state": "restarted"}),
        ("snapshot_retention", "vm_snapshot", {"job_days": 0, "job_keep": 0, "job_match": "awx", "job_mode": "remove"}),
    )
    steps = []
    for name, module, more in launched:
        done = job.launch(TEMPLATES[name], **answers, **more).end()
        assert done.status == "successful", done.shown()
        assert done.leaks(*job.credential.secrets(job.inputs)) == []
        steps += [step["action"] for step in done.results(module)[-1]["vms"][0]["steps"]]
    assert steps == ["create_snapshot", "shutdown", "start", "delete_snapshot"]
