# SPDX-License-Identifier: GPL-3.0-or-later
"""What the suite needs to know of a backend to test it: how to connect, make VMs, ask a witness, and count writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.registry import OpenDriver

from tests.unit.harness import Result, run

PREFIX = "conf-"


@dataclass(frozen=True)
class Start:
    """How a VM is when a test begins.

    `kind`: `empty` has no system on its disk, or one that does not obey, `guest` one that shuts down when asked,
    `agent` one that also answers, `deaf` nothing to ask it by.
    `snapshots` are names, each below the one before. `shared` is whether its disk is on storage that all hosts see.
    """

    state: str = "stopped"
    kind: str = "empty"
    snapshots: tuple[str, ...] = ()
    shared: bool = False

    def __str__(self) -> str:
        return "-".join((self.kind, self.state, *(("shared",) if self.shared else ()), *self.snapshots))


class Bed(ABC):
    """One backend under test; names of VMs are those that `vm` returned."""

    name: ClassVar[str]
    column: ClassVar[str | None]  # of the page's table of capabilities
    played_by: ClassVar[str | None] = None  # what only behaves like the hypervisor that it names
    drivers: OpenDriver | None = None  # instead of the registry's
    hosts: tuple[str, ...]
    patience_seconds: ClassVar[float] = 30  # how long one change may take
    labels: ClassVar[dict[str, list[str]]] = {"role": ["web", "x"], "n": ["1"]}  # what a VM can carry
    _names = 0

    @abstractmethod
    def hypervisor(self, host: str | None = None) -> dict[str, Any]:
        """Return the `hypervisor` option that leads to all hosts, or to one."""

    @abstractmethod
    def connect(self, host: str) -> Driver:
        """Return a driver that is connected to a host."""

    @abstractmethod
    def vm(self, start: Start, host: str | None = None) -> str:
        """Return the name of a VM that is as described, of the one host or the first.

        A bed that cannot make it skips the test with the reason.
        """

    def traveller(self, start: Start) -> str:
        """Return the name of a VM of the first host that may move: nobody else gets it."""
        return self.vm(start)

    def sightings(self, vm: str) -> dict[str, str]:
        """Ask the witness which hosts have a VM, and in which state each of them has it."""
        return {self.words()["host"]: self.state(vm)} if self.exists(vm) else {}

    @abstractmethod
    def exists(self, vm: str) -> bool:
        """Ask the witness whether there is a VM of this name."""

    @abstractmethod
    def state(self, vm: str) -> str:
        """Ask the witness for a VM's state, in our words."""

    @abstractmethod
    def snapshots(self, vm: str) -> list[list[str]]:
        """Ask the witness for the paths of a VM's snapshots, sorted."""

    @abstractmethod
    def write(self, vm: str, text: str) -> None:
        """Change what the VM's disk holds, from inside where it has a guest that runs."""

    @abstractmethod
    def content(self, vm: str) -> str:
        """Return a hash of what the disk holds now; of a guest that runs, of what `write` changes, as it sees it."""

    @abstractmethod
    def content_of_image(self) -> str:
        """Return the same of the image that $volume means."""

    @abstractmethod
    def words(self) -> dict[str, str]:
        """Return what cases call $host, $storage, $volume (an image there) and $network."""

    def road(self) -> dict[str, str]:
        """Return what cases call $target (another host), $fast (another storage) and $lan (another network there)."""
        return {"target": "elsewhere", "fast": "elsewhere", "lan": "elsewhere"}

    def abroad(self) -> dict[str, str]:
        """Return what `target` needs besides its connection, to name a place at the second of `hosts`."""
        return {}

    @abstractmethod
    def in_maintenance(self, host: str) -> bool:
        """Ask the witness whether a host takes no VMs."""

    @abstractmethod
    def volumes(self) -> set[str]:
        """Ask the witness for the names of all volumes of all hosts."""

    @abstractmethod
    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        """Put what was written meanwhile into the list, once the block has ended."""
        yield []

    @abstractmethod
    def forget(self, vm: str) -> None:
        """Remove a VM that a test made, with all it has; harmless when it is gone."""

    @abstractmethod
    def close(self) -> None:
        """Remove all that was made."""

    def free_name(self) -> str:
        """Return a name that no VM has had yet."""
        self._names += 1
        return f"{PREFIX}new-{self._names}"

    def run(self, module: str, options: dict[str, Any], *, check_mode: bool = False) -> Result:
        """Run a module against all hosts of this backend."""
        given = {"hypervisor": self.hypervisor(), **options}
        return run(module, given, check_mode=check_mode, drivers=self.drivers)
