# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Facts about hypervisors."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hypervisor_info
short_description: Read what hypervisors are and can
description:
  - Returns for every endpoint of a connection who answers there, and for every capability that not all hypervisors have
    whether it is there, or the reason why not.
  - For a single VM a capability can still be refused, before the first change.
author: The crossvirt.lifecycle contributors (@crossvirt)
version_added: 0.1.0
extends_documentation_fragment:
  - crossvirt.lifecycle.hypervisor
  - crossvirt.lifecycle.attributes
  - crossvirt.lifecycle.attributes.info
seealso:
  - module: crossvirt.lifecycle.host_info
"""

EXAMPLES = r"""
- name: Ask what the hypervisors can
  crossvirt.lifecycle.hypervisor_info:
    hypervisor: {name: dc1}
  register: found

- name: Insist on encryption, and on snapshots
  ansible.builtin.assert:
    that:
      - item.encrypted
      - item.capabilities.create_snapshot == 'yes'
    fail_msg: "{{ item.endpoint }}: {{ item.capabilities.create_snapshot }}"
  loop: "{{ found.hypervisors }}"
"""

RETURN = r"""
hypervisors:
  description: One entry per endpoint; endpoints that lead to the same VMs count once.
  returned: always
  type: list
  elements: dict
  contains:
    endpoint: {description: "The entry of O(hypervisor.hosts).", type: str, returned: always}
    host: {description: The host that answers there., type: str, returned: always}
    hypervisor: {description: "The connection's name, or its type and hosts.", type: str, returned: always}
    type: {description: The hypervisor's family., type: str, returned: always}
    product: {description: "What it is, in its own words.", type: str, returned: always}
    version: {description: Its version., type: str, returned: always}
    encrypted: {description: Whether the connection is encrypted., type: bool, returned: always}
    capabilities:
      description: Every capability by name, each V(yes) or the reason why not.
      type: dict
      returned: always
      sample: {pause: "yes", shutdown: "yes", clone: "libvirt cannot clone here"}
    lacking_rights:
      description: The rights that the account lacks, as far as the hypervisor tells.
      type: list
      elements: str
      returned: always
"""

from collections.abc import Sequence
from typing import Any

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability, Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import plain
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.runner import run_survey


def look(driver: Driver) -> dict[str, Sequence[Any]]:
    """Ask one endpoint who it is and what it can."""
    can = {one.value: driver.refuses(one) or "yes" for one in Capability}
    return {"hypervisors": [{**plain(driver.about()), "capabilities": can, "lacking_rights": driver.lacking_rights()}]}


def main() -> None:
    """Run the module."""
    run_survey(look, ("hypervisors",))


if __name__ == "__main__":
    main()
