# SPDX-License-Identifier: GPL-3.0-or-later
"""A password is in no output at -vvvv, no result, no host variable and no cache, wherever it came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.integration.libvirt.bench import Bench

pytestmark = pytest.mark.usefixtures("alone")
SECRET = "Zq9-hunter2-Zq9"  # noqa: S105 - of nobody


@pytest.fixture
def environ(bench: Bench, tmp_path: Path) -> dict[str, str]:
    """A connections file with a password in it, which the lab's hosts do not ask for."""
    tls = bench.lab.connection("kvm1")
    filed = tmp_path / "password"
    filed.write_text(f"{SECRET}\n")
    entries = {
        "good": tls | {"username": "automation", "password": SECRET},
        "bad": tls | {"hosts": ["qemu+tls://127.0.0.1:9/system"], "password": SECRET},
        "filed": tls | {"password_file": str(filed)},
    }
    connections = tmp_path / "connections.yml"
    connections.write_text(yaml.safe_dump({"hypervisors": entries}))
    connections.chmod(0o600)
    keys = {"TYPE": "libvirt", "LIBVIRT_HOSTS": tls["hosts"][0], "LIBVIRT_PASSWORD": SECRET}
    keys |= {f"LIBVIRT_{key.upper()}": tls[key] for key in ("ca_path", "client_cert", "client_key")}
    fromenv = {f"CROSSVIRT_{key}": value for key, value in keys.items()}
    return {"CROSSVIRT_CONNECTIONS": str(connections), "THEIR_SECRET": SECRET, **fromenv}


def test_no_password_in_output_and_results(bench: Bench, environ: dict[str, str]) -> None:
    played = bench.play("secrets.yml", "-vvvv", environ=environ, tls=bench.lab.connection("kvm1"))
    errors = [result.get("error") for result in played.results]
    refused, wrong = "ConnectionFailed", "InvalidOption"
    assert errors == [None, refused, wrong, wrong, None, refused, None, None]
    assert SECRET not in json.dumps(played.results)
    assert SECRET not in played.printed


def test_no_password_in_inventory_and_cache(bench: Bench, environ: dict[str, str], tmp_path: Path) -> None:
    inline = bench.lab.connection("kvm2") | {"password": "{{ lookup('env', 'THEIR_SECRET') }}"}
    source = tmp_path / "all.crossvirt.yml"
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    hypervisors = [{"name": "good"}, {"name": "bad", "unreachable": "warn"}, inline]
    plugin = {"plugin": "crossvirt.lifecycle.vms", "gather": ["config", "guest"], "strict": True}
    source.write_text(yaml.safe_dump(plugin | {"hypervisors": hypervisors} | cache))
    for host in ("kvm1", "kvm2"):
        bench.machines.bare(host, f"it-secret-{host}")
    try:
        for bad in (True, False):  # an incomplete reading is not cached
            if not bad:
                source.write_text(yaml.safe_dump(plugin | {"hypervisors": [{"name": "good"}, inline]} | cache))
            code, stdout, stderr = bench.command(
                "ansible-inventory", "-i", str(source), "--list", "-vvvv", environ=environ
            )
            assert code == 0, stderr
            assert "it-secret-kvm1" in stdout
            assert "it-secret-kvm2" in stdout
            assert ("127.0.0.1:9" in stderr) is bad
            assert SECRET not in stdout + stderr
    finally:
        for host in ("kvm1", "kvm2"):
            bench.machines.remove(host, f"it-secret-{host}")
    cached = [file.read_text() for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert ["it-secret-kvm1" in text for text in cached] == [True]
    assert SECRET not in "".join(cached)
