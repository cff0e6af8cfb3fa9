# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moving VMs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_migrate
short_description: Move virtual machines between hosts and storages
description:
  - Moves one virtual machine or many to another host, another storage, or both, running or stopped, within one
    connection or to another one of the same type.
  - Everything that stands in the way is looked for before anything is changed, and reported at once, in check mode too.
  - A VM that is at its target already is left alone, also where O(hypervisor) has it no more and its target has it.
  - A move that fails leaves the VM whole at its source, in its old state. Where an answer was lost, the result says
    where the VM is, and the same task, run again, finishes the move or takes its remains back.
author: The crossvirt.lifecycle contributors (@crossvirt)
version_added: 0.1.0
extends_documentation_fragment:
  - crossvirt.lifecycle.hypervisor
  - crossvirt.lifecycle.target
  - crossvirt.lifecycle.vm
  - crossvirt.lifecycle.vm.bulk
  - crossvirt.lifecycle.attributes
  - crossvirt.lifecycle.attributes.changing
options:
  mode:
    description:
      - V(live) moves a running or paused VM without stopping it, V(cold) one that is off.
      - V(auto) does what fits the VM's state. An entry of O(vms) may have a C(mode) of its own.
    type: str
    choices: [auto, live, cold]
    default: auto
  copy_storage:
    description:
      - Whether disks are copied to the target. V(auto) copies those that the target does not reach where they are.
      - V(never) refuses the move where a disk would have to be copied. V(always) copies every disk.
      - What was copied is removed at the source once the VM is whole at the target.
    type: str
    choices: [auto, always, never]
    default: auto
  encryption:
    description:
      - Whether memory and disks travel encrypted. V(auto) encrypts where both hosts are able to, and says in the
        result what was done; V(required) refuses to move otherwise; V(disabled) does not encrypt.
    type: str
    choices: [auto, required, disabled]
    default: auto
  bandwidth_bytes_per_second:
    description: The most that one move may send, in bytes per second; unlimited if left out.
    type: int
  post_copy:
    description:
      - Let the VM run at the target before all of its memory is there, once a first pass over it was sent.
      - A move of a busy VM ends this way for certain; a host or network that fails meanwhile costs the running VM.
    type: bool
    default: false
  auto_converge:
    description: Slow a VM down that changes its memory faster than it can be sent.
    type: bool
    default: false
  per_host:
    description: How many VMs are moved at once to or from any one host.
    type: int
    default: 2
  timeout_seconds:
    description:
      - How long the move of one VM may take, in seconds; a day if left out.
      - A move that somebody else has begun is waited for as long.
    type: float
  on_timeout:
    description: What follows when it takes longer; V(abort) takes the move back, so that the VM stays where it was.
    type: str
    choices: [abort]
    default: abort
"""

EXAMPLES = r"""
- name: Move a running VM to another host
  crossvirt.lifecycle.vm_migrate:
    hypervisor: {name: kvm}
    name: web1
    target: {host: kvm2}

- name: Empty a host, two VMs at a time
  crossvirt.lifecycle.vm_migrate:
    hypervisor: {name: dc1}
    select: {host: esx1.example.com}
    target: {cluster: east}
    per_host: 2

- name: Move the disks only
  crossvirt.lifecycle.vm_migrate:
    hypervisor: {name: dc1}
    name: db1
    target: {storage: fast}

- name: Move a VM to another data centre, for hours, in the background
  crossvirt.lifecycle.vm_migrate:
    hypervisor: {name: kvm}
    name: db1
    target:
      hypervisor: {name: kvm-west}
      host: west3
      storage_map: {default: fast}
      network_map: {lan: lan-west}
    bandwidth_bytes_per_second: 50000000
    timeout_seconds: 36000
  async: 36060
  poll: 0
  register: move

- name: See how far it is
  crossvirt.lifecycle.vm_info:
    hypervisor: {name: kvm}
    name: db1
    gather: [progress]
"""

RETURN = r"""
vms:
  description: One entry per VM, in the order asked; O(select) orders by name, then id.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: The VM's name., type: str, returned: when known}
    id: {description: The VM's native identifier where it is now., type: str, returned: when known}
    uuid: {description: The VM's UUID., type: str, returned: when known}
    host: {description: The host that the VM is on., type: str, returned: when known}
    hypervisor: {description: "The connection's name, or its type and hosts.", type: str, returned: always}
    changed: {description: Whether a step was begun., type: bool, returned: always}
    steps:
      description: What was begun, or in check mode would be.
      type: list
      elements: dict
      returned: always
      contains:
        action: {description: Always migrate., type: str, returned: always}
        mode: {description: "The way it is moved, V(live) or V(cold).", type: str, returned: always}
        copied:
          description: The volumes that are made at the target, with C(storage), C(volume) and C(size_bytes).
          type: list
          elements: dict
          returned: always
        warnings:
          description: What the hypervisor says of the move that is no reason against it.
          type: list
          elements: str
          returned: when there is any
        via:
          description: How the hosts are told, V(peer_to_peer) or V(client) (libvirt).
          type: str
          returned: in a real run, where the hypervisor knows more than one way
        encrypted:
          description: Whether memory and disks travelled encrypted.
          type: bool
          returned: in a real run, when known
        downtime_seconds:
          description: How long the VM stood still, as the hypervisor says.
          type: float
          returned: in a real run, where the hypervisor tells
        progress:
          description: How far it came, as M(crossvirt.lifecycle.vm_info) says while it lasts.
          type: dict
          returned: in a real run, where the hypervisor tells
        outcome: {description: "One of done, timeout, failed, cancelled.", type: str, returned: in a real run}
    before:
      description:
        - C(name), C(host), C(state), and as far as the move is about them C(cluster), C(folder), C(pool), C(path),
          C(storage) and C(networks); the last two are lists, by disk and by NIC.
      type: dict
      returned: unless the task was refused
    after: {description: The same afterwards., type: dict, returned: unless the task was refused}
    error: {description: The class of what went wrong., type: str, returned: on failure}
    msg: {description: What went wrong., type: str, returned: on failure}
    reasons:
      description: Each reason why the VM cannot move, with C(error) and C(msg).
      type: list
      elements: dict
      returned: when the move was refused
    found:
      description:
        - Where the VM was seen after a failure, with C(host), C(name) and C(state).
        - A host that does not answer is listed with the C(state) V(unknown).
      type: list
      elements: dict
      returned: when a move failed
    left_behind: {description: What could not be removed., type: list, elements: str, returned: when there is any}
vm:
  description: The entry of RV(vms), where it is the only one.
  returned: with one VM
  type: dict
error:
  description: The class of the first failure.
  returned: on failure
  type: str
"""

from ansible_collections.crossvirt.lifecycle.plugins.module_utils import migration, whereabouts
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.connection import HYPERVISOR
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.engine import Job
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.movers import mover_class
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.migration import (
    COPY_STORAGE,
    ENCRYPTION,
    MODES,
    what_is_read,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.runner import run_job

OPTIONS = {
    "target": {
        "type": "dict",
        "options": {
            "hypervisor": HYPERVISOR,
            **{key: {"type": "str"} for key in ("host", "cluster", "folder", "pool", "storage", "name")},
            "storage_map": {"type": "dict"},
            "network_map": {"type": "dict"},
        },
    },
    "mode": {"type": "str", "choices": list(MODES), "default": "auto"},
    "copy_storage": {"type": "str", "choices": list(COPY_STORAGE), "default": "auto"},
    "encryption": {"type": "str", "choices": list(ENCRYPTION), "default": "auto"},
    "bandwidth_bytes_per_second": {"type": "int"},
    "post_copy": {"type": "bool", "default": False},
    "auto_converge": {"type": "bool", "default": False},
    "per_host": {"type": "int", "default": 2},
    "timeout_seconds": {"type": "float"},
    "on_timeout": {"type": "str", "choices": ["abort"], "default": "abort"},
}
JOB = Job(
    together=migration.together,
    missing=migration.elsewhere,
    gather=what_is_read,
    own_keys=("target", "mode"),
    others=migration.targets,
    settle_seconds=migration.settle_seconds,
    follows=True,
    choose=migration.meant,
    find_out=whereabouts.find_out,
    drivers=mover_class,
)


def main() -> None:
    """Run the module."""
    run_job(OPTIONS, JOB)


if __name__ == "__main__":
    main()
