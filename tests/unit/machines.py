# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reference hypervisor is made of: hosts, VMs, volumes and snapshots, and the knobs that tests turn."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Operation
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import Ambiguous, NotFound
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import (
    Config,
    Host,
    Network,
    Nic,
    PowerState,
    Snapshot,
    Storage,
)

GIB = 1024**3


@dataclass
class Volume:
    """Something that disks are made of; `data` stands for its content."""

    size_bytes: int
    data: str = ""
    backing: str | None = None


@dataclass
class Drive:
    storage: str
    volume: str
    bus: str = "virtio"


@dataclass
class Taken:
    """A snapshot: what the disks held, and the memory if that was taken as well."""

    id: str
    name: str
    parent: str | None
    state: PowerState
    disks: dict[str, str]
    memory: str = ""
    description: str = ""
    consistency: str = "crash"
    created: str = ""


@dataclass
class Journey:
    """A move that was begun, as both hosts have written it down; `state` is that of the VM before.

    `copies` are drives at the source and at the target; from `whole` on the VM is the one at the target.
    """

    source: str
    target: str
    state: PowerState
    copies: list[tuple[Drive, Drive]]
    whole: bool = False


@dataclass
class Machine:
    """A VM, and how it is to behave."""

    name: str
    host: str
    uuid: str
    id: str
    state: PowerState = PowerState.STOPPED
    state_reason: str | None = None
    path: str | None = None
    cluster: str | None = None
    folder: str | None = None
    pool: str | None = None
    template: bool = False
    transient: bool = False
    cpus: int = 2
    memory_bytes: int = 2 * GIB
    labels: dict[str, list[str]] = field(default_factory=dict)
    config: Config = field(default_factory=Config)
    drives: list[Drive] = field(default_factory=list)
    nics: list[Nic] = field(default_factory=list)
    snapshots: list[Taken] = field(default_factory=list)
    current: str | None = None
    memory: str = ""

    deaf: bool = False  # it is asked to shut down, and does not
    hears: bool = True  # whether there is anything to ask it by
    agent: bool = True
    addresses: tuple[str, ...] = ("192.0.2.10",)
    changing_reads: int = 0  # it reads `changing` so many times
    errors: dict[str, Exception] = field(default_factory=dict)  # how operations end, by method
    rejects: dict[str, Exception] = field(default_factory=dict)  # what the call itself raises, by method
    seconds: dict[str, float] = field(default_factory=dict)  # how long a task takes, by method
    off_at: float | None = None
    awake_at: float = 0
    stubborn: bool = False  # its tasks cannot be aborted
    task: str | None = None
    operation: Operation | None = None
    cpu: str = "any"
    bound: str | None = None  # what ties it to its host
    journey: Journey | None = None
    at: dict[str, Callable[[], object]] = field(default_factory=dict)  # what happens at points of its move

    @property
    def awake(self) -> bool:
        """Whether the guest answers through its agent."""
        return self.agent and self.state is PowerState.RUNNING and time.monotonic() >= self.awake_at

    def taken(self, snapshot_id: str) -> Taken:
        """Return a snapshot; raises NotFound."""
        for one in self.snapshots:
            if one.id == snapshot_id:
                return one
        raise NotFound(f"{self.name} has no snapshot {snapshot_id}")

    def taken_as(self, name: str) -> Taken:
        """Return the only snapshot of a name; raises NotFound or Ambiguous."""
        found = [one for one in self.snapshots if one.name == name]
        if len(found) > 1:
            raise Ambiguous(f"{self.name} has {len(found)} snapshots called {name}")
        return self.taken(found[0].id if found else name)

    def tree(self, parent: str | None = None) -> tuple[Snapshot, ...]:
        """Return the snapshots below one, as the model has them."""
        return tuple(
            Snapshot(
                id=one.id,
                name=one.name,
                description=one.description,
                created=one.created,
                state=one.state,
                current=one.id == self.current,
                consistency=one.consistency,
                children=self.tree(one.id),
            )
            for one in self.snapshots
            if one.parent == parent
        )


@dataclass
class Site:
    """A host, and how it is to behave."""

    name: str
    identity: str
    volumes: dict[str, dict[str, Volume]] = field(default_factory=lambda: {"default": {}})
    networks: tuple[str, ...] = ("default",)
    cpus: tuple[str, ...] = ("any",)
    memory_free_bytes: int = 48 * GIB
    free_bytes: int = 512 * GIB  # of each storage
    encrypts: bool = True
    password: str | None = None
    connect_error: Exception | None = None
    connect_seconds: float = 0
    read_seconds: float = 0
    close_seconds: float = 0
    restarts: int = 0  # each ends all connections
    maintenance: bool = False
    down: bool = False

    def restart(self, *, down: bool = False) -> None:
        """Lose all connections; while it is down no new one comes about."""
        self.restarts += 1
        self.down = down

    def host(self) -> Host:
        """Return it as the model has it."""
        return Host(
            name=self.name,
            id=self.name,
            state="maintenance" if self.maintenance else "up",
            cpus=16,
            memory_bytes=64 * GIB,
            memory_free_bytes=self.memory_free_bytes,
        )

    def closed(self) -> str | None:
        """Return why it takes no VMs."""
        return f"host {self.name} is in maintenance" if self.maintenance else None

    def storage(self) -> list[Storage]:
        """Return where its disks live."""
        return [
            Storage(
                name=name,
                id=name,
                kind="dir",
                active=True,
                capacity_bytes=1024 * GIB,
                free_bytes=self.free_bytes,
                hosts=(self.name,),
            )
            for name in self.volumes
        ]

    def nets(self) -> list[Network]:
        """Return what its NICs are plugged into."""
        return [Network(name=name, id=name, kind="nat", active=True, hosts=(self.name,)) for name in self.networks]
