# SPDX-License-Identifier: GPL-3.0-or-later
"""`ansible-inventory --list` of a host with many VMs: CPU, time and calls, ours beside community.libvirt's."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.benchmarks import floor
from tests.benchmarks.libvirt.plaintext import plain
from tests.benchmarks.measuring import Cost, cost_of, in_turn
from tests.benchmarks.rivals import WORK, program
from tests.lab.client import Lab
from tests.lab.commands import LabError

FLEETS = {10: 3, 1224: 7, 10000: 3}  # VMs: rounds
OURS, DETAILED, THEIRS = "crossvirt", "crossvirt with definitions", "community.libvirt"
# What opening and closing a connection takes, whoever does it.
CONNECTING = ("auth_", "connect_open", "connect_close", "connect_supports_", "connect_get_type", "connect_get_hostname")


@dataclass(frozen=True)
class Row:
    """One plugin at one size; Ansible alone has no calls."""

    vms: int
    name: str
    cost: Cost
    calls: int | None = None
    calls_when_connected: int | None = None


def rows() -> list[Row]:
    """Measure every size."""
    return [row for vms, rounds in FLEETS.items() for row in rows_of(vms, rounds)]


def rows_of(vms: int, rounds: int) -> list[Row]:
    """Start a host with so many VMs, and measure."""
    subprocess.run([sys.executable, "-m", "tests.lab", "fleet", str(vms)], check=True, stdout=subprocess.DEVNULL)
    lab = Lab()
    direct, counted = (plain(lab.connection(name)) for name in ("fleet", "fleet-proxy"))
    programs = {name: listing(name, source(direct)) for name, source in SOURCES.items()}
    for argv in programs.values():
        cost_of(argv)  # to warm up: a host that has just begun may be too slow for the first
    programs |= {name: listing(name, source) for name, source in floor.sources(programs[OURS]).items()}
    costs = in_turn(programs, rounds)
    counts = {name: calls(lab, listing(name, source(counted)), vms) for name, source in SOURCES.items()}
    return [Row(vms, name, costs[name], *counts.get(name, ())) for name in programs]


def ours(uri: str, **more: Any) -> dict[str, Any]:
    """Return a source of our plugin."""
    hypervisor = {"type": "libvirt", "hosts": [uri], "validate_certs": False}
    return {"plugin": "crossvirt.lifecycle.vms", "hypervisors": [hypervisor], **more}


def detailed(uri: str) -> dict[str, Any]:
    """Return one that reads every VM's definition, as community.libvirt's does."""
    return ours(uri, gather=["labels", "config", "nics"])


def theirs(uri: str) -> dict[str, Any]:
    """Return a source of community.libvirt's plugin."""
    return {"plugin": "community.libvirt.libvirt", "uri": uri}


SOURCES: dict[str, Callable[[str], dict[str, Any]]] = {OURS: ours, DETAILED: detailed, THEIRS: theirs}


def listing(name: str, source: dict[str, Any]) -> list[str]:
    """Write a source, as JSON, which is YAML, and return the command."""
    path = WORK / f"{name.replace(',', '').replace(' ', '-')}.crossvirt.yml"
    path.write_text(json.dumps(source))
    return [program("ansible-inventory"), "-i", str(path), "--list"]


def calls(lab: Lab, argv: list[str], vms: int) -> tuple[int, int]:
    """Return all calls of one run, and those that are not for connecting; raises LabError where hosts are missing."""
    with lab.counting() as counted:
        answer = floor.listed(argv)
    if len(json.loads(answer)["_meta"]["hostvars"]) != vms:
        raise LabError(f"{argv} does not list {vms} hosts")
    reading = sum(number for name, number in counted.by_name.items() if not name.startswith(CONNECTING))
    return counted.total, reading
