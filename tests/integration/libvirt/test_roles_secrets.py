# SPDX-License-Identifier: GPL-3.0-or-later
"""A password in a role's or playbook's connection is in no output at -vvvv and in no result."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.bench import HERE
from tests.integration.libvirt.bench import Bench

pytestmark = pytest.mark.usefixtures("alone")
SECRET = "Zq9-hunter5-Zq9"  # noqa: S105 - of nobody
FAILS = str(HERE / "playbooks/tasks/fail.yml")
WORDS: dict[str, dict[str, Any]] = {
    "fleet_report": {},
    "patch_safely": {"patch_safely_vms": ["it-secret"], "patch_safely_tasks": FAILS},
    "power_sequence": {
        "power_sequence_tiers": [{"name": "one", "vms": ["it-secret"]}, {"name": "two", "vms": ["it-no"]}]
    },
    "snapshot_retention": {"snapshot_retention_vms": ["it-secret"], "snapshot_retention_keep": 0},
    "host_evacuate": {"host_evacuate_host": "kvm1", "host_evacuate_tasks": FAILS},
}


@pytest.mark.parametrize("name", WORDS)
def test_no_password_in_output_and_results(bench: Bench, name: str) -> None:
    bench.machines.bare("kvm1", "it-secret", disk=True)
    try:
        secret = {"username": "automation", "password": "{{ lookup('env', 'THEIR_SECRET') }}"}
        with_secret = bench.lab.connection("lab") | secret
        nowhere = with_secret | {"hosts": ["qemu+tls://127.0.0.1:9/system"]}
        extra: dict[str, Any] = {f"{name}_hypervisor": with_secret, "fleet_report_connections": [with_secret, nowhere]}
        fails = name != "snapshot_retention"
        played = bench.play(
            f"crossvirt.lifecycle.{name}",
            "-vvvv",
            fails=fails,
            environ={"THEIR_SECRET": SECRET},
            **WORDS[name],
            **extra,
        )
    finally:
        bench.run("host_maintenance", host="kvm1", state="up")
        bench.machines.remove("kvm1", "it-secret")
    assert ("127.0.0.1:9" if name == "fleet_report" else "it-secret") in played.printed  # it was used
    assert SECRET not in json.dumps(played.results)
    assert SECRET not in played.printed
