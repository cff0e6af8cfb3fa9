# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reference hypervisor holds: hosts, VMs, volumes and snapshots in memory, and the knobs that tests turn."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, RLock
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability, Operation
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import Ambiguous, Busy, Cancelled, NotFound
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import (
    Address,
    Config,
    Disk,
    Guest,
    Host,
    Network,
    Nic,
    Part,
    PowerState,
    Snapshot,
    Storage,
    Vm,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.support.workers import start

GIB = 1024**3
MUTATORS = frozenset({"start", "stop", "create", "delete", *(one.value for one in Capability)})


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
    password: str | None = None
    connect_error: Exception | None = None
    connect_seconds: float = 0
    read_seconds: float = 0
    close_seconds: float = 0

    def host(self) -> Host:
        """Return it as the model has it."""
        return Host(
            name=self.name, id=self.name, state="up", cpus=16, memory_bytes=64 * GIB, memory_free_bytes=48 * GIB
        )

    def storage(self) -> list[Storage]:
        """Return where its disks live."""
        return [
            Storage(
                name=name,
                id=name,
                kind="dir",
                active=True,
                capacity_bytes=1024 * GIB,
                free_bytes=512 * GIB,
                hosts=(self.name,),
            )
            for name in self.volumes
        ]

    def nets(self) -> list[Network]:
        """Return what its NICs are plugged into."""
        return [Network(name=name, id=name, kind="nat", active=True, hosts=(self.name,)) for name in self.networks]


class World:
    """All hosts and their VMs; `calls` are the names of the driver's methods in the order they were called."""

    def __init__(self, *hosts: str) -> None:
        self.lock = RLock()
        self.sites = {name: Site(name, name) for name in hosts or ("kvm1", "kvm2")}
        self.machines: list[Machine] = []
        self.calls: list[str] = []
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.guest_seconds = 0.0  # how long a guest takes to boot, and to shut down
        self.fail_create: Exception | None = None
        self.under_way = self.peak = 0  # tasks at the same time, now and at most

    @property
    def writes(self) -> list[str]:
        """The calls that change something."""
        return [one for one in self.calls if one in MUTATORS]

    @property
    def reads(self) -> list[str]:
        """The calls that only look at VMs."""
        return [one for one in self.calls if one in ("find_vms", "get_vms")]

    def add(self, name: str, host: str | None = None, state: str = "stopped", **facts: Any) -> Machine:
        """Put a VM there, with one disk unless `drives` are given."""
        where = host or next(iter(self.sites))
        uuid = str(facts.pop("uuid", uuid5(NAMESPACE_DNS, name)))
        vm_id = str(facts.pop("id", uuid))
        if "drives" not in facts:
            self.sites[where].volumes["default"][f"{name}.qcow2"] = Volume(10 * GIB, f"disk of {name}")
            facts["drives"] = [Drive("default", f"{name}.qcow2")]
        machine = Machine(name, where, uuid, vm_id, PowerState(state), **facts)
        self.machines.append(machine)
        return machine

    def machine(self, name: str) -> Machine:
        """Return the first VM of a name."""
        return next(one for one in self.machines if one.name == name)

    def volume(self, machine: Machine, drive: Drive) -> Volume:
        """Return what a drive is made of."""
        return self.sites[machine.host].volumes[drive.storage][drive.volume]

    def content(self, machine: Machine) -> dict[str, str]:
        """Return what the disks hold, by volume."""
        return {drive.volume: self.volume(machine, drive).data for drive in machine.drives}

    def snap(self, machine: Machine, name: str, description: str = "", consistency: str = "crash") -> Taken:
        """Take a snapshot below the current one."""
        ids = {one.id for one in machine.snapshots}
        awake = machine.state in (PowerState.RUNNING, PowerState.PAUSED)
        taken = Taken(
            id=next(one for one in (name, *(f"{name}-{n}" for n in range(2, len(ids) + 3))) if one not in ids),
            name=name,
            parent=machine.current,
            state=machine.state if awake and consistency == "memory" else PowerState.STOPPED,
            disks=self.content(machine),
            memory=machine.memory if consistency == "memory" else "",
            description=description,
            consistency=consistency,
            created=datetime.now(UTC).isoformat(),
        )
        machine.snapshots.append(taken)
        machine.current = taken.id
        return taken

    def now(self) -> list[Machine]:
        """Return the VMs that are there now, those off whose guests have shut down since."""
        for machine in list(self.machines):
            if machine.off_at is not None and time.monotonic() >= machine.off_at:
                self.off(machine)
        return self.machines

    def off(self, machine: Machine) -> None:
        """Turn a VM off; one that is transient is gone then."""
        machine.state, machine.off_at, machine.memory = PowerState.STOPPED, None, ""
        if machine.transient:
            self.machines.remove(machine)

    def vm(self, machine: Machine, parts: set[Part]) -> Vm:
        """Return a VM as it reads now, with these parts."""
        state = machine.state
        if machine.task or machine.changing_reads:
            state, machine.changing_reads = PowerState.CHANGING, max(machine.changing_reads - 1, 0)
        same = {
            key: getattr(machine, key)
            for key in Vm.__dataclass_fields__
            if key not in {*Part, "state"} and hasattr(machine, key)
        }
        gathered = {part.value: read(machine) for part, read in self.readers().items() if part in parts}
        if {Part.DISKS, Part.DISK_USERS} <= parts:
            gathered[Part.DISKS.value] = self.disks(machine, with_users=True)
        return Vm(state=state, **same, **gathered)

    def readers(self) -> dict[Part, Callable[[Machine], Any]]:
        """Return how each part is read."""
        return {
            Part.LABELS: lambda machine: machine.labels,
            Part.CONFIG: lambda machine: machine.config,
            Part.DISKS: lambda machine: self.disks(machine, with_users=False),
            Part.NICS: lambda machine: tuple(machine.nics),
            Part.SNAPSHOTS: lambda machine: machine.tree(),
            Part.GUEST: self.guest,
            Part.LIMITS: self.limits,
            Part.BELONGINGS: self.belongings,
        }

    def disks(self, machine: Machine, *, with_users: bool) -> tuple[Disk, ...]:
        """Return the disks, if wanted with the names of other VMs that use or build on them."""
        return tuple(
            Disk(
                volume=drive.volume,
                storage=drive.storage,
                size_bytes=self.volume(machine, drive).size_bytes,
                bus=drive.bus,
                provisioning="thin",
                users=self.users(machine, drive) if with_users else None,
            )
            for drive in machine.drives
        )

    def users(self, machine: Machine, drive: Drive) -> tuple[str, ...]:
        """Return which other VMs use or build on a drive's volume."""
        return tuple(
            other.name
            for other in self.machines
            if other is not machine and other.host == machine.host
            for theirs in other.drives
            if drive.volume in (theirs.volume, self.volume(other, theirs).backing)
        )

    def guest(self, machine: Machine) -> Guest:
        """Return what the guest says of itself."""
        if not machine.awake:
            return Guest(reachable=False)
        return Guest(
            reachable=True,
            hostname=machine.name,
            os="Memory OS",
            addresses=tuple(Address(address=one, nic="eth0") for one in machine.addresses),
        )

    def limits(self, machine: Machine) -> dict[str, str]:
        """Return why this VM cannot."""
        reasons = {} if machine.hears else {Capability.SHUTDOWN.value: "it has neither agent nor power button"}
        return reasons if machine.awake else reasons | {"filesystem": "its guest agent does not answer"}

    def belongings(self, machine: Machine) -> dict[str, tuple[str, ...]]:
        """Return what cannot stay without this VM."""
        snapshots = {"snapshots": tuple(one.name for one in machine.snapshots)} if machine.snapshots else {}
        saved = {"saved_state": ("its memory",)} if machine.state is PowerState.SUSPENDED else {}
        return snapshots | saved

    def begin(self, machine: Machine, method: str, work: Callable[[], str | None]) -> Operation:
        """Run a native task: it takes its time, holds the VM meanwhile, and can be aborted until it is done."""
        if method in machine.rejects:
            raise machine.rejects[method]
        with self.lock:
            if machine.task:
                raise Busy(f"{machine.name} is held by {machine.task}")
            machine.task = method
            self.under_way += 1
            self.peak = max(self.peak, self.under_way)
        operation, aborted = Operation(), Event()

        def task() -> str | None:
            try:
                if aborted.wait(machine.seconds.get(method, self.seconds[method])):
                    raise Cancelled(f"{method} of {machine.name} was aborted")
                if method in machine.errors:
                    raise machine.errors[method]
                with self.lock:
                    return work()
            finally:
                with self.lock:
                    machine.task = None
                    self.under_way -= 1

        operation.abort = None if machine.stubborn else aborted.set
        start(operation, task)
        return operation
