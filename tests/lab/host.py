# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirt host: network, mount and host name of its own, private copies of libvirt's folders, and a libvirtd."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import network, pki, servers, shared
from tests.lab.commands import LabError, run, wait_until
from tests.lab.settings import CACHE, FLEET_NUMBER, INSTANCE, MAX_HOSTS, NET, PROXY_PORT_BASE, ROOT_ADDRESS, RUNTIME

# Every name that a host may have, and the last number of its address.
NUMBERS = {f"kvm{number}": number for number in range(1, MAX_HOSTS + 1)} | {"fleet": FLEET_NUMBER}

# What a host has for itself, below its folder.
PRIVATE = {
    "etc": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "log": "/var/log/libvirt",
    "cache": "/var/cache/libvirt",
    "pki": "/etc/pki",
    "run": "/run",
    "hosts": "/etc/hosts",
    "resolv.conf": "/etc/resolv.conf",
}
# libvirt asks QEMU for its capabilities at the first connection, 8 s. With a warm cache 0.2 s.
WARM = CACHE / "capabilities"

LIBVIRTD_CONF = """\
listen_tls = 1
listen_tcp = 1
listen_addr = "0.0.0.0"
auth_tcp = "none"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0777"
host_uuid = "{uuid}"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
keepalive_interval = 1
keepalive_count = 5
max_clients = 500
"""

# No cgroups, no security driver and no virtlogd here; QEMU runs as root.
QEMU_CONF = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
migration_address = "0.0.0.0"
migration_host = "{address}"
keepalive_interval = 1
keepalive_count = 5
"""

# Runs as the first process of the new namespaces, mounts, and then only holds them. A read-only file in place of
# /dev/kvm makes libvirt offer TCG only: it asks whether it may write there.
HOLD = """\
set -e
hostname {name}
mount --make-rprivate /
{mounts}
if [ -e /dev/kvm ]; then
    mount --bind {folder}/no-kvm /dev/kvm
    mount -o remount,bind,ro /dev/kvm
fi
touch {folder}/ready
exec sleep infinity
"""


@dataclass(frozen=True)
class Host:
    """Host `name` at 10.77.I.`number`."""

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
    def socket(self) -> Path:
        """Unix socket of libvirtd; only mounts are private, so it can be used from outside."""
        return self.folder / "run/libvirt/libvirt-sock"

    @property
    def pid_file(self) -> Path:
        """File with the process id of libvirtd."""
        return self.folder / "run/libvirtd.pid"

    @property
    def unix_uri(self) -> str:
        """Of the socket."""
        return f"qemu+unix:///system?socket={self.socket}"

    @property
    def proxy_port(self) -> int:
        """Of the counting proxy, on the root namespace's address."""
        return PROXY_PORT_BASE + self.number

    @property
    def proxy_control(self) -> Path:
        """Unix socket that takes the proxy's orders."""
        return RUNTIME / f"proxy-{self.name}.sock"

    def start(self, domains: Iterable[tuple[str, str]] = ()) -> None:
        """Make namespaces and files, start libvirtd with domains (name, XML) defined; returns when it answers."""
        network.create_host(self.name, self.address)
        self.prepare()
        for name, xml in domains:
            (self.folder / f"etc/qemu/{name}.xml").write_text(xml)
        self.hold_namespaces()
        self.start_libvirtd()
        self.keep_warm_cache()

    def prepare(self) -> None:
        """Write the host's folders and settings."""
        for name in PRIVATE:
            if "." not in name and name != "hosts":
                (self.folder / name).mkdir(parents=True)
        shutil.copytree("/etc/libvirt", self.folder / "etc", dirs_exist_ok=True, symlinks=True)
        for link in (self.folder / "etc/qemu/networks").glob("**/*.xml"):
            link.unlink()  # the lab defines its own `default`
        for folder in ("lib/images", "lib/fast", "lib/shared", "lib/qemu", "run/libvirt", "run/sshd", "run/lock"):
            (self.folder / folder).mkdir(parents=True)
        if WARM.is_dir():
            shutil.copytree(WARM, self.folder / "cache/qemu/capabilities")
        uuid = f"c0ffee00-{INSTANCE:04d}-4000-8000-{self.number:012d}"  # equal ones could not migrate to each other
        (self.folder / "etc/libvirtd.conf").write_text(LIBVIRTD_CONF.format(uuid=uuid))
        (self.folder / "etc/qemu.conf").write_text(QEMU_CONF.format(address=self.address))
        # getaddrinfo() of the own name would wait 10 s for a name server that is not there.
        lines = ["127.0.0.1 localhost", *(f"{NET}.{number} {name}" for name, number in NUMBERS.items())]
        (self.folder / "hosts").write_text("\n".join(lines) + "\n")
        (self.folder / "resolv.conf").touch()
        (self.folder / "no-kvm").touch()
        pki.install(self.folder / "pki", self.name, self.address)

    def hold_namespaces(self) -> None:
        """Start the process that keeps the mounts alive while libvirtd comes and goes."""
        Path("/etc/pki").mkdir(exist_ok=True)
        sources = {self.folder / name: target for name, target in PRIVATE.items()}
        sources[shared.MOUNT] = "/var/lib/libvirt/shared"  # after /var/lib/libvirt
        mounts = "\n".join(f"mount --bind {source} {target}" for source, target in sources.items())
        script = HOLD.format(name=self.name, folder=self.folder, mounts=mounts)
        holder = subprocess.Popen(
            ["ip", "netns", "exec", network.namespace(self.name), "unshare", "--mount", "--uts", "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "holder.log").open("wb"),
            start_new_session=True,
        )
        (self.folder / "holder.pid").write_text(str(holder.pid))
        ready = self.folder / "ready"
        wait_until(lambda: ready.exists() or holder.poll() is not None, f"namespaces of {self.name}")
        if not ready.exists():
            raise LabError(f"{self.name}: {(self.folder / 'holder.log').read_text().strip()}")

    def inside(self, *argv: str | Path) -> str:
        """Run a program inside the host: its standard output."""
        holder = (self.folder / "holder.pid").read_text()
        return run("nsenter", "-t", holder, "-n", "-m", "-u", "--", *argv)

    def start_libvirtd(self) -> None:
        """Start it and wait for its socket."""
        libvirtd = ("libvirtd", "-d", "--listen", "-f", "/etc/libvirt/libvirtd.conf", "-p", "/run/libvirtd.pid")
        self.inside(sys.executable, Path(__file__).with_name("reaper.py"), *libvirtd)
        wait_until(self.answers, f"libvirtd of {self.name} (see {self.folder}/log/libvirtd.log)")

    def answers(self) -> bool:
        """Whether libvirtd takes a connection."""
        return self.socket.exists() and bool(run("virsh", "-c", self.unix_uri, "hostname", check=False).strip())

    def stop_libvirtd(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End libvirtd only: guests go on. After SIGKILL its files stay, as after a crash."""
        pid = int(self.pid_file.read_text())
        os.kill(pid, how)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), f"end of libvirtd of {self.name}")

    def start_sshd(self, config: Path) -> None:
        """Start an ssh server on port 22 for qemu+ssh."""
        self.inside("/usr/sbin/sshd", "-f", config)

    def start_proxy(self) -> None:
        """Start the counting proxy before libvirtd's plaintext port."""
        servers.start(
            f"proxy-{self.name}", "proxy", self.proxy_control, ROOT_ADDRESS, str(self.proxy_port), self.address
        )

    def keep_warm_cache(self) -> None:
        """Ask for the capabilities once and keep what libvirt learned for the next lab."""
        run("virsh", "-c", self.unix_uri, "capabilities")
        WARM.mkdir(parents=True, exist_ok=True)
        for learned in (self.folder / "cache/qemu/capabilities").iterdir():
            known = WARM / learned.name
            if not known.exists() or known.read_bytes() != learned.read_bytes():
                scratch = CACHE / f"{learned.stem}.{INSTANCE}"  # other labs may read the folder just now
                shutil.copy(learned, scratch)
                scratch.rename(known)


def hosts_up() -> list[Host]:
    """List the hosts that were started, by number."""
    return [Host(name, number) for name, number in NUMBERS.items() if (RUNTIME / name / "ready").exists()]
