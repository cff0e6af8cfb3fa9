# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Facts about VMs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_info
short_description: Read virtual machines
description:
  - Returns virtual machines of any supported hypervisor as documents of one shape.
  - Without a choice of VMs it returns all of them. One that is defined on two hosts is returned twice.
author: The crossvirt.lifecycle contributors (@crossvirt)
version_added: 0.1.0
extends_documentation_fragment:
  - crossvirt.lifecycle.hypervisor
  - crossvirt.lifecycle.vm
  - crossvirt.lifecycle.attributes
  - crossvirt.lifecycle.attributes.info
options:
  gather:
    description:
      - Parts to read beyond the base fields. What is not gathered is absent from the result.
      - On libvirt each of these costs calls per VM, and V(guest) asks the guest's agent. On vSphere none of them does.
    type: list
    elements: str
    choices: [labels, config, disks, nics, snapshots, guest, progress]
    default: []
"""

EXAMPLES = r"""
- name: Read every VM
  crossvirt.lifecycle.vm_info:
    hypervisor: {name: dc1}
  register: fleet

- name: Read the snapshots and addresses of two
  crossvirt.lifecycle.vm_info:
    hypervisor: {name: dc1}
    vms: [web1, web2]
    gather: [snapshots, guest]
"""

RETURN = r"""
vms:
  description: The VMs; in the order asked, else by name, then id.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: The name., type: str, returned: always}
    id: {description: The native identifier., type: str, returned: always}
    uuid: {description: The UUID., type: str, returned: always}
    path: {description: "The inventory path, null where the hypervisor has none.", type: str, returned: always}
    type: {description: The connection's type., type: str, returned: always}
    hypervisor: {description: "The connection's name, or its type and hosts.", type: str, returned: always}
    host: {description: The host that the VM is on., type: str, returned: always}
    cluster: {description: "The cluster, or null.", type: str, returned: always}
    folder: {description: "The folder, or null.", type: str, returned: always}
    pool: {description: "The resource pool, or null.", type: str, returned: always}
    state: {description: The power state, type: str, returned: always}
    state_reason: {description: "Why it is in that state, or null.", type: str, returned: always}
    template: {description: Whether it is a template., type: bool, returned: always}
    cpus: {description: The number of virtual CPUs., type: int, returned: always}
    memory_bytes: {description: The memory in bytes., type: int, returned: always}
    labels: {description: Sorted lists of values by key., type: dict, returned: if gathered}
    config: {description: "Its guest_os, notes, firmware, secure_boot, hardware.", type: dict, returned: if gathered}
    disks: {description: The drives in their order., type: list, elements: dict, returned: if gathered}
    nics: {description: The NICs in their order., type: list, elements: dict, returned: if gathered}
    snapshots: {description: Trees of snapshots., type: list, elements: dict, returned: if gathered}
    guest: {description: "Whether it is reachable, its host name, OS and addresses.", type: dict, returned: if gathered}
    progress: {description: How far a long change is; empty where there is none., type: dict, returned: if gathered}
vm:
  description: The entry of RV(vms), where it is the only one.
  returned: with one VM
  type: dict
"""

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import PLANNING_ONLY, Part
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.runner import run_info

OPTIONS = {
    "gather": {
        "type": "list",
        "elements": "str",
        "choices": [part.value for part in Part if part not in PLANNING_ONLY],
        "default": [],
    },
}


def main() -> None:
    """Run the module."""
    run_info(OPTIONS)


if __name__ == "__main__":
    main()
