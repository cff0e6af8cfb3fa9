# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory through ansible-inventory: few calls, and one warning that says what is wrong when something is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.inventory import read
from tests.integration.vsphere.bench import Bench
from tests.lab.vsphere.client import Rule

GATHER = ["labels", "config", "disks", "nics", "snapshots", "guest"]
Source = Callable[..., str]


@pytest.fixture
def source(bench: Bench, tmp_path: Path) -> Source:
    """Write a source; the connection may be changed."""

    def write(**changes: Any) -> str:
        path = tmp_path / "lab.crossvirt.yml"
        hypervisors = [bench.sim.connection(**changes)]
        path.write_text(
            yaml.safe_dump({"plugin": "crossvirt.lifecycle.vms", "hypervisors": hypervisors, "gather": GATHER})
        )
        return str(path)

    return write


def test_everything_in_a_few_calls(bench: Bench, source: Source) -> None:
    inventory, warnings = read(bench, source())
    assert warnings == ""
    assert sorted(inventory["_meta"]["hostvars"]) == sorted(bench.witness.states())
    assert sorted(inventory["crossvirt_host_DC0_H0"]["hosts"]) == ["DC0_H0_VM0", "DC0_H0_VM1"]
    bench.control.reset()
    read(bench, source())
    calls = bench.control.calls()
    assert calls.total - calls.soap["RetrievePropertiesEx"] <= 8
    assert calls.writes == {}


def test_a_session_that_expires(bench: Bench, source: Source) -> None:
    whole, _warnings = read(bench, source())
    bench.control.reset()
    bench.control.faults(Rule(method="RetrievePropertiesEx", fault="NotAuthenticated", count=1))
    inventory, warnings = read(bench, source())
    assert (inventory, warnings, bench.called("Login")) == (whole, "", 2)
    bench.control.end_sessions()  # the fault was a lie, so the first session is still there


@pytest.mark.parametrize(
    ("rule", "changes", "words"),
    [
        (Rule(method="RetrievePropertiesEx", http=503), {}, ["ConnectionFailed", "reading the inventory", "503"]),
        (Rule(method="RetrievePropertiesEx", drop="before"), {}, ["ConnectionFailed", "reading the inventory"]),
        (Rule(method="Login", hang=True), {"connect_timeout_seconds": 1}, ["ConnectionFailed", "within 1 seconds"]),
        (Rule(method="none"), {"password": "wrong"}, ["AuthenticationFailed", "InvalidLogin"]),
        (Rule(method="none"), {"ca_path": None}, ["CertificateNotTrusted", "ca_path"]),
    ],
    ids=["503", "cut", "hang", "password", "certificate"],
)
def test_trouble_is_one_warning(
    bench: Bench, source: Source, rule: Rule, changes: dict[str, Any], words: list[str]
) -> None:
    bench.control.faults(rule)
    inventory, warnings = read(bench, source(**changes))
    assert inventory["_meta"]["hostvars"] == {}
    assert warnings.count("[WARNING]") == 1
    said = " ".join(warnings.split())
    assert not [word for word in (bench.sim.address, *words) if word not in said], said
    assert "Traceback" not in warnings
