# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab for tests: where things are, independent witnesses, and the means to break and to count."""

import base64
import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu
import yaml

from tests.lab import network, procedures
from tests.lab.commands import LabError, run
from tests.lab.connections import FACTS
from tests.lab.host import NUMBERS, Host


class Proxy:
    """Orders to one host's counting proxy; it listens at the `address` of its host's entry `<host>-proxy`."""

    def __init__(self, control: Path) -> None:
        self.control = control

    def counts(self) -> dict[str, Any]:
        """Read `calls` (name -> number) and `connections` since the last reset."""
        return self._order("counts")

    def reset(self) -> None:
        """Count from zero."""
        self._order("reset")

    def delay(self, seconds: float) -> None:
        """Let every call arrive so much later."""
        self._order("delay", seconds=seconds)

    def cut(self) -> None:
        """Break all connections now; new ones are taken."""
        self._order("cut")

    def hang(self) -> None:
        """Hold everything in both directions from now on; connections stay open."""
        self._order("hang")

    def refuse(self) -> None:
        """Take no new connections."""
        self._order("refuse")

    def trap(self, action: str, *, after: int = 0, procedure: str | None = None, deliver: bool = False) -> None:
        """Do `hang` or `cut` at the call that follows `after` others, once.

        With `procedure` only calls of that name matter; with `deliver` the host gets the call, and its answer is lost.
        """
        self._order("trap", action=action, after=after, procedure=procedure, deliver=deliver)

    def heal(self) -> None:
        """End every fault."""
        self._order("heal")

    def _order(self, name: str, **arguments: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(str(self.control))
            line.sendall(json.dumps({"do": name, **arguments}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(line.makefile().readline())
            return answer


class Calls:
    """What went through the proxies since a `with lab.counting()` began; live inside the block, final after it."""

    def __init__(self, proxies: list[Proxy]) -> None:
        self._proxies: list[Proxy] | None = proxies
        self._by_name: Counter[str] = Counter()
        self._connections = 0

    def read(self) -> None:
        """Ask the proxies, as long as the count goes on."""
        if self._proxies is not None:
            answers = [proxy.counts() for proxy in self._proxies]
            self._by_name = sum((Counter(answer["calls"]) for answer in answers), Counter())
            self._connections = sum(answer["connections"] for answer in answers)

    def finish(self) -> None:
        """Count no further."""
        self.read()
        self._proxies = None

    @property
    def by_name(self) -> dict[str, int]:
        """Calls by procedure; the agent's are named after its command, `agent:guest-ping`."""
        self.read()
        return dict(self._by_name)

    @property
    def total(self) -> int:
        """All calls, those of connecting included."""
        return sum(self.by_name.values())

    @property
    def writes(self) -> dict[str, int]:
        """Calls that may change something; empty is what check mode promises."""
        return {name: count for name, count in self.by_name.items() if procedures.writes(name)}

    @property
    def connections(self) -> int:
        """Connections that were opened."""
        self.read()
        return self._connections


@contextmanager
def counting(proxies: list[Proxy]) -> Iterator[Calls]:
    """Count what goes through these proxies inside the block."""
    for proxy in proxies:
        proxy.reset()
    calls = Calls(proxies)
    yield calls
    calls.finish()


class Lab:
    """The running lab of this instance; LabError if there is none."""

    def __init__(self) -> None:
        if not FACTS.exists():
            raise LabError("there is no lab: run `python -m tests.lab up` (and set CROSSVIRT_LAB as for it)")
        self.facts: dict[str, Any] = json.loads(FACTS.read_text())
        self.hosts = {name: Host(name, NUMBERS[name]) for name in self.facts["hosts"]}
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
        return run("virsh", "-c", self.hosts[host].unix_uri, "-q", *argv).strip()

    def outside(self, host: str, path: str) -> Path:
        """Find a file of a host's pool as this process sees it; `path` is what libvirt on the host calls it."""
        for pool in self.facts["hosts"][host]["pools"].values():
            if Path(path).is_relative_to(pool["path"]):
                return Path(pool["outside"]) / Path(path).relative_to(pool["path"])
        raise LabError(f"{path} is in no pool of {host}")

    def agent(self, host: str, vm_name: str, command: str, **arguments: Any) -> Any:
        """Ask the guest's agent; libvirt's error if it does not answer within 5 s."""
        connection = libvirt.open(self.hosts[host].unix_uri)
        try:
            domain = connection.lookupByName(vm_name)
            request = json.dumps({"execute": command, "arguments": arguments})
            return json.loads(libvirt_qemu.qemuAgentCommand(domain, request, 5, 0))["return"]
        finally:
            connection.close()

    def wait_for_agent(self, host: str, vm_name: str, timeout_seconds: float = 30) -> float:
        """Seconds until the guest's agent answers."""
        started = time.monotonic()
        while True:
            try:
                self.agent(host, vm_name, "guest-ping")
                return time.monotonic() - started
            except libvirt.libvirtError:
                if time.monotonic() - started > timeout_seconds:
                    raise
                time.sleep(0.1)

    def guest_exec(self, host: str, vm_name: str, *argv: str, timeout_seconds: float = 20) -> str:
        """Run a program in the guest: both its outputs, stripped; LabError if it fails."""
        order = {"path": argv[0], "arg": list(argv[1:]), "capture-output": True}
        pid = self.agent(host, vm_name, "guest-exec", **order)["pid"]
        deadline = time.monotonic() + timeout_seconds
        while not (status := self.agent(host, vm_name, "guest-exec-status", pid=pid))["exited"]:
            if time.monotonic() > deadline:
                raise LabError(f"{argv} still runs in {vm_name}")
            time.sleep(0.1)
        output = (
            b"".join(base64.b64decode(status.get(stream, "")) for stream in ("out-data", "err-data")).decode().strip()
        )
        if status.get("exitcode"):
            raise LabError(f"{argv} in {vm_name}: {output}")
        return output

    def kill_libvirtd(self, host: str) -> None:
        """As a crash: SIGKILL; guests go on."""
        self.hosts[host].stop_libvirtd(signal.SIGKILL)

    def start_libvirtd(self, host: str) -> None:
        """After kill_libvirtd; returns when it answers."""
        self.hosts[host].start_libvirtd()

    def restart_libvirtd(self, host: str) -> None:
        """As an administrator does it."""
        self.hosts[host].stop_libvirtd()
        self.hosts[host].start_libvirtd()

    def kill_qemu(self, host: str, vm_name: str) -> None:
        """As a crash of the VM; libvirt notices within two seconds."""
        pid_file = self.hosts[host].folder / f"run/libvirt/qemu/{vm_name}.pid"
        os.kill(int(pid_file.read_text()), signal.SIGKILL)

    @contextmanager
    def cut_off(self, host: str) -> Iterator[None]:
        """Pull a host's cable for the length of the block; the unix sockets of witnesses work on."""
        network.cut(host)
        try:
            yield
        finally:
            network.heal(host)

    def proxy(self, host: str) -> Proxy:
        """Give orders to the proxy of `<host>-proxy`; `lab-proxy` goes through those of all hosts but the fleet's."""
        return Proxy(self.hosts[host].proxy_control)

    def counting(self) -> AbstractContextManager[Calls]:
        """Count what goes through all proxies inside the block."""
        return counting([self.proxy(host) for host in self.hosts])
