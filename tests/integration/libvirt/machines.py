# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs for tests, made and looked at through libvirt's own tools, never through the collection."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import libvirt

from tests.lab.client import Lab

PREFIX = "it-"
POOL = Path("/var/lib/libvirt/images")
UNDEFINE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)
DOMAIN = """
<domain type='qemu'>
  <name>{name}</name>{uuid}<memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features>{acpi}<tcg><tb-cache unit='MiB'>16</tb-cache></tcg></features>
  <cpu mode='custom' match='exact' check='none'><model>qemu64</model></cpu>
  <devices>
    {disk}
    <interface type='network'><source network='default'/><model type='virtio'/></interface>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
  </devices>
</domain>
"""
DISK = """
<disk type='file' device='disk'>
  <driver name='qemu' type='qcow2'/><source file='{file}'/><target dev='vda' bus='virtio'/>
</disk>
"""


class Machines:
    """The VMs of all hosts; those of tests begin with PREFIX, and so do their disks."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.hosts = [name for name in lab.hosts if name != "fleet"]

    @contextmanager
    def connected(self, host: str) -> Iterator[Any]:
        """A connection of our own, by the unix socket."""
        conn = libvirt.open(self.lab.hosts[host].unix_uri)
        try:
            yield conn
        finally:
            conn.close()

    def bare(self, host: str, name: str, state: str = "stopped", *, uuid: str = "", disk: bool = False) -> None:
        """Make a VM without an OS: it starts at once, and never hears anything."""
        file = self._disk(host, name) if disk else None
        self._define(host, name, uuid=uuid, file=file)
        self.put(host, name, state)

    def guest(self, host: str, name: str, *, deaf: bool = False) -> None:
        """Boot the lab's guest on a disk of its own; `deaf` is the one that hears nothing, without power button."""
        facts = self.lab.facts["guest"]
        self._define(
            host,
            name,
            memory=128,
            acpi="" if deaf else "<acpi/>",
            file=self._disk(host, name, facts["deaf_volume" if deaf else "volume"]),
        )
        self.put(host, name, "running")

    def put(self, host: str, name: str, state: str) -> None:
        """Bring a stopped VM to a state."""
        with self.connected(host) as conn:
            domain = conn.lookupByName(name)
            if state != "stopped":
                domain.create()
            if state == "paused":
                domain.suspend()
            if state == "suspended":
                domain.managedSave()

    def state(self, host: str, name: str) -> str:
        """Return what virsh says."""
        return self.lab.virsh(host, "domstate", "--domain", name)

    def remove(self, host: str, *names: str) -> None:
        """Take VMs away, whatever their states; their disks go with the last test."""
        with self.connected(host) as conn:
            self._remove([conn.lookupByName(name) for name in names])

    def clear(self, prefix: str = PREFIX) -> None:
        """Take everything of tests away, or what has a longer prefix, with the disks."""
        for host in self.hosts:
            with self.connected(host) as conn:
                self._remove([domain for domain in conn.listAllDomains() if prefix in domain.name()])
                pool = conn.storagePoolLookupByName("default")
                pool.refresh()
                for volume in pool.listAllVolumes():
                    if prefix in volume.name():
                        volume.delete()

    def picture(self) -> dict[str, str]:
        """Return what refused tasks leave as it was: VMs, their states, ids, snapshots, saved memory, and volumes."""
        look = "list --all; list --all --with-managed-save; list --all --with-snapshot; vol-list default; vol-list fast"
        return {host: self.lab.virsh(host, look) for host in self.hosts}

    def freeze(self, host: str, name: str) -> None:
        """Stop QEMU itself: the VM is deaf and dumb, for its guest and for libvirt."""
        os.kill(self._pid(host, name), signal.SIGSTOP)

    def thaw(self, host: str, name: str) -> None:
        """Let it go on."""
        os.kill(self._pid(host, name), signal.SIGCONT)

    def _pid(self, host: str, name: str) -> int:
        return int((self.lab.hosts[host].folder / f"run/libvirt/qemu/{name}.pid").read_text())

    def _define(
        self, host: str, name: str, *, memory: int = 32, acpi: str = "<acpi/>", uuid: str = "", file: Path | None = None
    ) -> None:
        xml = DOMAIN.format(
            name=escape(name),
            uuid=f"<uuid>{uuid}</uuid>" if uuid else "",
            memory=memory,
            acpi=acpi,
            disk=DISK.format(file=file) if file else "",
        )
        with self.connected(host) as conn:
            conn.defineXML(xml)

    def _disk(self, host: str, name: str, backing: str | None = None) -> Path:
        """Make an empty disk, or one that builds on an image of the lab."""
        file = POOL / f"{name}.qcow2"
        begin = ("-b", POOL / backing, "-F", "qcow2", file) if backing else (file, "1M")
        self.lab.hosts[host].inside("qemu-img", "create", "-q", "-f", "qcow2", *begin)
        return file

    def _remove(self, domains: list[Any]) -> None:
        """Side by side, because QEMU takes a second or two to end."""

        def one(domain: Any) -> None:
            active, persistent = domain.isActive(), domain.isPersistent()
            if active:
                domain.destroy()
            if persistent:
                domain.undefineFlags(UNDEFINE)

        with ThreadPoolExecutor() as pool:
            list(pool.map(one, domains))
