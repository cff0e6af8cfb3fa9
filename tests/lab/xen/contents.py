# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fresh Xen host offers.

Pools `default` (with the guest images as volumes), `fast`, and `shared`, one disk that both hosts have; networks
`default` (NAT) and `lan` (the lab's bridge).
"""

import libvirt

from tests.lab.contents import LAN_XML, NAT_XML, POOL_XML
from tests.lab.xen.host import XenHost

FOLDERS = {"default": "images", "fast": "fast"}
SHARED = "shared"
SHARED_XML = f"""
<pool type='disk'>
  <name>{SHARED}</name>
  <source><device path='/dev/vdc'/><format type='gpt'/></source>
  <target><path>/dev</path></target>
</pool>
"""


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
