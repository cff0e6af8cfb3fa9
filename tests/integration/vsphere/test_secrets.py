# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords and tokens are in no output at -vvvv, no result, no host variable and no cache, wherever they came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.vsphere.bench import Bench, connections
from tests.lab.vsphere.client import Rule

REFUSED, WRONG, UNKNOWN = "ConnectionFailed", "InvalidOption", "AuthenticationFailed"


@pytest.fixture
def secret(bench: Bench) -> str:
    return bench.sim.password


@pytest.fixture
def connection(bench: Bench) -> dict[str, Any]:
    """Everything but the secret."""
    return bench.sim.connection(password=None)


@pytest.fixture
def environ(bench: Bench, connection: dict[str, Any], secret: str, tmp_path: Path) -> dict[str, str]:
    """A connections file, a file with a password, and the environment."""
    filed = tmp_path / "password"
    filed.write_text(f"{secret}\n")
    given = bench.sim.connection()
    entries = {"good": given, "bad": given | {"port": 9}, "filed": connection | {"password_file": str(filed)}}
    folder = tmp_path / "connections"
    folder.mkdir()
    keys = {f"CROSSVIRT_VSPHERE_{key.upper()}": str(given[key]) for key in ("port", "username", "ca_path")}
    keys |= {"CROSSVIRT_TYPE": "vsphere", "VMWARE_HOST": bench.sim.address, "VMWARE_PASSWORD": secret}
    return keys | {"CROSSVIRT_CONNECTIONS": str(connections(folder, entries)), "THEIR_SECRET": secret}


def test_no_secret_in_output_and_results(
    bench: Bench, environ: dict[str, str], connection: dict[str, Any], secret: str
) -> None:
    bench.control.faults(Rule(method="PowerOffVM_Task", fault="SystemError", detail={"reason": f"for {secret}"}))
    with bench.witness.connected() as content:
        token = content.rootFolder._stub.GetSessionId()  # noqa: SLF001 - as pyvmomi's own samples do
        played = bench.play(
            "vsphere_secrets.yml", "-vvvv", environ=environ | {"THEIR_TOKEN": token}, connection=connection
        )
    errors = [result.get("error") for result in played.results]
    assert errors == [None, UNKNOWN, REFUSED, WRONG, WRONG, None, UNKNOWN, "BackendError", None, None]
    assert "for ********" in played.printed
    for each in (secret, token):
        assert each not in json.dumps(played.results)
        assert each not in played.printed


def test_no_secret_in_inventory_and_cache(
    bench: Bench, environ: dict[str, str], connection: dict[str, Any], secret: str, tmp_path: Path
) -> None:
    source = tmp_path / "all.crossvirt.yml"
    inline = connection | {"password": "{{ lookup('env', 'THEIR_SECRET') }}"}
    plugin = {"plugin": "crossvirt.lifecycle.vms", "gather": ["config", "guest", "labels"], "strict": True}
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    for hypervisors in ([{"name": "good"}, {"name": "bad", "unreachable": "warn"}], [{"name": "filed"}, inline]):
        source.write_text(yaml.safe_dump(plugin | cache | {"hypervisors": hypervisors}))
        code, stdout, stderr = bench.command("ansible-inventory", "-i", str(source), "--list", "-vvvv", environ=environ)
        assert (code, "DC0_H0_VM0" in stdout) == (0, True), stderr
        assert secret not in stdout + stderr
    cached = [file.read_text() for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert ["DC0_H0_VM0" in text for text in cached] == [True]
    assert secret not in "".join(cached)
