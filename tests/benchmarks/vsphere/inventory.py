# SPDX-License-Identifier: GPL-3.0-or-later
"""`ansible-inventory --list` of a vCenter with many VMs: CPU, time, memory and calls, ours beside the others'."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tests.benchmarks import floor
from tests.benchmarks.measuring import Cost, cost_of, in_turn
from tests.benchmarks.rivals import WORK, program
from tests.benchmarks.vsphere.sources import COMMUNITY, CONNECTION, OURS, TUNED, VMWARE, source
from tests.lab.commands import LabError
from tests.lab.vsphere.server import HUNDREDS, THOUSANDS, Layout, Simulator

DELAY_SECONDS = 0.005  # of every call, in the place of a network and of a vCenter that has to think
CONNECTIONS = WORK / "vsphere-connections.yml"


@dataclass(frozen=True)
class Fleet:
    """A vCenter, the sources to list it with, and how often."""

    layout: Layout
    rounds: int
    names: Sequence[str]
    delayed: Sequence[str]  # also with a delay, once: it is the wait that counts there


FLEETS = [
    Fleet(HUNDREDS, 5, (OURS, TUNED, COMMUNITY, VMWARE), (OURS, TUNED, VMWARE)),
    Fleet(THOUSANDS, 2, (OURS, TUNED, VMWARE), (OURS, TUNED)),
]


@dataclass(frozen=True)
class Row:
    """One plugin on one fleet; `delayed` is its cost where every call lasts longer."""

    vms: int
    name: str
    cost: Cost
    calls: int
    delayed: Cost | None = None


def rows() -> list[Row]:
    """Measure every fleet."""
    return [row for fleet in FLEETS for row in rows_of(fleet)]


def rows_of(fleet: Fleet) -> list[Row]:
    """Start a vCenter, and measure; what counts the calls is also the warm-up."""
    with Simulator.start(fleet.layout) as simulator:
        CONNECTIONS.touch(mode=0o600)
        CONNECTIONS.write_text(yaml.safe_dump({"hypervisors": {CONNECTION: simulator.connection()}}))
        programs = {name: listing(name, source(name, simulator, str(CONNECTIONS))) for name in fleet.names}
        counts = {name: calls(simulator, argv) for name, argv in programs.items()}
        programs |= {name: listing(name, source) for name, source in floor.sources(programs[OURS]).items()}
        costs = in_turn(programs, fleet.rounds)
        simulator.control.delays(call_seconds=DELAY_SECONDS)
        delayed: Mapping[str, Cost] = {name: cost_of(programs[name]) for name in fleet.delayed}
        return [Row(simulator.vms, name, costs[name], counts.get(name, 0), delayed.get(name)) for name in programs]


def listing(name: str, source: dict[str, Any]) -> list[str]:
    """Write a source, as JSON, which is YAML, and return the command; the plugins ask for names that end so."""
    suffix = {OURS: "crossvirt", VMWARE: "vms"}.get(name, "vmware")
    path = WORK / f"{name.replace(',', '').replace(' ', '-')}.{suffix}.yml"
    path.write_text(json.dumps(source))
    return [program("ansible-inventory"), "-i", str(path), "--list"]


def calls(simulator: Simulator, argv: list[str]) -> int:
    """Return the calls of one run; raises LabError where hosts are missing."""
    simulator.control.reset()
    found = len(json.loads(floor.listed(argv))["_meta"]["hostvars"])
    if found != simulator.vms:
        raise LabError(f"{argv} lists {found} hosts, not {simulator.vms}")
    return simulator.control.calls().total
