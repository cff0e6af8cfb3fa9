# SPDX-License-Identifier: GPL-3.0-or-later
"""`ansible-inventory --list` of a host with many VMs: CPU, time and calls, ours beside community.libvirt's."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.libvirt.plaintext import plain
from tests.benchmarks.measuring import Cost, cost_of, in_turn
from tests.benchmarks.rivals import ENVIRONMENT, WORK, program
from tests.lab.client import Lab
from tests.lab.commands import LabError

FLEETS = {10: 3, 1224: 7, 10000: 3}  # VMs: rounds
OURS, DETAILED, THEIRS, BARE = "crossvirt", "crossvirt with definitions", "community.libvirt", "Ansible alone"
# What opening and closing a connection takes, whoever does it.
CONNECTING = ("auth_", "connect_open", "connect_close", "connect_supports_", "connect_get_type", "connect_get_hostname")


Source = Callable[[int, str], dict[str, Any]]


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
    programs = {name: listing(name, vms, direct) for name in SOURCES}
    for argv in programs.values():
        cost_of(argv)  # to warm up
    costs = in_turn(programs, rounds)
    counts = {name: calls(lab, listing(name, vms, counted), vms) for name in (OURS, DETAILED, THEIRS)}
    return [Row(vms, name, costs[name], *counts.get(name, ())) for name in SOURCES]


def ours(_vms: int, uri: str, **more: Any) -> dict[str, Any]:
    """Return a source of our plugin."""
    hypervisor = {"type": "libvirt", "hosts": [uri], "validate_certs": False}
    return {"plugin": "crossvirt.lifecycle.vms", "hypervisors": [hypervisor], **more}


def detailed(vms: int, uri: str) -> dict[str, Any]:
    """Return one that reads every VM's definition, as community.libvirt's does."""
    return ours(vms, uri, gather=["labels", "config", "nics"])


def theirs(_vms: int, uri: str) -> dict[str, Any]:
    """Return a source of community.libvirt's plugin."""
    return {"plugin": "community.libvirt.libvirt", "uri": uri}


def bare(vms: int, _uri: str) -> dict[str, Any]:
    """Return as many hosts without variables: what Ansible takes for itself."""
    return {"all": {"hosts": {f"fleet-{number:05d}": {} for number in range(vms)}}}


SOURCES: dict[str, Source] = {OURS: ours, DETAILED: detailed, THEIRS: theirs, BARE: bare}


def listing(name: str, vms: int, uri: str) -> list[str]:
    """Write a source, as JSON, which is YAML, and return the command."""
    path = WORK / f"{name.replace(' ', '-')}.crossvirt.yml"
    path.write_text(json.dumps(SOURCES[name](vms, uri)))
    return [program("ansible-inventory"), "-i", str(path), "--list"]


def calls(lab: Lab, argv: list[str], vms: int) -> tuple[int, int]:
    """Return all calls of one run, and those that are not for connecting; raises LabError where hosts are missing."""
    with lab.counting() as counted:
        answer = subprocess.run(argv, env=ENVIRONMENT, check=True, capture_output=True).stdout
    if len(json.loads(answer)["_meta"]["hostvars"]) != vms:
        raise LabError(f"{argv} does not list {vms} hosts")
    reading = sum(number for name, number in counted.by_name.items() if not name.startswith(CONNECTING))
    return counted.total, reading
