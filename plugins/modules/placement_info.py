# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Says which host each of several VMs could move to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: placement_info
short_description: Says which host each of several VMs could move to
version_added: 1.0.0
author: The crossvirt.lifecycle contributors (@crossvirt)
description:
  - Chooses another host for each VM by memory, processors and networks. VMs with the most memory are placed first, each
    on the host with the most memory left, of its own cluster where one fits.
  - RV(moves) goes into O(crossvirt.lifecycle.vm_migrate#module:vms). Whether the hypervisor agrees is for the prechecks
    of that module to say, which look at storage, processor features and all else.
options:
  hosts:
    description: The hosts that may be chosen, by names that M(crossvirt.lifecycle.host_info) shows; left out, all.
    type: list
    elements: str
extends_documentation_fragment:
  - crossvirt.lifecycle.hypervisor
  - crossvirt.lifecycle.vm
  - crossvirt.lifecycle.attributes
  - crossvirt.lifecycle.attributes.info
seealso:
  - module: crossvirt.lifecycle.vm_migrate
  - module: crossvirt.lifecycle.host_info
"""

EXAMPLES = r"""
- name: Where the VMs of a host could go
  crossvirt.lifecycle.placement_info:
    hypervisor: {name: kvm}
    select: {host: kvm1, state: running}
  register: chosen

- name: Move them there
  crossvirt.lifecycle.vm_migrate:
    hypervisor: {name: kvm}
    vms: "{{ chosen.moves }}"
  when: chosen.moves
"""

RETURN = r"""
placements:
  description: One entry per VM, in the order asked.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: The VM's name., type: str, returned: always}
    id: {description: Its native identifier., type: str, returned: always}
    uuid: {description: Its UUID., type: str, returned: always}
    host: {description: The host that it is on., type: str, returned: always}
    target:
      description: Where it could move, as O(crossvirt.lifecycle.vm_migrate#module:target) has it.
      type: dict
      returned: always
      contains:
        host: {description: The host., type: str, returned: always}
moves:
  description: The same as entries of O(crossvirt.lifecycle.vm_migrate#module:vms).
  returned: success
  type: list
  elements: dict
  contains:
    uuid: {description: The VM's UUID., type: str, returned: always}
    target:
      description: Where it could move.
      type: dict
      returned: always
      contains:
        host: {description: The host., type: str, returned: always}
"""

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.runner import run_placement

OPTIONS = {"hosts": {"type": "list", "elements": "str"}}


def main() -> None:
    """Run the module."""
    run_placement(OPTIONS)


if __name__ == "__main__":
    main()
