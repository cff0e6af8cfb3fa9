# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The `target` option: where a VM is to be."""

from __future__ import annotations


class ModuleDocFragment:
    """Target."""

    DOCUMENTATION = r"""
options:
  target:
    description:
      - Where the VM is to be; what is left out stays as it is, or is chosen by the hypervisor.
      - An entry of O(vms) may have a C(target) of its own, whose keys stand before those of the task.
    type: dict
    suboptions:
      hypervisor:
        description:
          - The connection to move to, where it is another one than O(hypervisor); of the same type.
          - The keys are those of O(hypervisor). No variable of the environment fills them, the connections file does.
          - Not in an entry of O(vms).
        type: dict
        suboptions:
          name: {description: As O(hypervisor.name)., type: str}
          type:
            description: As O(hypervisor.type).
            type: str
            choices: [vsphere, libvirt, xenserver, hyperv]
          hosts: {description: As O(hypervisor.hosts)., type: list, elements: str}
          username: {description: As O(hypervisor.username)., type: str}
          password: {description: As O(hypervisor.password)., type: str}
          password_file: {description: As O(hypervisor.password_file)., type: path}
          token: {description: As O(hypervisor.token)., type: str}
          validate_certs: {description: As O(hypervisor.validate_certs)., type: bool}
          ca_path: {description: As O(hypervisor.ca_path)., type: path}
          connect_timeout_seconds: {description: As O(hypervisor.connect_timeout_seconds)., type: float}
          unreachable:
            description: As O(hypervisor.unreachable).
            type: str
            choices: [fail, warn]
          port: {description: As O(hypervisor.port)., type: int}
          thumbprint: {description: As O(hypervisor.thumbprint)., type: str}
          proxy: {description: As O(hypervisor.proxy)., type: str}
          client_cert: {description: As O(hypervisor.client_cert)., type: path}
          client_key: {description: As O(hypervisor.client_key)., type: path}
          transport:
            description: As O(hypervisor.transport).
            type: str
            choices: [negotiate, kerberos, credssp, certificate, basic]
      host:
        description: The host, by a name that M(crossvirt.lifecycle.host_info) shows.
        type: str
      cluster:
        description: The cluster, where the hypervisor may choose the host (vsphere).
        type: str
      folder:
        description: The folder (vsphere).
        type: str
      pool:
        description: The resource pool (vsphere).
        type: str
      storage:
        description:
          - The storage of all disks in storages that O(target.storage_map) names on neither side.
          - Without a host and a connection the disks move and the VM stays on its host.
        type: str
      storage_map:
        description: From the name of a storage where disks are now to the name of the one where they are to be.
        type: dict
      network_map:
        description: From the name of a network that NICs are in now to the name of the one that they are to be in.
        type: dict
      name:
        description: The VM's name at the target, where it is to be another one.
        type: str
"""
