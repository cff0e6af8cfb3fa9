# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Brings hosts into maintenance and out of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_maintenance
short_description: Brings hosts into maintenance and out of it
version_added: 1.0.0
author: The crossvirt.lifecycle contributors (@crossvirt)
description:
  - A host in maintenance starts no VM, and none can be made there or move there.
  - It is refused while VMs on the host are not off. Move them with M(crossvirt.lifecycle.vm_migrate) first, or let the
    role P(crossvirt.lifecycle.host_evacuate#role) do all of it. VMs that are off stay where they are.
  - vSphere has maintenance of its own. libvirt has none, so a mark is kept on the host, as a secret without a value,
    and this collection heeds it; nobody else does.
options:
  host:
    description: The host, by a name that M(crossvirt.lifecycle.host_info) shows.
    type: str
  hosts:
    description: Several hosts; all are planned before the first is changed.
    type: list
    elements: str
  state:
    description: Whether the host takes VMs.
    type: str
    required: true
    choices: [maintenance, up]
  timeout_seconds:
    description: How long one host may take, in seconds.
    type: float
    default: 3600
extends_documentation_fragment:
  - crossvirt.lifecycle.hypervisor
  - crossvirt.lifecycle.attributes
  - crossvirt.lifecycle.attributes.host_changing
seealso:
  - module: crossvirt.lifecycle.host_info
  - module: crossvirt.lifecycle.vm_migrate
"""

EXAMPLES = r"""
- name: The host takes no VMs any more
  crossvirt.lifecycle.host_maintenance:
    hypervisor: {name: kvm}
    host: kvm1
    state: maintenance

- name: And takes them again
  crossvirt.lifecycle.host_maintenance:
    hypervisor: {name: kvm}
    host: kvm1
    state: up
"""

RETURN = r"""
hosts:
  description: One entry per host, in the order asked, also when the task fails.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: "Its name, else that by which it was asked for.", type: str, returned: always}
    id: {description: Its native identifier., type: str, returned: when the host is known}
    hypervisor: {description: "The connection's name, or its type and hosts.", type: str, returned: always}
    changed: {description: "Whether a step was begun, or is planned.", type: bool, returned: always}
    steps:
      description: What was begun, or in check mode is planned.
      type: list
      elements: dict
      returned: always
      contains:
        action: {description: One of enter_maintenance and exit_maintenance., type: str, returned: always}
        outcome:
          description: One of done, timeout, failed, cancelled.
          type: str
          returned: in a real run
    before: {description: The state before., type: dict, returned: unless the task was refused}
    after: {description: The state after., type: dict, returned: unless the task was refused}
    error: {description: The class of what went wrong., type: str, returned: on failure}
    msg: {description: What went wrong., type: str, returned: on failure}
host:
  description: The entry of RV(hosts), where it is the only one.
  returned: with one host
  type: dict
error:
  description: The class of the first failure.
  returned: on failure
  type: str
"""

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.maintenance import STATES
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.runner import run_hosts

OPTIONS = {
    "host": {"type": "str"},
    "hosts": {"type": "list", "elements": "str"},
    "state": {"type": "str", "required": True, "choices": list(STATES)},
    "timeout_seconds": {"type": "float", "default": 3600},
}


def main() -> None:
    """Run the module."""
    run_hosts(OPTIONS)


if __name__ == "__main__":
    main()
