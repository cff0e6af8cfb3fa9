# SPDX-License-Identifier: GPL-3.0-or-later
"""A Xen host: QEMU runs Xen, Xen runs dom0, and dom0 is reached over ssh and libvirt."""

import os
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab import servers
from tests.lab.commands import LabError, run, wait_until
from tests.lab.processes import command_line
from tests.lab.settings import INSTANCE
from tests.lab.xen import network, own_disk
from tests.lab.xen.dom0 import Dom0
from tests.lab.xen.settings import NET, PROXY_PORT_BASE, ROOT_ADDRESS, RUNTIME

# In MiB. What dom0 leaves is for VMs: four small ones. QEMU's translations would else take a gigabyte more.
MEMORY, DOM0_MEMORY, TRANSLATED = 1280, 512, 160
DOM0_LINE = "console=hvc0 root=/dev/vda rw init=/first net.ifnames=0 quiet mitigations=off"
SHARED_DISK = RUNTIME / "shared.raw"
SSH_KEY = RUNTIME / "ssh/id"
BOOT_SECONDS = 400  # 30 on a quiet machine
READY = "ready"

# Defects of emulation: with SMAP QEMU's `iret` from ring 3 is a supervisor's access, and dom0 dies; with RDTSCP Xen
# cannot tell the length of an instruction, and guests die.
CPU = "max,-smap,-rdtscp"


@dataclass(frozen=True)
class XenHost:
    """Host `name` at 10.78.I.`number`."""

    name: str
    number: int

    @property
    def address(self) -> str:
        """IPv4 address on the lab's bridge."""
        return f"{NET}.{self.number}"

    @property
    def folder(self) -> Path:
        """Everything that the host keeps."""
        return RUNTIME / self.name

    @property
    def pid_file(self) -> Path:
        """File with the process id of QEMU."""
        return self.folder / "qemu.pid"

    @property
    def console(self) -> Path:
        """What the serial port said; `serial.sock` beside it leads to a root shell."""
        return self.folder / "console.log"

    @property
    def uri(self) -> str:
        """Of libvirtd, in plain text."""
        return f"xen+tcp://{self.address}/system"

    @property
    def proxy_port(self) -> int:
        """Of the counting proxy, on the root namespace's address."""
        return PROXY_PORT_BASE + self.number

    @property
    def proxy_control(self) -> Path:
        """Unix socket that takes the proxy's orders."""
        return RUNTIME / f"proxy-{self.name}.sock"

    def start(self, dom0: Dom0, images: list[Path]) -> None:
        """Switch it on; `wait` says when it is there."""
        self.folder.mkdir()
        network.plug_in(self.name)
        disk = own_disk.create(self.name, self.address, self.uuid(), self.folder, images)
        run("qemu-system-x86_64", *self.machine(), *boot(dom0), *drive(disk, "cache=unsafe"), *SHARED)

    def machine(self) -> list[str | Path]:
        """Write QEMU's options for all but disks."""
        serial = f"socket,id=serial,path={self.folder}/serial.sock,server=on,wait=off,logfile={self.console}"
        mac = f"52:54:00:78:{INSTANCE:02x}:{self.number:02x}"
        return [
            *("-name", self.name, "-uuid", self.uuid(), "-M", "pc", "-m", str(MEMORY)),
            *("-accel", f"tcg,tb-size={TRANSLATED}", "-cpu", CPU),
            *("-nodefaults", "-display", "none", "-no-reboot"),
            *("-chardev", serial, "-serial", "chardev:serial"),
            *("-netdev", f"tap,id=lan,ifname={network.tap(self.name)},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=lan,mac={mac}"),
            *("-daemonize", "-pidfile", self.pid_file),
        ]

    def uuid(self) -> str:
        """Name it; equal ones could not migrate to each other."""
        return f"c0ffee00-{INSTANCE:04d}-4000-8078-{self.number:012d}"

    def wait(self) -> None:
        """Wait until libvirtd answers."""
        wait_until(lambda: self.said(READY) or not self.runs(), f"{self.name} is up (see {self.console})", BOOT_SECONDS)
        if not self.runs():
            raise LabError(f"{self.name} has ended; see {self.console}")

    def said(self, word: str) -> bool:
        """Whether dom0's init has come to that point."""
        return any(
            line.startswith("LAB ") and line.strip().endswith(word)
            for line in self.console.read_text(errors="replace").splitlines()
        )

    def runs(self) -> bool:
        """Whether its process is there."""
        return self.pid_file.exists() and str(self.folder) in command_line(int(self.pid_file.read_text()))

    def kill(self) -> None:
        """Pull the plug of the whole host."""
        pid = int(self.pid_file.read_text())
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not command_line(pid), f"end of {self.name}")

    def inside(self, *argv: str | Path, stdin: bytes | None = None) -> str:
        """Run a program in dom0: its standard output; connections are kept open, because each costs a second."""
        return run("ssh", *self.ssh_options(), f"root@{self.address}", shlex.join(map(str, argv)), stdin=stdin)

    def hang_up(self) -> None:
        """End the connection that `inside` keeps open."""
        run("ssh", *self.ssh_options(), "-O", "exit", f"root@{self.address}", check=False)

    def ssh_options(self) -> list[str]:
        """Use the lab's key and one connection for all; the host's key is not verified, nothing knows it."""
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ConnectTimeout": "10",
            "ControlMaster": "auto",
            "ControlPersist": "600",
            "ControlPath": f"{self.folder}/ssh.sock",
        }
        settings = [f"-o{key}={value}" for key, value in options.items()]
        return ["-F", "none", "-i", str(SSH_KEY), *settings]

    def start_libvirtd(self) -> None:
        """Start it again and wait until it answers; VMs never noticed."""
        self.inside("/lab/libvirtd")
        wait_until(self.answers, f"libvirtd of {self.name}", 60)

    def stop_libvirtd(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End libvirtd only; after SIGKILL its files stay, as after a crash."""
        gone = "while pidof libvirtd; do sleep 0.1; done"
        self.inside("sh", "-c", f"touch /run/no-libvirtd; kill -{how.value} $(cat /run/libvirtd.pid) && {gone}")

    def answers(self) -> bool:
        """Whether libvirtd takes a connection."""
        probe = ["virsh", "-c", self.uri, "hostname"]
        try:
            return not subprocess.run(probe, capture_output=True, timeout=10, check=False).returncode
        except subprocess.TimeoutExpired:
            return False

    def start_proxy(self) -> None:
        """Start the counting proxy before libvirtd's plaintext port."""
        arguments = (self.proxy_control, ROOT_ADDRESS, str(self.proxy_port), self.address)
        servers.start(f"proxy-{self.name}", "proxy", *arguments, folder=RUNTIME)


def boot(dom0: Dom0) -> list[str | Path]:
    """Write QEMU's options to boot Xen with its modules: dom0's kernel with a command line, and its initramfs."""
    xen_line = f"com1=115200,8n1 console=com1 dom0_mem={DOM0_MEMORY}M,max:{DOM0_MEMORY}M"
    modules = f"{dom0.kernel} {DOM0_LINE},{dom0.initramfs}"
    return ["-kernel", dom0.xen, "-append", xen_line, "-initrd", modules, *drive(dom0.disk, "snapshot=on")]


def drive(path: Path, options: str) -> tuple[str, str]:
    """Write QEMU's option for a raw disk: vda, vdb and so on."""
    return "-drive", f"file={path},format=raw,if=virtio,{options}"


SHARED = drive(SHARED_DISK, "file.locking=off")
HOSTS = [XenHost(f"xen{number}", number) for number in (1, 2)]
