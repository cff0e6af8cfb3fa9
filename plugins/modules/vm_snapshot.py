# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Snapshots of VMs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_snapshot
short_description: Take snapshots of virtual machines, remove them, and go back to them
description:
  - Has a snapshot of one virtual machine or many, removes one or whole subtrees, removes those that are old,
    or goes back to one, on any supported hypervisor.
  - V(reverted) is an action and always changes; everything else is left alone where it already holds.
  - Several snapshots of a VM may have one name on some hypervisors, though not on libvirt. A name that stands for
    several is an error that lists id and path of each.
author: The crossvirt.lifecycle contributors (@crossvirt)
version_added: 0.1.0
extends_documentation_fragment:
  - crossvirt.lifecycle.hypervisor
  - crossvirt.lifecycle.vm
  - crossvirt.lifecycle.vm.bulk
  - crossvirt.lifecycle.attributes
  - crossvirt.lifecycle.attributes.changing
options:
  state:
    description:
      - V(present) takes a snapshot called O(snapshot) below the current one, unless one of that name is there.
      - V(absent) removes the snapshot, if it is there.
      - V(reverted) goes back to the snapshot. What the VM has done since is lost, and it is then in the state that the
        snapshot holds.
      - V(pruned) removes the snapshots that are old by O(retention).
    type: str
    choices: [present, absent, reverted, pruned]
    default: present
  snapshot:
    description:
      - The snapshot's name.
      - For V(absent) and V(reverted), exactly one of this, O(snapshot_id) and O(snapshot_path) is needed.
    type: str
  snapshot_id:
    description: The snapshot's native identifier, for V(absent) and V(reverted); on libvirt it is the name, on vSphere
      the managed object id, such as V(snapshot-7).
    type: str
  snapshot_path:
    description: The names from the root of the tree down to the snapshot, for V(absent) and V(reverted).
    type: list
    elements: str
  description:
    description: Text that a new snapshot carries.
    type: str
  consistency:
    description:
      - What a new snapshot must hold at least. The kind that is taken is in RV(vms[].steps).
      - V(crash) is what the disks hold when the plug is pulled, V(filesystem) what they hold when the guest has brought
        its file systems to rest, V(memory) is the running VM with its memory.
      - A stronger kind is taken where it is the only one that the host can go back to. That is so for VMs that run on
        libvirt before 9.9, where V(memory) is taken.
      - A weaker kind is never taken. Where what is asked for is impossible, the task is refused with every reason.
    type: str
    choices: [crash, filesystem, memory]
    default: crash
  allow_unrevertable:
    description:
      - Whether a snapshot may be taken that this host could not go back to.
      - On libvirt before 9.9 that is one in files of its own, the only kind for disks other than qcow2, for running VMs
        with UEFI, and for O(consistency=filesystem) by the guest's agent.
    type: bool
    default: false
  children:
    description: What V(absent) does with the snapshots below; V(keep) moves them up to the parent.
    type: str
    choices: [keep, remove]
    default: keep
  retention:
    description:
      - Which snapshots are old and removed, with O(state=pruned), or with O(state=present) once the new one is there.
      - O(retention.keep), O(retention.older_than_seconds) or both are needed.
      - The snapshot that O(state=present) is about counts, and is never removed.
    type: dict
    suboptions:
      keep:
        description: The newest so many are not old.
        type: int
      older_than_seconds:
        description: Only those of at least this age are old, by the clock of where the module runs.
        type: float
      match:
        description: Only those whose name fits this shell-style pattern, such as V(nightly-*), count at all.
        type: str
notes:
  - On libvirt, snapshots inside qcow2 disks and snapshots in files of their own do not mix. Of a VM that has the one
    sort, the other is not taken.
  - On libvirt, a suspended VM has to be resumed first. Neither taking a snapshot nor going back to one minds its saved
    memory.
  - On libvirt, a snapshot of a VM with UEFI does not hold the firmware's variables.
  - On vSphere, a snapshot without memory leaves its VM stopped when it is gone back to.
"""

EXAMPLES = r"""
- name: Have a snapshot before the update
  crossvirt.lifecycle.vm_snapshot:
    hypervisor: {name: dc1}
    name: web1
    snapshot: before-update
    description: Release 12.4, all green

- name: Go back to it
  crossvirt.lifecycle.vm_snapshot:
    hypervisor: {name: dc1}
    name: web1
    snapshot: before-update
    state: reverted

- name: Forget it and all that was taken since
  crossvirt.lifecycle.vm_snapshot:
    hypervisor: {name: dc1}
    name: web1
    snapshot: before-update
    state: absent
    children: remove

- name: A nightly snapshot of each database, and no more than seven of that kind
  crossvirt.lifecycle.vm_snapshot:
    hypervisor: {name: dc1}
    select: {labels: {role: database}}
    snapshot: "nightly-{{ now(fmt='%Y-%m-%d') }}"
    consistency: filesystem
    retention: {keep: 7, match: "nightly-*"}

- name: Remove all snapshots that are older than 30 days, on up to 100 VMs
  crossvirt.lifecycle.vm_snapshot:
    hypervisor: {name: dc1}
    select: {name: "*"}
    max_vms: 100
    state: pruned
    retention: {older_than_seconds: 2592000}
"""

RETURN = r"""
vms:
  description: One entry per VM, in the order asked; O(select) orders by name, then id.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: The VM's name., type: str, returned: when known}
    id: {description: The VM's native identifier., type: str, returned: when known}
    uuid: {description: The VM's UUID., type: str, returned: when known}
    host: {description: The host that the VM is on., type: str, returned: when known}
    hypervisor: {description: "The connection's name, or its type and hosts.", type: str, returned: always}
    changed: {description: Whether a step was begun., type: bool, returned: always}
    steps:
      description: What was begun, or in check mode would be; RV(vms[].steps[].outcome) only in a real run.
      type: list
      elements: dict
      returned: always
      contains:
        action:
          description: One of create_snapshot, revert_snapshot, delete_snapshot.
          type: str
          returned: always
        snapshot:
          description: The snapshot's name.
          type: str
          returned: always
        snapshot_id:
          description: The snapshot's native identifier.
          type: str
          returned: unless it is new
        consistency:
          description: The kind that is taken, which may be stronger than O(consistency).
          type: str
          returned: for a new one
        outcome:
          description: One of done, timeout, failed, cancelled.
          type: str
          returned: in a real run
    before:
      description:
        - The tree before, as C(snapshots), a sorted list of paths, each a list of names from the root,
          and the path of the current one, as C(current), empty where there is none.
        - With O(state=reverted) also the power C(state).
      type: dict
      returned: unless the task was refused
    after: {description: The same afterwards., type: dict, returned: unless the task was refused}
    error: {description: The class of what went wrong., type: str, returned: on failure}
    msg: {description: What went wrong., type: str, returned: on failure}
vm:
  description: The entry of RV(vms), where it is the only one.
  returned: with one VM
  type: dict
error:
  description: The class of the first failure.
  returned: on failure
  type: str
"""

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.engine import Job
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.snapshots import (
    CONSISTENCIES,
    STATES,
    may_destroy,
    plan_snapshot,
    what_is_read,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.runner import run_job

OPTIONS = {
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "snapshot": {"type": "str"},
    "snapshot_id": {"type": "str"},
    "snapshot_path": {"type": "list", "elements": "str"},
    "description": {"type": "str"},
    "consistency": {"type": "str", "choices": list(CONSISTENCIES), "default": "crash"},
    "allow_unrevertable": {"type": "bool", "default": False},
    "children": {"type": "str", "choices": ["keep", "remove"], "default": "keep"},
    "retention": {
        "type": "dict",
        "options": {"keep": {"type": "int"}, "older_than_seconds": {"type": "float"}, "match": {"type": "str"}},
    },
}


def main() -> None:
    """Run the module."""
    run_job(OPTIONS, Job(plan=plan_snapshot, gather=what_is_read, careful=may_destroy))


if __name__ == "__main__":
    main()
