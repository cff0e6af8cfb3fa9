# SPDX-License-Identifier: GPL-3.0-or-later
"""What Automation Controller counts as managed, by its own means: jq, on the results of a job.

It is looked up by the module's name, and needs `canonical_facts`: `build_indirect_host_data` in
https://github.com/ansible/awx/blob/devel/awx/main/tasks/host_indirect.py
"""

from __future__ import annotations

from typing import Any

import jq
import yaml

from tests.integration.awx.job import Job
from tests.integration.awx.template import JobTemplate
from tests.integration.bench import ROOT

QUERIES: dict[str, dict[str, str]] = yaml.safe_load((ROOT / "extensions/audit/event_query.yml").read_text())


def test_a_job_counts_the_vms_that_it_worked_on(job: Job) -> None:
    names = ["DC0_H0_VM0", "DC0_H0_VM1"]
    done = job.launch(JobTemplate.all()["power"], job_vms="\n".join(names), job_state="running").end()
    ended = [event["event_data"] for event in done.events if "res" in event.get("event_data", {})]
    counted: list[dict[str, Any]] = [
        node
        for data in ended
        if data["resolved_action"] in QUERIES
        for node in jq.compile(QUERIES[data["resolved_action"]]["query"]).input(data["res"]).all()
    ]
    assert [node["name"] for node in counted] == names
    assert len({node["canonical_facts"]["uuid"] for node in counted}) == 2


def test_modules_that_change_vms_are_counted() -> None:
    """A refused task has VMs without uuid, and they count as little as those of a task that failed without any."""
    assert set(QUERIES) == {f"crossvirt.lifecycle.{name}" for name in ("vm", "vm_migrate", "vm_snapshot", "vm_state")}
    for query in QUERIES.values():
        assert jq.compile(query["query"]).input({"vms": [{"name": "web1"}]}).all() == []
        assert jq.compile(query["query"]).input({"msg": "failed"}).all() == []
