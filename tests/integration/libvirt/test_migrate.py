# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest moves by the playbook that moves VMs everywhere, and no password of the target is in any output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.integration.libvirt.bench import Bench
from tests.integration.truth import moved_by_playbook

pytestmark = pytest.mark.usefixtures("alone")
VM = "it-moves"
SECRET = "Zq7-hunter3-Zq7"  # noqa: S105 - of nobody


def test_the_playbook_moves_a_vm_while_its_guest_answers(bench: Bench) -> None:
    bench.machines.guest("kvm1", VM)
    try:
        bench.lab.wait_for_agent("kvm1", VM, timeout_seconds=60)
        bench.lab.guest_exec("kvm1", VM, "/bin/sh", "-c", "echo memory > /run/mark; echo disk > /data/mark; sync")
        bench.lab.virsh("kvm1", "pool-refresh", "default")
        moved = moved_by_playbook(bench, VM, "kvm2")
        assert moved["steps"][0]["mode"] == "live"
        assert bench.machines.state("kvm2", VM) == "running"
        assert bench.lab.guest_exec("kvm2", VM, "/bin/cat", "/run/mark", "/data/mark") == "memory\ndisk"
    finally:
        bench.machines.clear(VM)


def test_no_password_of_a_target_in_output_and_results(bench: Bench, tmp_path: Path) -> None:
    tls = bench.lab.connection("kvm2")
    filed = tmp_path / "password"
    filed.write_text(f"{SECRET}\n")
    entries = {
        "home": bench.lab.connection("kvm1"),
        "good": tls | {"username": "automation", "password": SECRET},
        "bad": tls | {"hosts": ["qemu+tls://127.0.0.1:9/system"], "password": SECRET},
        "filed": tls | {"password_file": str(filed)},
    }
    connections = tmp_path / "connections.yml"
    connections.write_text(yaml.safe_dump({"hypervisors": entries}))
    connections.chmod(0o600)
    keys = {"TYPE": "libvirt", "LIBVIRT_HOSTS": tls["hosts"][0], "LIBVIRT_PASSWORD": SECRET}
    environ = {f"CROSSVIRT_{key}": value for key, value in keys.items()}
    environ |= {"CROSSVIRT_CONNECTIONS": str(connections), "THEIR_SECRET": SECRET}
    played = bench.play("move_secrets.yml", "-vvvv", environ=environ, tls=tls)
    errors = [result.get("error") for result in played.results]
    gone, refused, wrong = "NotFound", "ConnectionFailed", "InvalidOption"
    assert errors == [gone, refused, wrong, wrong, wrong, gone, refused, gone, wrong]
    assert SECRET not in json.dumps(played.results)
    assert SECRET not in played.printed
