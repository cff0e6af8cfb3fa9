# SPDX-License-Identifier: GPL-3.0-or-later
"""The VM that is moved while things die: its guest writes all the time, so that any block lost or mixed up is seen."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import libvirt

from tests.integration.libvirt.machines import POOL, UNDEFINE, Machines
from tests.lab import witness
from tests.lab.client import Lab
from tests.lab.commands import LabError, run, wait_until

AGENT_SECONDS = 30
NAME, UUID = "it-traveller", "c0ffee00-0000-4000-8000-00000000ca11"
SYSTEM, DATA = f"{NAME}.qcow2", f"{NAME}-data.qcow2"
DATA_BYTES, BLOCK, BLOCKS = 16 * 1024 * 1024, 4096, 256
XML = """
<domain type='qemu'>
  <name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>128</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/><tcg><tb-cache unit='MiB'>16</tb-cache></tcg></features>
  <cpu mode='custom' match='exact' check='none'><model>qemu64</model></cpu>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
      <source file='{pool}/{system}'/><target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
      <source file='{pool}/{data}'/><target dev='vdb' bus='virtio'/></disk>
    <interface type='network'><source network='lan'/><model type='virtio'/></interface>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
  </devices>{monitor}
</domain>
"""
# Numbers, one after the other, each into the next of BLOCKS blocks; the last one is also noted in memory.
WRITER = (
    "n={first}; while :; do printf '%04095d\\n' $n |"
    f" dd of=/dev/vdb bs={BLOCK} seek=$((n % {BLOCKS})) conv=notrunc,fsync 2>/dev/null;"
    " echo $n > /run/written; n=$((n + 1)); sleep 0.5; done"
)


class Traveller:
    """The VM, and what must be true of its disks."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.machines = lab, Machines(lab)
        self._beginning = os.urandom(DATA_BYTES)
        self._system_hash = ""

    def remove(self) -> None:
        """Take away every trace of it, on every host."""
        for host in self.lab.hosts.values():
            for pid in witness.processes(host, UUID):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
        for host in self.machines.hosts:
            with self.machines.connected(host) as conn:
                for domain in conn.listAllDomains():
                    if domain.UUIDString() == UUID:
                        with contextlib.suppress(libvirt.libvirtError):
                            domain.destroy()
                        with contextlib.suppress(libvirt.libvirtError):
                            domain.undefineFlags(UNDEFINE)
            for volume in self.volumes(host):
                (self._folder(host) / volume).unlink()
            self.lab.virsh(host, "pool-refresh", "default")

    def create(self, host: str) -> None:
        """Boot it on fresh disks."""
        folder = self._folder(host)
        shutil.copy(self.lab.facts["guest"]["path"], folder / SYSTEM)
        raw = folder / f"{DATA}.raw"
        raw.write_bytes(self._beginning)
        run("qemu-img", "convert", "-O", "qcow2", raw, folder / DATA)
        raw.unlink()
        xml = XML.format(
            name=NAME,
            uuid=UUID,
            pool=POOL,
            system=SYSTEM,
            data=DATA,
            monitor=witness.MONITOR_XML.format(name=NAME),
        ).replace(
            "<domain type='qemu'>", "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
        )
        with self.machines.connected(host) as conn:
            conn.defineXML(xml)
        self.lab.virsh(host, "pool-refresh", "default")
        self.start(host, first=0)

    def start(self, host: str, *, first: int) -> None:
        """Start it, let its guest write on, and remember the disk that it does not write to."""
        with self.machines.connected(host) as conn:
            conn.lookupByUUIDString(UUID).create()
        self.lab.wait_for_agent(host, NAME, 60)
        self.lab.guest_exec(host, NAME, "/bin/sync")
        self.lab.agent(host, NAME, "guest-exec", path="/bin/sh", arg=["-c", WRITER.format(first=first)])
        wait_until(lambda: self.written(host) > first, "the guest writes")
        self._system_hash = witness.disk_hash(self._folder(host) / SYSTEM)

    def restart(self, host: str, *, first: int) -> None:
        """Have a guest that does not go on begin anew."""
        self.lab.virsh(host, "destroy", UUID)
        self.start(host, first=first)

    def written(self, host: str) -> int:
        """Return the last number of which the guest knows that it is on the disk; -1 if there is none.

        Raises libvirt's error where the agent stays silent: one whose answer a move has cut off needs some seconds.
        """
        deadline = time.monotonic() + AGENT_SECONDS
        while True:
            try:
                return int(self.lab.guest_exec(host, NAME, "/bin/cat", "/run/written") or -1)
            except LabError:
                return -1
            except libvirt.libvirtError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def volumes(self, host: str) -> list[str]:
        """List the files on a host that are, or may be, its own."""
        return sorted(path.name for path in self._folder(host).glob(f"*{NAME}*"))

    def differing_disks(self, host: str, *, at_least: int) -> tuple[list[str], int]:
        """Return disks whose content is not what it must be, by hash, and the last number that is on the disk."""
        wrong = []
        if witness.disk_hash(self._folder(host) / SYSTEM) != self._system_hash:
            wrong.append("system")
        data = self._folder(host) / DATA
        raw = data.with_suffix(".raw")
        run("qemu-img", "convert", "--force-share", "-O", "raw", data, raw)
        content = raw.read_bytes()
        raw.unlink()
        last = max((number_in(content, block) for block in range(BLOCKS)), default=-1)
        if hashlib.sha256(content).digest() != hashlib.sha256(self._expected(last)).digest() or last < at_least:
            wrong.append("data")
        return wrong, last

    @contextlib.contextmanager
    def still(self, host: str) -> Iterator[None]:
        """Let it stand still inside the block: everything that it has written is in the files then."""
        with self.machines.connected(host) as conn:
            domain = conn.lookupByUUIDString(UUID)
            domain.suspend()
            yield
            domain.resume()

    def alive(self, host: str) -> bool:
        """Whether the guest goes on writing."""
        with contextlib.suppress(libvirt.libvirtError):
            before = self.written(host)
            deadline = time.monotonic() + AGENT_SECONDS
            while time.monotonic() < deadline:
                if self.written(host) > before:
                    return True
                time.sleep(0.05)
        return False

    def _expected(self, last: int) -> bytes:
        """Return what the disk holds once the numbers up to the last were written."""
        content = bytearray(self._beginning)
        for number in range(max(0, last - BLOCKS + 1), last + 1):
            content[(place := number % BLOCKS * BLOCK) : place + BLOCK] = b"%04095d\n" % number
        return bytes(content)

    def _folder(self, host: str) -> Path:
        return self.lab.outside(host, str(POOL))


def number_in(content: bytes, block: int) -> int:
    """Return the number that stands in a block, -1 for what was there at the beginning."""
    text = content[block * BLOCK : (block + 1) * BLOCK]
    return int(text) if text[-1:] == b"\n" and text[:-1].isdigit() else -1
