# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Xen hosts of the lab: libvirt's own Python makes the VMs, xl is the witness, a proxy counts the calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, cycle
from typing import Any

import libvirt
import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.connection import settle
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.maintenance import MARK
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.registry import driver_class

from tests.conformance.backends.libvirt_api import clear, freeze
from tests.conformance.bed import PREFIX, Bed, Start
from tests.lab.commands import LabError, wait_until
from tests.lab.xen import contents
from tests.lab.xen.client import XenLab

POOL = "/var/lib/libvirt/images"
STATES = {"c": "crashed", "s": "changing", "d": "changing", "p": "paused"}  # xl's letters, the strongest first
PATIENCE_SECONDS = 400  # everything here is emulated twice
ANSWER_SECONDS = 100  # a guest that has not answered until then never will: emulated ones hang now and then

# By kind: memory in MiB, and what it boots. A kernel without its initramfs panics; a deaf guest does not obey.
KERNEL = "<kernel>/lab/boot/vmlinuz</kernel>"
DEAF = f"{KERNEL}<initrd>/lab/boot/initrd</initrd><cmdline>console=hvc0 quiet lab.deaf</cmdline>"
BOOTS = {"guest": (128, ""), "empty": (96, DEAF), "panic": (96, f"{KERNEL}<cmdline>console=hvc0 quiet</cmdline>")}
DOMAIN = """
<domain type='xen'>
  <name>{name}</name><memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>
  {bootloader}
  <os><type arch='x86_64' machine='xenpvh'>xenpvh</type>{boot}</os>
  <on_crash>preserve</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='phy' type='raw'/>{source}<target dev='xvda' bus='xen'/>
    </disk>
    <interface type='network'><source network='default'/></interface>
    <console type='pty'/>
  </devices>
</domain>
"""
VOLUME = """
<volume>
  <name>{name}</name><capacity>{size}</capacity><allocation>0</allocation><target><format type='raw'/></target>
</volume>
"""


class XenBed(Bed):
    """Two hosts of the lab. A VM of each kind is made once per host and brought into every state from there."""

    name = "xen"
    column = "libvirt Xen"
    patience_seconds = PATIENCE_SECONDS

    def __init__(self) -> None:
        try:
            self.lab = XenLab()
        except LabError as error:
            pytest.exit(str(error), returncode=3)
        self.hosts = tuple(self.lab.hosts)
        self._conns: dict[str, Any] = {}
        self.where: dict[str, str] = {}
        self._numbers = count(1)
        self._shared = cycle(range(1, len(contents.VOLUMES) + 1))
        for host in self.hosts:
            clear(self._conn(host))

    def _conn(self, host: str) -> Any:
        """Return a connection of our own, a new one where libvirtd has died: on Xen it does so now and then."""
        if host not in self._conns or not lives(self._conns[host]):
            wait_until(self.lab.hosts[host].answers, f"libvirtd of {host}", PATIENCE_SECONDS)
            self._conns[host] = libvirt.open(self.lab.hosts[host].uri)
        return self._conns[host]

    def hypervisor(self, host: str | None = None) -> dict[str, Any]:
        return self.lab.connection(f"{host}-proxy" if host else "lab-proxy")

    def connect(self, host: str) -> Driver:
        settled = settle(self.hypervisor(host), {})
        return driver_class("libvirt").connect(settled.settings, settled.hosts[0])

    def vm(self, start: Start, host: str | None = None) -> str:
        if start.kind == "deaf":
            pytest.skip("Xen asks the guest's kernel itself to shut down, and does not know whether it listens")
        if start.kind == "agent":
            pytest.skip("Xen's guests have no agent")
        host = host or self.hosts[0]
        return self._prepared(start, host, f"{PREFIX}{kind_of(start)}-{host}")

    def traveller(self, start: Start) -> str:
        if start.state != "stopped" and not start.shared:
            return self.vm(start)  # its disk is a file, so it stays
        name = f"{PREFIX}move-{next(self._numbers)}-vm"
        try:
            return self._prepared(start, self.hosts[0], name)
        finally:
            self.where.pop(name, None)  # from now on it is where it is found

    def _prepared(self, start: Start, host: str, name: str) -> str:
        if start.snapshots:
            pytest.skip("libvirt's driver for Xen has no snapshots")
        self.where[name] = host
        domain = self._domain(host, name, start)
        self._run_or_stop(domain, start)
        if start.state == "crashed":
            self._wait(domain, lambda state, _active: state == libvirt.VIR_DOMAIN_SHUTOFF, "has crashed")
        else:
            freeze(domain, start.state)
            self._settle(domain)
        return name

    def _run_or_stop(self, domain: Any, start: Start) -> None:
        """Use a VM that runs, or that has crashed, as it is: booting a guest costs seconds."""
        if start.state == "crashed" and domain.isActive():
            return
        self._settle(domain)
        if domain.hasManagedSaveImage():
            domain.managedSaveRemove(0)
        if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
            domain.resume()
        if domain.isActive() and (start.state == "stopped" or domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING):
            domain.destroy()
            self._settle(domain)
        if not domain.isActive() and start.state != "stopped":
            domain.create()
        if domain.isActive() and start.state != "crashed":  # before it has booted, it cannot be suspended
            self._boot(domain)

    def _boot(self, domain: Any) -> None:
        """Wait for a guest; one that hangs is begun anew."""
        host, name = self.where[domain.name()], domain.name()
        try:
            self.lab.wait_for_guest(host, name, ANSWER_SECONDS)
        except LabError:
            domain.destroy()
            self._settle(domain)
            domain.create()
            self.lab.wait_for_guest(host, name, PATIENCE_SECONDS)

    def _settle(self, domain: Any) -> None:
        """Wait while a VM that is off by its state still has to go."""
        self._wait(domain, lambda state, active: state != libvirt.VIR_DOMAIN_SHUTOFF or not active, "is off")

    def _wait(self, domain: Any, holds: Callable[[int, bool], bool], what: str) -> None:
        wait_until(
            lambda: holds(domain.state()[0], bool(domain.isActive())), f"{domain.name()} {what}", PATIENCE_SECONDS
        )

    def _domain(self, host: str, name: str, start: Start) -> Any:
        """Return the VM of a kind, made if it is not there; one that can move has a logical volume, in turn."""
        conn = self._conn(host)
        try:
            return conn.lookupByName(name)
        except libvirt.libvirtError:
            pass
        kind = kind_of(start)
        memory, boot = BOOTS[kind]
        bootloader = "" if boot else "<bootloader>pygrub</bootloader>"
        if start.shared:
            place = f"<source dev='/dev/shared/disk{next(self._shared)}'/>"
        else:
            self._disk(host, f"{name}.raw", kind)
            place = f"<source file='{POOL}/{name}.raw'/>"
        xml = DOMAIN.format(name=name, memory=memory, boot=boot, bootloader=bootloader, source=place)
        return conn.defineXML(xml.replace("type='file'", "type='block'") if start.shared else xml)

    def _disk(self, host: str, name: str, kind: str) -> None:
        pool = self._conn(host).storagePoolLookupByName("default")
        pool.refresh()
        if kind == "guest":
            source = pool.storageVolLookupByName(self.lab.facts["guest"]["volume"])
            pool.createXMLFrom(VOLUME.format(name=name, size=source.info()[1]), source, 0)
        else:
            pool.createXML(VOLUME.format(name=name, size=1024 * 1024), 0)

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
        rows = [line.split() for line in self.lab.xl(host, "list").splitlines()]
        if flags := next((row[4] for row in rows if row[0] == vm), None):
            return next((state for letter, state in STATES.items() if letter in flags), "running")
        saved = vm in self.lab.virsh(host, "list", "--all", "--with-managed-save", "--name").split("\n")
        return "suspended" if saved else "stopped"

    def snapshots(self, vm: str) -> list[list[str]]:
        return []

    def write(self, vm: str, text: str) -> None:
        host = self._host(vm)
        if self.state(vm) == "running":
            self.lab.guest_exec(host, vm, f"echo '{text}' > /data/text && sync")
            return
        into = f"dd of={self._first_disk(host, vm)} bs=1 seek=524288 conv=notrunc status=none"
        self.lab.hosts[host].inside("sh", "-c", into, stdin=text.encode())  # in the gap before the first partition

    def content(self, vm: str) -> str:
        host = self._host(vm)
        if self.state(vm) == "running":
            return self.lab.guest_exec(host, vm, "sha256sum < /data/text")
        return self.lab.disk_hash(host, self._first_disk(host, vm))

    def content_of_image(self) -> str:
        return self.lab.disk_hash(self.hosts[0], f"{POOL}/{self.words()['volume']}")

    def _first_disk(self, host: str, vm: str) -> str:
        return self.lab.virsh(host, "domblklist", vm).split()[1]

    def words(self) -> dict[str, str]:
        image = self.lab.facts["guest"]["volume"]
        return {"host": self.hosts[0], "storage": "default", "volume": image, "network": "default"}

    def road(self) -> dict[str, str]:
        return {"target": self.hosts[1], "fast": "fast", "lan": "lan"}

    def in_maintenance(self, host: str) -> bool:
        return MARK in self.lab.virsh(host, "secret-list")

    def volumes(self) -> set[str]:
        found = set()
        for host in self.hosts:
            for pool in self._conn(host).listAllStoragePools():
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
        for host in self.hosts:
            clear(self._conn(host), vm)

    def _host(self, vm: str) -> str:
        if vm in self.where:
            return self.where[vm]
        return next(host for host in self.hosts if vm in self.lab.virsh(host, "list", "--all", "--name").split("\n"))

    def close(self) -> None:
        for host in self.hosts:
            clear(self._conn(host))
            self._conn(host).close()


def lives(conn: Any) -> bool:
    """Say whether a connection still leads to a libvirtd."""
    try:
        return bool(conn.getVersion())
    except libvirt.libvirtError:
        return False


def kind_of(start: Start) -> str:
    """Return what a VM boots."""
    return "panic" if start.state == "crashed" else start.kind
