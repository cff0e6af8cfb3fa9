# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's own test driver, which lives inside this process: `test:///default` is the same for all connections.

It has no calls to count, so all there is is written down before and after, and compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import libvirt
import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.registry import driver_class

from tests.conformance.backends.libvirt_api import clear, freeze, snapshot_paths
from tests.conformance.bed import PREFIX, Bed, Start

URI = "test:///default"
STATES = {
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_SHUTOFF: "stopped",
}
DOMAIN = """
<domain type='test'>
  <name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os>
  <devices><disk type='file' device='disk'><source file='{disk}'/><target dev='vda' bus='virtio'/></disk></devices>
</domain>
"""
VOLUME = "<volume><name>{name}</name><capacity>1048576</capacity></volume>"


class LibvirtTestBed(Bed):
    """The one host of the test driver; the connection held here keeps it alive."""

    name = "libvirt-test"
    column = "libvirt test driver"

    def __init__(self) -> None:
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        self.conn = libvirt.open(URI)
        self.hosts = (URI,)
        self.pool = self.conn.storagePoolLookupByName("default-pool")
        self.pool.createXML(VOLUME.format(name="image.img"), 0)
        self._numbers = count(1)

    def hypervisor(self, host: str | None = None) -> dict[str, Any]:
        return {"type": "libvirt", "hosts": [URI]}

    def connect(self, host: str) -> Driver:
        return driver_class("libvirt").connect({"validate_certs": True, "connect_timeout_seconds": 10}, URI)

    def vm(self, start: Start, host: str | None = None) -> str:
        if start.state == "crashed":
            pytest.skip("the test driver has no guest that could crash")
        if start.kind == "deaf":
            pytest.skip("the test driver's guests always hear")
        if start.kind == "agent":
            pytest.skip("the test driver's guests have no agent")
        name = f"{PREFIX}{next(self._numbers)}"
        disk = self.pool.createXML(VOLUME.format(name=f"{name}.img"), 0)
        domain = self.conn.defineXML(DOMAIN.format(name=name, disk=disk.path()))
        if start.state != "stopped":
            domain.create()
        for snapshot in start.snapshots:
            domain.snapshotCreateXML(f"<domainsnapshot><name>{snapshot}</name></domainsnapshot>", 0)
        freeze(domain, start.state)
        return name

    def exists(self, vm: str) -> bool:
        return vm in [domain.name() for domain in self.conn.listAllDomains()]

    def state(self, vm: str) -> str:
        domain = self.conn.lookupByName(vm)
        state = STATES[domain.state()[0]]
        return "suspended" if state == "stopped" and domain.hasManagedSaveImage() else state

    def snapshots(self, vm: str) -> list[list[str]]:
        return snapshot_paths(self.conn.lookupByName(vm))

    def write(self, vm: str, text: str) -> None:
        pytest.skip("the test driver's volumes have no content")

    def content(self, vm: str) -> str:
        pytest.skip("the test driver's volumes have no content")

    def content_of_image(self) -> str:
        pytest.skip("the test driver's volumes have no content")

    def words(self) -> dict[str, str]:
        names = {"storage": "default-pool", "volume": "image.img", "network": "default"}
        return {"host": self.conn.getHostname(), **names}

    def in_maintenance(self, host: str) -> bool:
        return False

    def volumes(self) -> set[str]:
        return {name for pool in self.conn.listAllStoragePools() for name in pool.listVolumes()}

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        before = self._everything()
        writes: list[str] = []
        yield writes
        after = self._everything()
        writes += sorted(key for key in before | after if before.get(key) != after.get(key))

    def _everything(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for domain in self.conn.listAllDomains():
            snapshots = [(one.getXMLDesc(), one.isCurrent()) for one in domain.listAllSnapshots()]
            facts = domain.XMLDesc(), domain.state(), domain.hasManagedSaveImage(), snapshots
            found[f"domain {domain.name()}"] = facts
        for pool in self.conn.listAllStoragePools():
            for volume in pool.listAllVolumes():
                found[f"volume {volume.key()}"] = volume.XMLDesc()
        for net in self.conn.listAllNetworks():
            found[f"network {net.name()}"] = net.XMLDesc(), net.isActive()
        return found

    def forget(self, vm: str) -> None:
        clear(self.conn, vm)

    def close(self) -> None:
        clear(self.conn)
        self.conn.close()
