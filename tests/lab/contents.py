# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fresh host offers.

Pools `default` (with the guest images as volumes), `fast` and, the same one everywhere, `shared`; networks `default`
(NAT) and `lan` (the lab's bridge).
"""

import shutil

import libvirt

from tests.lab.host import Host
from tests.lab.image import Images

POOLS = {"default": "images", "fast": "fast", "shared": "shared"}
POOL_XML = "<pool type='dir'><name>{name}</name><target><path>/var/lib/libvirt/{folder}</path></target></pool>"

NAT_XML = """
<network>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0'/>
  <ip address='{subnet}.1' netmask='255.255.255.0'><dhcp><range start='{subnet}.10' end='{subnet}.250'/></dhcp></ip>
</network>
"""
LAN_XML = "<network><name>lan</name><forward mode='bridge'/><bridge name='br0'/></network>"


def subnet(host: Host) -> str:
    """Give each host another NAT network: its first three numbers."""
    return f"192.168.{100 + host.number}"


def furnish(host: Host, images: Images) -> None:
    """Define, start and autostart pools and networks, with the images as volumes of `default`."""
    for image in (images.guest, images.deaf):
        shutil.copy(image, host.folder / "lib/images")
    connection = libvirt.open(host.unix_uri)
    try:
        for name, folder in POOLS.items():
            pool = connection.storagePoolDefineXML(POOL_XML.format(name=name, folder=folder))
            pool.create()
            pool.setAutostart(1)
        for xml in (NAT_XML.format(subnet=subnet(host)), LAN_XML):
            net = connection.networkDefineXML(xml)
            net.create()
            net.setAutostart(1)
    finally:
        connection.close()
