# SPDX-License-Identifier: GPL-3.0-or-later
"""Real QEMU hosts of the lab: libvirt's own Python makes the VMs, virsh is the witness, a proxy counts the calls."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import libvirt
import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.connection import settle
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.maintenance import MARK
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.registry import driver_class

from tests.conformance.backends.libvirt_api import clear, freeze, snapshot_paths
from tests.conformance.bed import PREFIX, Bed, Start
from tests.lab.client import Lab
from tests.lab.commands import LabError

STATES = {
    "running": "running",
    "paused": "paused",
    "shut off": "stopped",
    "crashed": "crashed",
    "in shutdown": "changing",
}
POOL = Path("/var/lib/libvirt/images")
POOLS = {"default": POOL, "shared": Path("/var/lib/libvirt/shared")}

# A boot sector for a VM that dies at once: it writes "the guest has panicked" to the port of a pvpanic device
# (0x505, https://www.qemu.org/docs/master/specs/pvpanic.html) and halts.
PANIC = (b"\xba\x05\x05\xb0\x01\xee\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa").ljust(1024 * 1024, b"\0")

DOMAIN = """
<domain type='qemu'>
  <name>{name}</name><memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features>{acpi}<apic/><tcg><tb-cache unit='MiB'>16</tb-cache></tcg></features>
  <cpu mode='custom' match='exact' check='none'><model>qemu64</model></cpu>
  <on_crash>preserve</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'><source network='default'/><model type='virtio'/></interface>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <panic model='isa'/>
  </devices>
</domain>
"""


VOLUME = "<volume><name>{name}</name><capacity>{size}</capacity><target><format type='qcow2'/></target></volume>"


class LibvirtBed(Bed):
    """Two hosts of the lab. A VM of each kind is made once per host and brought into every state from there."""

    name = "libvirt"
    column = "libvirt QEMU/KVM"

    def __init__(self) -> None:
        try:
            self.lab = Lab()
        except LabError as error:
            pytest.exit(str(error), returncode=3)
        self.hosts = tuple(name for name in self.lab.hosts if name != "fleet")
        self.conns = {host: libvirt.open(self.lab.hosts[host].unix_uri) for host in self.hosts}
        self.where: dict[str, str] = {}
        self._numbers = count(1)
        for conn in self.conns.values():
            clear(conn)

    def hypervisor(self, host: str | None = None) -> dict[str, Any]:
        return self.lab.connection(f"{host}-proxy" if host else "lab-proxy")

    def connect(self, host: str) -> Driver:
        settled = settle(self.hypervisor(host), {})
        return driver_class("libvirt").connect(settled.settings, settled.hosts[0])

    def vm(self, start: Start, host: str | None = None) -> str:
        host = host or self.hosts[0]
        return self._prepared(start, host, f"{PREFIX}{kind_of(start)}-{host}")

    def traveller(self, start: Start) -> str:
        name = f"{PREFIX}move-{next(self._numbers)}-vm"
        try:
            return self._prepared(start, self.hosts[0], name)
        finally:
            del self.where[name]  # from now on it is where it is found

    def _prepared(self, start: Start, host: str, name: str) -> str:
        self.where[name] = host
        pool = "shared" if start.shared else "default"
        domain = self._domain(self.conns[host], name, kind_of(start), pool)
        for snapshot in domain.listAllSnapshots():
            snapshot.delete(0)
        self._run_or_stop(domain, start)
        for one in start.snapshots:
            domain.snapshotCreateXML(f"<domainsnapshot><name>{one}</name></domainsnapshot>", 0)
        freeze(domain, start.state)
        return name

    def _run_or_stop(self, domain: Any, start: Start) -> None:
        """Use a VM that runs as it is: booting a guest costs seconds."""
        if domain.hasManagedSaveImage():
            domain.managedSaveRemove(0)
        if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
            domain.resume()
        usable = libvirt.VIR_DOMAIN_CRASHED if start.state == "crashed" else libvirt.VIR_DOMAIN_RUNNING
        if domain.isActive() and (start.state == "stopped" or domain.state()[0] != usable):
            domain.destroy()
        if not domain.isActive() and start.state != "stopped":
            domain.create()
        if domain.isActive() and start.kind in ("guest", "agent"):
            self.lab.wait_for_agent(self.where[domain.name()], domain.name())

    def _domain(self, conn: Any, name: str, kind: str, pool: str) -> Any:
        """Return the VM of a kind, made if it is not there."""
        try:
            return conn.lookupByName(name)
        except libvirt.libvirtError:
            pass
        host = self.where[name]
        disk = POOLS[pool] / f"{name}.qcow2"
        self._disk(host, disk, kind, pool)
        xml = DOMAIN.format(
            name=name, memory=128 if kind == "guest" else 32, acpi="" if kind == "deaf" else "<acpi/>", disk=disk
        )
        return conn.defineXML(xml)

    def _disk(self, host: str, disk: Path, kind: str, pool: str) -> None:
        conn = self.conns[host]
        if kind == "guest":
            images = conn.storagePoolLookupByName("default")
            images.refresh()
            source = images.storageVolLookupByName(self.lab.facts["guest"]["volume"])
            size = source.info()[1]
            conn.storagePoolLookupByName(pool).createXMLFrom(VOLUME.format(name=disk.name, size=size), source, 0)
            return
        outside = self.lab.outside(host, str(disk))
        raw = outside.with_suffix(".raw")
        raw.write_bytes(PANIC if kind == "panic" else bytes(1024 * 1024))
        self.lab.hosts[host].inside("qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk.with_suffix(".raw"), disk)
        raw.unlink()

    def exists(self, vm: str) -> bool:
        return any(vm in self.lab.virsh(host, "list", "--all", "--name").split("\n") for host in self.hosts)

    def sightings(self, vm: str) -> dict[str, str]:
        return {
            host: self._state(vm, host)
            for host in self.hosts
            if vm in self.lab.virsh(host, "list", "--all", "--name").split("\n")
        }

    def state(self, vm: str) -> str:
        return self._state(vm, self._host(vm))

    def _state(self, vm: str, host: str) -> str:
        state = STATES[self.lab.virsh(host, "domstate", vm)]
        saved = state == "stopped" and vm in self.lab.virsh(host, "list", "--all", "--with-managed-save", "--name")
        return "suspended" if saved else state

    def snapshots(self, vm: str) -> list[list[str]]:
        return snapshot_paths(self.conns[self._host(vm)].lookupByName(vm))

    def write(self, vm: str, text: str) -> None:
        host = self._host(vm)
        if self.state(vm) == "running":
            self.lab.guest_exec(host, vm, "/bin/sh", "-c", f"echo '{text}' > /data/text && sync")
            return
        pattern = sum(text.encode()) % 255 + 1  # in the gap before the first partition
        self.lab.hosts[host].inside("qemu-io", "-c", f"write -P {pattern} 524288 4096", self._first_disk(host, vm))

    def content(self, vm: str) -> str:
        host = self._host(vm)
        if self.state(vm) == "running":
            return self.lab.guest_exec(host, vm, "/bin/sh", "-c", "sha256sum < /data/text")
        return self._hash(host, self._first_disk(host, vm))

    def content_of_image(self) -> str:
        return self._hash(self.hosts[0], str(POOL / self.words()["volume"]))

    def _first_disk(self, host: str, vm: str) -> str:
        return self.lab.virsh(host, "domblklist", vm).split()[1]

    def _hash(self, host: str, disk: str) -> str:
        """Hash what a guest would see."""
        raw = f"{disk}.conf-raw"
        self.lab.hosts[host].inside("qemu-img", "convert", "-O", "raw", disk, raw)
        outside = self.lab.outside(host, raw)
        digest = hashlib.sha256(outside.read_bytes()).hexdigest()
        outside.unlink()
        return digest

    def words(self) -> dict[str, str]:
        image = self.lab.facts["guest"]["volume"]
        return {"host": self.hosts[0], "storage": "default", "volume": image, "network": "default"}

    def road(self) -> dict[str, str]:
        return {"target": self.hosts[1], "fast": "fast", "lan": "lan"}

    def in_maintenance(self, host: str) -> bool:
        return MARK in self.lab.virsh(host, "secret-list")

    def volumes(self) -> set[str]:
        found = set()
        for conn in self.conns.values():
            for pool in conn.listAllStoragePools():
                pool.refresh()
                found |= set(pool.listVolumes())
        return found

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        writes: list[str] = []
        with self.lab.counting() as calls:
            yield writes
        writes += sorted(calls.writes)

    def forget(self, vm: str) -> None:
        for conn in self.conns.values():
            clear(conn, vm)

    def _host(self, vm: str) -> str:
        known = self.where.get(vm)
        return known or next(host for host in self.hosts if vm in self.lab.virsh(host, "list", "--all", "--name"))

    def close(self) -> None:
        for conn in self.conns.values():
            clear(conn)
            conn.close()


def kind_of(start: Start) -> str:
    """Return what a VM boots: which kinds of guests there are, and one for who crashes."""
    return "panic" if start.state == "crashed" else start.kind.replace("agent", "guest")
