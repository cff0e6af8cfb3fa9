# SPDX-License-Identifier: GPL-3.0-or-later
"""50 VMs started: one task of ours, 50 of ours, and 50 of community.libvirt's."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import libvirt
from tests.benchmarks.libvirt.plaintext import plain
from tests.benchmarks.measuring import Cost, cost_of, medians
from tests.benchmarks.rivals import WORK, program
from tests.lab.client import Lab
from tests.lab.commands import LabError

ROUNDS = 3
NAMES = [f"bench-{number:02d}" for number in range(50)]
ONE, LOOP, THEIRS = "crossvirt, one task", "crossvirt, 50 tasks", "community.libvirt, 50 tasks"
# No disk: the firmware finds nothing to start, and idles.
DOMAIN = """
<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<cpu mode='custom' match='exact' check='none'><model>qemu64</model></cpu></domain>
"""


def costs() -> dict[str, Cost]:
    """Measure in turn; all VMs are stopped before every run, and must run after it."""
    with machines() as (uri, host):
        books = playbooks(uri)
        rounds = [{name: start(host, path) for name, path in books.items()} for _round in range(ROUNDS)]
    return {name: medians([costs[name] for costs in rounds]) for name in books}


@contextmanager
def machines() -> Iterator[tuple[str, libvirt.virConnect]]:
    """Define the VMs on a lab host, and remove them afterwards."""
    uri = plain(Lab().connection("kvm1"))
    host = libvirt.open(uri)
    try:
        for name in NAMES:
            host.defineXML(DOMAIN.format(name=name))
        yield uri, host
    finally:
        stop(host)
        for domain in ours(host):
            domain.undefine()
        host.close()


def ours(host: libvirt.virConnect) -> list[libvirt.virDomain]:
    """Find the VMs, as far as they are defined."""
    return [domain for domain in host.listAllDomains() if domain.name() in NAMES]


def stop(host: libvirt.virConnect) -> None:
    """Pull all plugs. Each takes two seconds, and a connection carries five calls at a time, so each has its own."""

    def unplug(name: str) -> None:
        connection = libvirt.open(host.getURI())
        connection.lookupByName(name).destroy()
        connection.close()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(unplug, [domain.name() for domain in ours(host) if domain.isActive()]))


def playbooks(uri: str) -> dict[str, str]:
    """Write a playbook with one task each, and return the paths."""
    hypervisor = {"type": "libvirt", "hosts": [uri], "validate_certs": False}
    running = {"hypervisor": hypervisor, "state": "running"}
    tasks: dict[str, dict[str, Any]] = {
        ONE: {"crossvirt.lifecycle.vm_state": {**running, "vms": NAMES}},
        LOOP: {"crossvirt.lifecycle.vm_state": {**running, "name": "{{ item }}"}, "loop": NAMES},
        THEIRS: {"community.libvirt.virt": {"uri": uri, "name": "{{ item }}", "state": "running"}, "loop": NAMES},
    }
    paths = {name: WORK / f"power-{number}.yml" for number, name in enumerate(tasks)}
    for name, path in paths.items():
        path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [tasks[name]]}]))
    return {name: str(path) for name, path in paths.items()}


def start(host: libvirt.virConnect, playbook: str) -> Cost:
    """Play it; raises LabError where not all VMs run afterwards."""
    stop(host)
    cost = cost_of([program("ansible-playbook"), playbook])
    if not all(domain.isActive() for domain in ours(host)):
        raise LabError(f"{playbook} did not start all VMs")
    return cost
