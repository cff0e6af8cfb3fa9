# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what a task returned to what the next one may say in `vms`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: refs
short_description: Name virtual machines that a task returned in the next task
description:
  - Turns entries of C(vms) that modules of this collection return into entries of C(vms) that they take, by UUID,
    so that the next task means the same virtual machines, whatever their names or states are by then.
author: The crossvirt.lifecycle contributors (@crossvirt)
version_added: 1.0.0
options:
  _input:
    description: Results or documents of virtual machines.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Who runs
  crossvirt.lifecycle.vm_info:
    hypervisor: {name: kvm}
    select: {state: running}
  register: running

- name: Stop them
  crossvirt.lifecycle.vm_state:
    hypervisor: {name: kvm}
    vms: "{{ running.vms | crossvirt.lifecycle.refs }}"
    state: stopped
"""

RETURN = r"""
_value:
  description: One entry for C(vms) each, with C(uuid), or C(id) where the hypervisor gave no UUID.
  type: list
  elements: dict
"""


def refs(vms: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return an entry of `vms` for each; raises AnsibleFilterError for one that tells neither uuid nor id."""
    return [ref(vm) for vm in vms]


def ref(vm: Mapping[str, Any]) -> dict[str, Any]:
    """Return what identifies a VM for good."""
    for key in ("uuid", "id"):
        if vm.get(key):
            return {key: vm[key]}
    raise AnsibleFilterError(f"refs: an entry has neither uuid nor id: {dict(vm)!r}")


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"refs": refs}
