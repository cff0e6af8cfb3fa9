# SPDX-License-Identifier: GPL-3.0-or-later
"""Thousands of stopped domains, as libvirt itself keeps them on disk: it reads them when it starts."""

import uuid
from collections.abc import Iterator

NAMESPACE = uuid.UUID("c0ffee00-0000-4000-8000-f1ee7f1ee700")
DOMAIN_XML = """\
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>131072</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/var/lib/libvirt/images/{name}.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'>
      <mac address='{mac}'/>
      <source network='lan'/>
      <model type='virtio'/>
    </interface>
  </devices>
</domain>
"""


def domains(count: int) -> Iterator[tuple[str, str]]:
    """Yield names and XML of fleet-00000 and so on; the same ones every time."""
    for number in range(count):
        name = f"fleet-{number:05d}"
        mac = "52:54:01:" + ":".join(f"{byte:02x}" for byte in number.to_bytes(3))
        yield name, DOMAIN_XML.format(name=name, uuid=uuid.uuid5(NAMESPACE, name), mac=mac)
