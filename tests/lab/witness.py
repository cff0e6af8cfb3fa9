# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a VM is, told by processes, files and QEMU itself: what libvirtd says is one part of it, and may be wrong."""

import contextlib
import hashlib
import json
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.client import Lab
from tests.lab.commands import LabError, run
from tests.lab.host import Host

# For a VM's XML: a monitor of our own, below /run, which each host has for itself.
MONITOR_XML = """
<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <qemu:arg value='-qmp'/><qemu:arg value='unix:/run/witness-{name}.sock,server=on,wait=off'/>
</qemu:commandline>
"""
MUTE = "mute"


@dataclass(frozen=True)
class Copy:
    """What there is of a VM on one host."""

    state: str  # as libvirtd has it; empty where it does not know the VM
    defined: bool  # whether the definition is on disk, and so outlives libvirtd
    pids: tuple[int, ...]  # QEMU processes

    def __bool__(self) -> bool:
        return bool(self.state or self.defined or self.pids)


def copies(lab: Lab, name: str, uuid: str) -> dict[str, Copy]:
    """Look on every host; those without a trace of the VM are left out."""
    found = {}
    for host in lab.hosts.values():
        state = ""
        if uuid in lab.virsh(host.name, "list", "--all", "--uuid").split():
            with contextlib.suppress(LabError):  # it went meanwhile
                state = " ".join(lab.virsh(host.name, "domstate", "--reason", uuid).split())
        definition = (host.folder / f"etc/qemu/{name}.xml").exists()
        if copy := Copy(state, definition, tuple(processes(host, uuid))):
            found[host.name] = copy
    return found


def processes(host: Host, uuid: str) -> list[int]:
    """List a host's QEMU processes of a VM, whether libvirtd knows of them or not."""
    inside = Path(f"/proc/{(host.folder / 'holder.pid').read_text()}/ns/mnt").stat().st_ino
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ends meanwhile
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if uuid.encode() in words and b"-uuid" in words and (folder / "ns/mnt").stat().st_ino == inside:
                found.append(int(folder.name))
    return found


def run_state(host: Host, name: str, patience_seconds: float = 2) -> str:
    """Ask QEMU's own monitor (MONITOR_XML): `running`, `inmigrate`, `postmigrate` ...

    Empty without a QEMU, MUTE for one that does not answer. The monitor talks to one at a time.
    """
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(patience_seconds)
        try:
            line.connect(str(host.folder / f"run/witness-{name}.sock"))
        except OSError:
            return ""
        try:
            with line.makefile("rw") as talk:
                talk.readline()  # the greeting
                for command in ("qmp_capabilities", "query-status"):
                    talk.write(json.dumps({"execute": command}))
                    talk.flush()
                    while "return" not in (answer := json.loads(talk.readline())):
                        pass  # events
                return str(answer["return"]["status"])
        except TimeoutError:
            return MUTE
        except (OSError, ValueError):  # it ended
            return ""


def disk_hash(file: Path) -> str:
    """SHA-256 of what the guest sees of a disk, whatever its format, backing file and locks are."""
    with tempfile.NamedTemporaryFile(dir=file.parent) as raw:
        run("qemu-img", "convert", "--force-share", "-O", "raw", file, raw.name)
        return hashlib.file_digest(raw, "sha256").hexdigest()
