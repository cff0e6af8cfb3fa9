# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VMs that are there, as specified, or not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vm
short_description: Create, compare and remove virtual machines
description:
  - Creates a virtual machine, or many, from a specification or as a copy of another one, and removes them.
  - A VM that is there is only compared with what the task gives, and fails with the list of differences.
  - A created VM is stopped. Power is the work of M(crossvirt.lifecycle.vm_state).
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
      - V(present) creates a VM that is not there, which only O(name) can, and compares one that is.
      - V(absent) removes a VM that is stopped.
    type: str
    choices: [present, absent]
    default: present
  cpus:
    description: The number of virtual CPUs; a new VM has 1 unless given.
    type: int
  memory_bytes:
    description:
      - Memory in bytes, or with a unit such as V(4G); on libvirt whole MiB, on vSphere whole 4 MiB. Needed for a new VM
        that is no clone.
    type: bytes
  firmware:
    description: The firmware; a new VM has V(bios) unless given.
    type: str
    choices: [bios, uefi]
  secure_boot:
    description: Whether only signed systems boot. Needs O(firmware=uefi).
    type: bool
  guest_os:
    description:
      - The operating system that will be installed, in the hypervisor's words.
      - On libvirt an identifier of libosinfo, such as V(http://debian.org/debian/12), is kept where virt-manager looks.
      - On vSphere an id of VMware's such as V(debian12_64Guest); V(otherGuest64) unless given.
    type: str
  notes:
    description: Free text that the VM carries. Line ends are kept as line feeds.
    type: str
  labels:
    description:
      - A value, or a list of values, by key.
      - On vSphere these are tags by category, and custom attributes, which must have been defined in the vCenter.
    type: dict
  host:
    description: The host to make the VM on. Needed where several are connected, nothing is guessed.
    type: str
  cluster:
    description: The cluster to make the VM in. Not on libvirt.
    type: str
  folder:
    description: The folder to make the VM in, on vSphere by its whole path, such as V(/dc1/vm/web). Not on libvirt.
    type: str
  pool:
    description: The resource pool to make the VM in, by its path below the root pool. Not on libvirt.
    type: str
  storage:
    description:
      - Where disks are made that name no storage.
      - On libvirt a storage pool of files, V(default) unless given, else the only active one. Files that were put there
        from outside are seen once the pool was refreshed.
      - On vSphere a datastore, which may be left out where the host or cluster has only one that is active.
    type: str
  disks:
    description:
      - The disks; their order is their identity. A medium in a drive, such as a CD-ROM, is none of them.
      - On libvirt each becomes a qcow2 volume, C(NAME.qcow2) and then C(NAME-1.qcow2); these names must be free.
      - On vSphere each becomes C(NAME/NAME.vmdk), C(NAME/NAME_1.vmdk) and so on; the folder must not be there.
      - Both keep disks of one bus together, and so must the list; vSphere has those on V(sata) last.
    type: list
    elements: dict
    suboptions:
      size_bytes:
        description: The size in bytes, or with a unit such as V(20G). Without it, the size of the image.
        type: bytes
      storage:
        description: Where this disk is made, if not in O(storage).
        type: str
      bus:
        description: How it is attached; V(auto) leaves that to the driver and fits everything.
        type: str
        choices: [auto, virtio, scsi, sata]
      provisioning:
        description:
          - Whether space is taken when it is needed or at once. V(thin) for a new disk unless given.
          - V(thick) is for disks without image.
        type: str
        choices: [thin, thick]
      image:
        description: What a new disk begins with, a full copy that is grown to O(disks[].size_bytes). Never compared.
        type: dict
        suboptions:
          storage:
            description: The storage of an image that is already there.
            type: str
          volume:
            description: The image's name in that storage; on vSphere its path there, such as V(images/debian.vmdk).
            type: str
          file:
            description: An image where the module runs, qcow2 or raw, that is sent to the hypervisor. Not on vSphere.
            type: path
          checksum:
            description: What the file adds up to, C(sha256), a colon and the digits. Compared before anything is made.
            type: str
  nics:
    description: The network interfaces; their order is their identity.
    type: list
    elements: dict
    suboptions:
      network:
        description:
          - The network that it is plugged into. On libvirt one of libvirt's networks, on vSphere a network or a
            distributed port group of the host.
        type: str
      mac:
        description: The hardware address. One that another VM of the connection has is an error; chosen unless given.
        type: str
      model:
        description: What the guest sees; V(auto) leaves that to the driver and fits everything.
        type: str
        choices: [auto, virtio, e1000e]
  clone:
    description:
      - Make the VM as a copy of another one, with a new UUID and new hardware addresses. Never compared.
      - Other options override what the source has, but O(disks) cannot. Media in drives and shared disks stay the same.
      - On libvirt the source is stopped, on the same host, and has no UEFI, whose settings libvirt does not hand out.
      - On vSphere a vCenter is needed. A source that runs is copied as if the plug had been pulled, and O(host),
        O(cluster), O(pool), O(folder) and O(storage) may take the copy elsewhere.
    type: dict
    suboptions:
      source:
        description: The VM to copy.
        type: dict
        required: true
        suboptions:
          name:
            description: Its name.
            type: str
          uuid:
            description: Its UUID.
            type: str
          id:
            description: Its native identifier.
            type: str
          path:
            description: Its inventory path (vsphere).
            type: str
      snapshot:
        description: The source's snapshot to copy. Not on libvirt, whose internal snapshots cannot be copied.
        type: str
      mode:
        description:
          - V(full) copies the disks, with all that they build on. V(linked) builds on those of the source.
          - On libvirt V(linked) is refused unless the source's disks are read-only in its definition, because starting
            the source would destroy its linked clones.
          - On vSphere V(linked) builds on a snapshot, which O(clone.snapshot) has to name.
        type: str
        choices: [full, linked]
        default: full
  remove:
    description:
      - What goes with a VM that is V(absent). By default nothing, its disks stay.
      - What cannot stay without its VM must be named, and is listed where it is not. On libvirt that is V(snapshots),
        V(saved_state) and V(nvram). vSphere keeps them as files; where V(disks) go, all files do, and what there is of
        the others must be named with them.
      - V(disks) is refused where another VM of the host uses or builds on one of them, where one is shared, and where
        one is in no storage. Other hosts that use the same storage cannot be seen.
      - A medium in a drive stays, and so does what a disk builds on.
    type: list
    elements: str
    choices: [disks, snapshots, saved_state, nvram]
"""

EXAMPLES = r"""
- name: A web server from an image
  crossvirt.lifecycle.vm:
    hypervisor: {name: kvm}
    name: web3
    host: kvm1
    cpus: 2
    memory_bytes: 2G
    labels: {role: web}
    disks:
      - {size_bytes: 20G, image: {storage: default, volume: debian-12.qcow2}}
      - {size_bytes: 100G, storage: fast}
    nics:
      - {network: default}

- name: Three of them, from an image that is sent
  crossvirt.lifecycle.vm:
    hypervisor: {name: kvm}
    vms:
      - {name: db1, host: kvm1}
      - {name: db2, host: kvm2}
      - {name: db3, host: kvm2, memory_bytes: 8G}
    memory_bytes: 4G
    disks:
      - size_bytes: 40G
        image:
          file: images/debian-12.qcow2
          checksum: sha256:5b3d0c3a0a1bd52a1ac2e5d7f5ed1c5d7a1f9bdf1b6be3a0c7b3f1b5f3c0f2aa

- name: A copy with more memory
  crossvirt.lifecycle.vm:
    hypervisor: {name: kvm}
    name: web4
    host: kvm1
    memory_bytes: 4G
    clone: {source: {name: web3}}

- name: Remove it with its disks
  crossvirt.lifecycle.vm:
    hypervisor: {name: kvm}
    name: web4
    state: absent
    remove: [disks, snapshots, nvram]
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
        action: {description: "One of create, clone, delete.", type: str, returned: always}
        host: {description: Where the VM is made., type: str, returned: with create and clone}
        volumes:
          description: The volumes that are made or removed, with storage, volume, size_bytes and image.
          type: list
          elements: dict
          returned: always
        remove: {description: What goes with the VM., type: list, elements: str, returned: with delete}
        outcome: {description: "One of done, timeout, failed, cancelled.", type: str, returned: in a real run}
    before:
      description: The fields that the task gives, before; empty for a VM that is not there.
      type: dict
      returned: unless the task was refused
    after:
      description: The same fields after; empty for a VM that is gone.
      type: dict
      returned: unless the task was refused
    differences:
      description: What is not as asked of a VM that is there.
      type: list
      elements: dict
      returned: where a VM differs
      contains:
        field: {description: "The field, such as C(disks[0].size_bytes).", type: str, returned: always}
        current: {description: What it is., type: raw, returned: always}
        desired: {description: What the task gives., type: raw, returned: always}
    left_behind:
      description: Volumes, C(storage/name), that this task made or was to remove and that are still there.
      type: list
      elements: str
      returned: where a creation or a removal failed
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

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.creation import missing
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.engine import Job
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.provision import (
    REMOVE,
    SPECIFICATION,
    is_removal,
    plan_vm,
    what_is_read,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.runner import run_job

OPTIONS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    **SPECIFICATION,
    "remove": {"type": "list", "elements": "str", "choices": list(REMOVE)},
}


def main() -> None:
    """Run the module."""
    job = Job(plan=plan_vm, missing=missing, gather=what_is_read, own_keys=SPECIFICATION, careful=is_removal)
    run_job(OPTIONS, job)


if __name__ == "__main__":
    main()
