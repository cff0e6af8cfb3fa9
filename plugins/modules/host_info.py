# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Facts about hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Read hosts, storage and networks
description:
  - Returns the hosts behind a connection, where disks can live, and what NICs can be plugged into.
  - These are the names that other modules take, for example for a new VM's disks or in the maps of a migration.
author: The crossvirt.lifecycle contributors (@crossvirt)
version_added: 0.1.0
extends_documentation_fragment:
  - crossvirt.lifecycle.hypervisor
  - crossvirt.lifecycle.attributes
  - crossvirt.lifecycle.attributes.info
seealso:
  - module: crossvirt.lifecycle.hypervisor_info
"""

EXAMPLES = r"""
- name: Read what there is
  crossvirt.lifecycle.host_info:
    hypervisor: {name: dc1}
  register: found

- name: Find the storage with the most room
  ansible.builtin.debug:
    msg: "{{ (found.storage | selectattr('active') | sort(attribute='free_bytes') | last).name }}"
"""

RETURN = r"""
hosts:
  description: The hosts.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: The name., type: str, returned: always}
    id: {description: The native identifier., type: str, returned: always}
    state: {description: "One of up, maintenance, down.", type: str, returned: always}
    cpus: {description: The number of CPUs., type: int, returned: always}
    memory_bytes: {description: The memory in bytes., type: int, returned: always}
    memory_free_bytes: {description: The memory that is free., type: int, returned: where it is known}
    cluster: {description: The cluster., type: str, returned: in a cluster}
    type: {description: The hypervisor's family., type: str, returned: always}
    hypervisor: {description: "The connection's name, or its type and hosts.", type: str, returned: always}
    endpoint: {description: "The entry of O(hypervisor.hosts) that told.", type: str, returned: always}
storage:
  description: Where disks can live.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: The name., type: str, returned: always}
    id: {description: The native identifier., type: str, returned: always}
    kind: {description: "What it is, in the hypervisor's words.", type: str, returned: always}
    active: {description: Whether it can be used now., type: bool, returned: always}
    capacity_bytes: {description: The size in bytes., type: int, returned: always}
    free_bytes: {description: What is free of it., type: int, returned: always}
    hosts: {description: The hosts that see it., type: list, elements: str, returned: always}
    type: {description: The hypervisor's family., type: str, returned: always}
    hypervisor: {description: "The connection's name, or its type and hosts.", type: str, returned: always}
    endpoint: {description: "The entry of O(hypervisor.hosts) that told.", type: str, returned: always}
networks:
  description: What NICs can be plugged into.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: The name., type: str, returned: always}
    id: {description: The native identifier., type: str, returned: always}
    kind: {description: "What it is, in the hypervisor's words.", type: str, returned: always}
    active: {description: Whether it can be used now., type: bool, returned: always}
    hosts: {description: The hosts that have it., type: list, elements: str, returned: always}
    type: {description: The hypervisor's family., type: str, returned: always}
    hypervisor: {description: "The connection's name, or its type and hosts.", type: str, returned: always}
    endpoint: {description: "The entry of O(hypervisor.hosts) that told.", type: str, returned: always}
"""

from collections.abc import Sequence
from typing import Any

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.runner import run_survey


def look(driver: Driver) -> dict[str, Sequence[Any]]:
    """Read what is behind one endpoint."""
    return {"hosts": driver.list_hosts(), "storage": driver.list_storage(), "networks": driver.list_networks()}


def main() -> None:
    """Run the module."""
    run_survey(look, ("hosts", "storage", "networks"))


if __name__ == "__main__":
    main()
