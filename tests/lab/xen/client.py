# SPDX-License-Identifier: GPL-3.0-or-later
"""The Xen lab for tests: where things are, a shell in every guest, witnesses, and the means to break and to count."""

import json
import re
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import libvirt
import yaml

from tests.lab.client import Calls, Proxy, counting
from tests.lab.commands import LabError, run
from tests.lab.xen import network
from tests.lab.xen.host import HOSTS, XenHost
from tests.lab.xen.settings import FACTS

# What a line printed stands between marks. The shell completes them, so that the echo of the line is no answer, and
# each line has its own, because an earlier one may be answered late.
ASKED = "stty -echo; echo BEGIN-$((1+1))-{mark}; {{ {line}; }} 2>&1; echo END-$((1+1))-{mark}:$?"
ANSWER = r"BEGIN-2-{mark}\r?\n(.*)END-2-{mark}:(\d+)\r?\n"


class XenLab:
    """The running Xen lab of this instance; LabError if there is none."""

    def __init__(self) -> None:
        if not FACTS.exists():
            raise LabError("there is no Xen lab: run `python -m tests.lab up xen` (and set CROSSVIRT_LAB as for it)")
        self.facts: dict[str, Any] = json.loads(FACTS.read_text())
        self.hosts: dict[str, XenHost] = {host.name: host for host in HOSTS}
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # else every error goes to stderr too

    @property
    def connections_file(self) -> Path:
        """For CROSSVIRT_CONNECTIONS."""
        return Path(self.facts["connections"])

    def connection(self, name: str) -> dict[str, Any]:
        """Read an entry of the connections file, to be used as `hypervisor:`."""
        entry: dict[str, Any] = yaml.safe_load(self.connections_file.read_text())["hypervisors"][name]
        return entry

    def virsh(self, host: str, *argv: str) -> str:
        """Return what virsh prints on a host, stripped."""
        return run("virsh", "-c", self.hosts[host].uri, "-q", *argv).strip()

    def xl(self, host: str, *argv: str) -> str:
        """Return what Xen's own tool prints on a host, stripped: it knows nothing of libvirt."""
        return self.hosts[host].inside("xl", *argv).strip()

    def guest_exec(self, host: str, vm_name: str, line: str, timeout_seconds: float = 20) -> str:
        """Type a line into the shell on a guest's console: what it prints, stripped; LabError if it fails or hangs.

        libvirt has no part in it.
        """
        mark = secrets.token_hex(4)
        order = ("/lab/type", vm_name, ASKED.format(line=line, mark=mark), f"END-2-{mark}", str(int(timeout_seconds)))
        said = self.hosts[host].inside(*order)
        answer = re.search(ANSWER.format(mark=mark), said, re.DOTALL)
        if not answer:
            raise LabError(f"{line!r} in {vm_name}: no answer")
        output = answer[1].replace("\r", "").strip()
        if answer[2] != "0":
            raise LabError(f"{line!r} in {vm_name}: {output}")
        return output

    def wait_for_guest(self, host: str, vm_name: str, timeout_seconds: float = 60) -> float:
        """Seconds until the shell on the guest's console answers."""
        started = time.monotonic()
        while True:
            try:
                self.guest_exec(host, vm_name, "true", timeout_seconds=5)
                return time.monotonic() - started
            except LabError:
                if time.monotonic() - started > timeout_seconds:
                    raise

    def disk_hash(self, host: str, path: str) -> str:
        """SHA-256 of a disk as its guest sees it: past the caches of dom0, for the other host may have written it."""
        return self.hosts[host].inside("sh", "-c", f"dd if={path} bs=1M iflag=direct | sha256sum").split()[0]

    def kill_libvirtd(self, host: str) -> None:
        """As a crash: SIGKILL; guests go on."""
        self.hosts[host].stop_libvirtd(signal.SIGKILL)

    def start_libvirtd(self, host: str) -> None:
        """After kill_libvirtd; returns when it answers."""
        self.hosts[host].start_libvirtd()

    @contextmanager
    def cut_off(self, host: str) -> Iterator[None]:
        """Pull a host's cable for the length of the block."""
        network.cut(host)
        try:
            yield
        finally:
            network.heal(host)

    def proxy(self, host: str) -> Proxy:
        """Give orders to the proxy of `<host>-proxy`."""
        return Proxy(self.hosts[host].proxy_control)

    def counting(self) -> AbstractContextManager[Calls]:
        """Count what goes through all proxies inside the block."""
        return counting([self.proxy(host) for host in self.hosts])
