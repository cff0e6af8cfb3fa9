# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Power state of VMs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_state
short_description: Bring virtual machines to a power state
description:
  - Starts, stops, pauses, suspends, restarts or resets one virtual machine or many, on any supported hypervisor.
  - V(restarted) and V(reset) are actions and always change; every other state is left alone where it already holds.
author: The crossvirt.lifecycle contributors (@crossvirt)
version_added: 0.1.0
extends_documentation_fragment:
  - crossvirt.lifecycle.hypervisor
  - crossvirt.lifecycle.vm
  - crossvirt.lifecycle.vm.bulk
  - crossvirt.lifecycle.wait
  - crossvirt.lifecycle.attributes
  - crossvirt.lifecycle.attributes.changing
options:
  state:
    description:
      - V(running), V(stopped) (off), V(paused) (in memory) and V(suspended) (on disk) are states.
      - V(restarted) is a whole shutdown and start, which puts pending hardware into effect.
      - V(reset) is the hypervisor's reset button.
    type: str
    required: true
    choices: [running, stopped, paused, suspended, restarted, reset]
  shutdown:
    description: How a running VM is brought to V(stopped), also on the way to V(restarted).
    type: dict
    default: {}
    suboptions:
      method:
        description:
          - V(guest) asks the guest and is refused where the guest cannot hear; V(hard) pulls the plug;
            V(auto) asks where the guest can hear and pulls the plug elsewhere.
        type: str
        choices: [guest, hard, auto]
        default: guest
      timeout_seconds:
        description: How long the guest may take, in seconds.
        type: float
        default: 300
      on_timeout:
        description: What follows when the guest takes longer, V(force) pulls the plug then.
        type: str
        choices: [fail, force]
        default: fail
  discard_state:
    description: Whether the saved memory of a suspended VM may be thrown away to get it V(stopped).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Start a VM and wait until it can be reached
  crossvirt.lifecycle.vm_state:
    hypervisor: {name: dc1}
    name: web1
    state: running
    wait_for:
      address: {family: 4}

- name: Stop a group of VMs; whoever does not listen for a minute is cut off
  crossvirt.lifecycle.vm_state:
    hypervisor: {name: dc1}
    vms: [web1, web2, {uuid: 50291c3a-6b4e-4e43-9a3f-5d8a0c1b7e21}]
    state: stopped
    shutdown: {timeout_seconds: 60, on_timeout: force}

- name: Restart every web server, one after the other
  crossvirt.lifecycle.vm_state:
    hypervisor: {name: dc1}
    select: {name: "web*"}
    state: restarted
    parallel: 1
    on_failure: stop
    wait_for: {guest: true}
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
          description: One of start, stop, shutdown, pause, resume, suspend, discard_state, reset.
          type: str
          returned: always
        outcome:
          description: One of done, timeout, failed, cancelled.
          type: str
          returned: in a real run
    before: {description: The state before., type: dict, returned: unless the task was refused}
    after: {description: The state after., type: dict, returned: unless the task was refused}
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
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.power import (
    STATES,
    may_destroy,
    plan_state,
    what_is_read,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.wait import WAIT_FOR
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.runner import run_job

OPTIONS = {
    "state": {"type": "str", "required": True, "choices": list(STATES)},
    "shutdown": {
        "type": "dict",
        "default": {},
        "apply_defaults": True,
        "options": {
            "method": {"type": "str", "choices": ["guest", "hard", "auto"], "default": "guest"},
            "timeout_seconds": {"type": "float", "default": 300},
            "on_timeout": {"type": "str", "choices": ["fail", "force"], "default": "fail"},
        },
    },
    "discard_state": {"type": "bool", "default": False},
    "wait_for": WAIT_FOR,
}


def main() -> None:
    """Run the module."""
    run_job(OPTIONS, Job(plan=plan_state, gather=what_is_read, careful=may_destroy))


if __name__ == "__main__":
    main()
