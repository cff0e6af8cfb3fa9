# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs started in a vCenter with 1,224: 50 in one task of ours and in loops of the others', and a single one."""

import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTasks

from tests.benchmarks.measuring import Cost, cost_of, medians
from tests.benchmarks.rivals import WORK, program
from tests.benchmarks.vsphere.sources import login
from tests.lab.commands import LabError
from tests.lab.vsphere.server import HUNDREDS, Simulator

ROUNDS = 3
NAMES = [f"DC0_C0_RP0_VM{number}" for number in range(50)]
ONE_TASK, COMMUNITY_LOOP, VMWARE_LOOP = "crossvirt, one task", "community.vmware, loop", "vmware.vmware, loop"
NO_TASK, NOTHING = "a play without a task", "ansible.builtin.ping, which does nothing"
ONE_NAME, ONE_UUID = "crossvirt, by name", "crossvirt, by uuid"
COMMUNITY_ONE, VMWARE_ONE = "community.vmware, by name", "vmware.vmware, by name"


@dataclass(frozen=True)
class Row:
    """One way to start so many VMs; calls and logins are those of one run."""

    name: str
    vms: int
    cost: Cost
    calls: int
    logins: int


def rows() -> list[Row]:
    """Measure in turn; all VMs are stopped before every run, and the right ones must run after it."""
    with Simulator.start(HUNDREDS) as simulator:
        fleet = Fleet(simulator)
        books = playbooks(simulator, fleet.uuid(NAMES[0]))
        rounds = [{name: fleet.start(*book) for name, book in books.items()} for _round in range(ROUNDS)]
        fleet.close()
    first = rounds[0]
    return [
        Row(name, vms, medians([each[name].cost for each in rounds]), first[name].calls, first[name].logins)
        for name, (_path, vms) in books.items()
    ]


class Fleet:
    """The VMs, as pyvmomi sees them."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._service = SmartConnect(
            host=simulator.address,
            port=simulator.port,
            user=simulator.username,
            pwd=simulator.password,
            sslContext=ssl.create_default_context(cafile=simulator.ca_path),
        )
        find = self._service.content.searchIndex.FindByInventoryPath
        self._vms = {name: find(f"/DC0/vm/{name}") for name in NAMES}

    def close(self) -> None:
        """Log out."""
        Disconnect(self._service)

    def uuid(self, name: str) -> str:
        """Return the uuid of a VM."""
        return str(self._vms[name].config.instanceUuid)

    def running(self) -> list[str]:
        """Return the names of those that run."""
        return [name for name, vm in self._vms.items() if vm.runtime.powerState == "poweredOn"]

    def start(self, playbook: str, vms: int) -> Row:
        """Play it; raises LabError where other VMs run afterwards than should."""
        WaitForTasks([self._vms[name].PowerOffVM_Task() for name in self.running()], self._service)
        self._simulator.control.reset()
        cost = cost_of([program("ansible-playbook"), playbook])
        calls = self._simulator.control.calls()
        if self.running() != NAMES[:vms]:
            raise LabError(f"{playbook} did not start {vms} VMs")
        return Row(playbook, vms, cost, calls.total, calls.soap.get("Login", 0))


def playbooks(simulator: Simulator, uuid: str) -> dict[str, tuple[str, int]]:
    """Write a playbook for each way, and return the paths, each with the number of VMs that it starts."""
    ours = {"hypervisor": simulator.connection(), "state": "running"}
    community = {**login(simulator), "state": "powered-on"}
    vmware = community | {"datacenter": "DC0"}
    item: dict[str, Any] = {"name": "{{ item }}"}
    theirs = ("community.vmware.vmware_guest_powerstate", community), ("vmware.vmware.vm_powerstate", vmware)
    loops = [{module: options | item, "loop": NAMES} for module, options in theirs]
    ones = [{module: options | {"name": NAMES[0]}} for module, options in theirs]
    tasks: dict[str, tuple[Sequence[dict[str, Any]], int]] = {
        ONE_TASK: ([{"crossvirt.lifecycle.vm_state": {**ours, "vms": NAMES}}], len(NAMES)),
        COMMUNITY_LOOP: (loops[:1], len(NAMES)),
        VMWARE_LOOP: (loops[1:], len(NAMES)),
        NO_TASK: ([], 0),
        NOTHING: ([{"ansible.builtin.ping": {}}], 0),
        ONE_NAME: ([{"crossvirt.lifecycle.vm_state": {**ours, "name": NAMES[0]}}], 1),
        ONE_UUID: ([{"crossvirt.lifecycle.vm_state": {**ours, "uuid": uuid}}], 1),
        COMMUNITY_ONE: (ones[:1], 1),
        VMWARE_ONE: (ones[1:], 1),
    }
    paths = {name: WORK / f"vsphere-power-{number}.yml" for number, name in enumerate(tasks)}
    for name, path in paths.items():
        path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks[name][0]}]))
    return {name: (str(path), tasks[name][1]) for name, path in paths.items()}
