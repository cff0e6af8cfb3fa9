# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders to a simulator's control port: counting, faults, delays, sessions, and what happens to VMs and hosts."""

import json
import urllib.request
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.lab.vsphere import methods


@dataclass(frozen=True)
class Rule:
    """Which calls go wrong, and how; an empty condition fits all, and count 0 never wears out.

    One of: `fault`, a vSphere type with the fields `detail`, of the call or with `task` of its task; `http`, a status;
    `drop`, the connection ends "before" or "after" the call is done; `hang`, no answer until the rules are replaced.
    """

    method: str = ""
    type: str = ""
    object: str = ""
    skip: int = 0
    count: int = 0
    delay_seconds: float = 0
    fault: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    task: bool = False
    http: int = 0
    drop: str = ""
    hang: bool = False

    def wire(self) -> dict[str, Any]:
        """Describe it as the simulator reads it."""
        words = asdict(self)
        words["delay"] = milliseconds(words.pop("delay_seconds"))
        return words


@dataclass(frozen=True)
class Calls:
    """What came in since the last reset: SOAP calls by method, REST calls by "POST /rest/...", connections."""

    soap: dict[str, int]
    rest: dict[str, int]
    connections: int

    @property
    def total(self) -> int:
        """All calls, those of logging in and out included."""
        return sum(self.soap.values()) + sum(self.rest.values())

    @property
    def writes(self) -> dict[str, int]:
        """Calls that may change something; empty is what check mode promises."""
        return {name: count for name, count in {**self.soap, **self.rest}.items() if methods.writes(name)}


class Control:
    """One simulator's control port, at host:port."""

    def __init__(self, address: str) -> None:
        self.address = address

    def calls(self) -> Calls:
        """Read the counters."""
        return Calls(**self._ask("GET", "/calls"))

    def writes(self) -> dict[str, int]:
        """Read the counters of calls that may change something."""
        return self.calls().writes

    def reset(self) -> None:
        """Count from zero."""
        self._ask("POST", "/reset")

    def sessions(self) -> list[dict[str, str]]:
        """List open sessions: `kind` (soap or rest), `key`, `user`."""
        found: list[dict[str, str]] = self._ask("GET", "/sessions")
        return found

    def end_sessions(self) -> int:
        """End all SOAP sessions, as time or an administrator does; return how many there were."""
        ended: int = self._ask("DELETE", "/sessions")
        return ended

    def faults(self, *rules: Rule) -> None:
        """Let these rules hold instead of those before; what hangs is let go. Without any all is well."""
        self._ask("POST", "/faults", [rule.wire() for rule in rules])

    def hits(self) -> list[int]:
        """Say how often each rule was applied."""
        found: list[int] = self._ask("GET", "/hits")
        return found

    def delays(self, call_seconds: float = 0, task_seconds: float = 0, **methods_seconds: float) -> None:
        """Let calls and tasks last; by name `PowerOnVM_Task` is a call, and `PowerOnVM` its task."""
        each = {name: milliseconds(seconds) for name, seconds in methods_seconds.items()}
        self._ask(
            "POST", "/delays", {"call": milliseconds(call_seconds), "task": milliseconds(task_seconds), "method": each}
        )

    def guest(self, vm: str, kind: str) -> None:
        """Install another guest in a VM, and start it if the VM runs: "tools", "deaf" (hears no shutdown) or "none"."""
        self._ask("POST", "/vm", {"name": vm, "guest": kind})

    def addresses(self, vm: str, addresses: list[str]) -> None:
        """Give a guest a host name, running Tools and these addresses now."""
        self._ask("POST", "/vm", {"name": vm, "addresses": addresses})

    def question(self, vm: str, text: str) -> None:
        """Let a VM ask something now, with the answers "ok" and "cancel"; an empty text takes it back.

        A VM with the extraConfig `lab.question` asks whenever it is powered on.
        """
        self._ask("POST", "/vm", {"name": vm, "question": text})

    def needs_consolidation(self, vm: str, *, needed: bool = True) -> None:
        """Let disks be left over from a snapshot."""
        self._ask("POST", "/vm", {"name": vm, "consolidation": needed})

    def connect_vm(self, vm: str, *, connected: bool) -> None:
        """Let the vCenter lose sight of a VM, or find it again."""
        self._ask("POST", "/vm", {"name": vm, "connected": connected})

    def connect_host(self, host: str, *, connected: bool) -> None:
        """Let the vCenter lose a host with all its VMs, or find it again."""
        self._ask("POST", "/host", {"name": host, "connected": connected})

    def maintenance(self, host: str, *, on: bool) -> None:
        """Put a host into maintenance mode at once, whatever runs there."""
        self._ask("POST", "/host", {"name": host, "maintenance": on})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address}{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)


def milliseconds(seconds: float) -> int:
    """Round to what the simulator counts in."""
    return round(seconds * 1000)
