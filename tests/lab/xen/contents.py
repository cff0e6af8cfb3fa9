# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fresh Xen host offers.

Pools `default` (with the guest images as volumes), `fast`, and `shared`, a volume group on a disk that both hosts have;
networks `default` (NAT) and `lan` (the lab's bridge).
"""

import libvirt

from tests.lab.contents import LAN_XML, NAT_XML, POOL_XML
from tests.lab.xen.host import XenHost

FOLDERS = {"default": "images", "fast": "fast"}
# libvirt tells logical volumes by their UUIDs, so it can be seen that both hosts mean the same ones.
SHARED = "shared"
SHARED_XML = f"""
<pool type='logical'>
  <name>{SHARED}</name>
  <source><name>{SHARED}</name><format type='lvm2'/></source>
  <target><path>/dev/{SHARED}</path></target>
</pool>
"""
VOLUMES = [f"disk{number}" for number in range(1, 9)]
VOLUME_MIB = 48


def share(hosts: list[XenHost]) -> None:
    """Make the logical volumes, each the disk of one VM wherever that runs; nobody changes them later."""
    first, *others = hosts
    orders = [f"lvcreate -q -y -W n -L {VOLUME_MIB}M -n {name} {SHARED}" for name in VOLUMES]
    first.inside("sh", "-c", " && ".join([f"vgcreate -q -y {SHARED} /dev/vdc", *orders]))
    for host in others:
        host.inside("vgchange", "-q", "-a", "y", SHARED)


def furnish(host: XenHost) -> None:
    """Define, start and autostart pools and networks."""
    connection = libvirt.open(host.uri)
    try:
        pools = [POOL_XML.format(name=name, folder=folder) for name, folder in FOLDERS.items()]
        for xml in (*pools, SHARED_XML):
            pool = connection.storagePoolDefineXML(xml)
            pool.create()
            pool.setAutostart(1)
        for xml in (NAT_XML.format(subnet=f"192.168.{100 + host.number}"), LAN_XML):
            net = connection.networkDefineXML(xml)
            net.create()
            net.setAutostart(1)
    finally:
        connection.close()
