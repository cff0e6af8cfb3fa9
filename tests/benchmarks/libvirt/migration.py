# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves: how long a guest does not answer, and ten VMs in one task and in ten."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import libvirt
from tests.benchmarks.measuring import Cost, cost_of, medians
from tests.benchmarks.rivals import WORK, program
from tests.lab.client import Lab
from tests.lab.commands import LabError
from tests.lab.silence import Silence

MOVES, ROUNDS = 20, 3
HOSTS = ("kvm1", "kvm2")
GUEST = "bench-guest"
FLEET = [f"bench-move-{number}" for number in range(10)]
POOLS = {"shared storage": "shared", "disks copied": "default"}
ONE, LOOP = "crossvirt, one task", "crossvirt, 10 tasks"
DOMAIN = """
<domain type='qemu'><name>{name}</name><memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<features><acpi/><tcg><tb-cache unit='MiB'>16</tb-cache></tcg></features>
<cpu mode='custom' match='exact' check='none'><model>qemu64</model></cpu><devices>{devices}</devices></domain>
"""
DEVICES = """
<disk type='file' device='disk'>
<driver name='qemu' type='qcow2'/><source file='{file}'/><target dev='vda' bus='virtio'/></disk>
<interface type='network'><source network='lan'/><model type='virtio'/></interface>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
"""


@dataclass(frozen=True)
class Silences:
    """How long a guest did not answer in the middle of each of several moves."""

    milliseconds: Sequence[float]

    @property
    def median(self) -> float:
        """Of all moves."""
        return median(self.milliseconds)

    @property
    def worst(self) -> float:
        """Of all moves."""
        return max(self.milliseconds)


@dataclass(frozen=True)
class Fleet:
    """What it costs to move ten VMs, and the calls that went to both hosts."""

    cost: Cost
    calls: int


def silences() -> dict[str, Silences]:
    """Move a guest to and fro, with its disk on shared storage and with a copy."""
    return {what: Silences(list(of_one_guest(pool))) for what, pool in POOLS.items()}


def of_one_guest(pool: str) -> Iterator[float]:
    """Yield the longest time between two answers, for each move."""
    lab = Lab()
    folder = lab.facts["hosts"][HOSTS[0]]["pools"][pool]["path"]
    file = Path(folder) / f"{GUEST}.qcow2"
    shutil.copy(lab.facts["guest"]["path"], lab.outside(HOSTS[0], str(file)))
    lab.virsh(HOSTS[0], "pool-refresh", pool)
    with on_hosts([GUEST], DOMAIN.format(name=GUEST, memory=128, devices=DEVICES.format(file=file))):
        lab.wait_for_agent(HOSTS[0], GUEST, 60)
        lines = lab.guest_exec(HOSTS[0], GUEST, "/bin/ip", "-4", "-o", "addr", "show", "eth0")
        address = lines.split(" inet ")[1].split("/")[0]
        books = {host: playbook(f"silence-{host}", [GUEST], host, lab.connection("lab")) for host in HOSTS}
        for number in range(MOVES):
            with Silence(address) as silence:
                cost_of([program("ansible-playbook"), books[HOSTS[(number + 1) % 2]]])
            yield silence.longest_ms
    for host in HOSTS:
        lab.outside(host, str(file)).unlink(missing_ok=True)
        lab.virsh(host, "pool-refresh", pool)


def fleets() -> dict[str, Fleet]:
    """Move ten running VMs, in one task and in ten, to and fro; the calls are counted in a run of their own."""
    lab = Lab()
    with on_hosts(FLEET, *(DOMAIN.format(name=name, memory=32, devices="") for name in FLEET)):
        rounds = [{way: there_and_back(lab, way, "lab-tcp") for way in (ONE, LOOP)} for _round in range(ROUNDS)]
        calls = {}
        for way in (ONE, LOOP):
            with lab.counting() as counted:
                there_and_back(lab, way, "lab-proxy")
            calls[way] = counted.total // 2
    return {way: Fleet(medians([costs[way] for costs in rounds]), calls[way]) for way in (ONE, LOOP)}


def there_and_back(lab: Lab, way: str, connection: str) -> Cost:
    """Move the fleet to the other host, which is what counts, and back."""
    there, _back = (moved(lab, way, host, connection) for host in reversed(HOSTS))
    return there


def moved(lab: Lab, way: str, host: str, connection: str) -> Cost:
    """Move the fleet to a host; raises LabError where not all are there afterwards."""
    cost = cost_of([program("ansible-playbook"), playbook("fleet", FLEET, host, lab.connection(connection), way)])
    if not set(FLEET) <= set(lab.virsh(host, "list", "--name").split()):
        raise LabError(f"not all VMs are on {host}")
    return cost


def playbook(name: str, vms: Sequence[str], host: str, hypervisor: Mapping[str, object], way: str = ONE) -> str:
    """Write a playbook that moves VMs to a host, and return its path."""
    options = {"hypervisor": hypervisor, "target": {"host": host}}
    task: dict[str, object] = {"crossvirt.lifecycle.vm_migrate": {**options, "vms": vms}}
    if way == LOOP:
        task = {"crossvirt.lifecycle.vm_migrate": {**options, "name": "{{ item }}"}, "loop": vms}
    path = WORK / f"migration-{name}.yml"
    path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    return str(path)


@contextmanager
def on_hosts(names: Sequence[str], *definitions: str) -> Iterator[None]:
    """Start VMs on the first host, and remove them wherever they are afterwards."""
    connections = [libvirt.open(Lab().hosts[host].unix_uri) for host in HOSTS]
    try:
        for xml in definitions:
            connections[0].defineXML(xml).create()
        yield
    finally:
        for connection in connections:
            for domain in connection.listAllDomains():
                if domain.name() in names:
                    if domain.isActive():
                        domain.destroy()
                    domain.undefine()
            connection.close()
