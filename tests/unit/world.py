# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference hypervisor: its hosts and VMs, what is read of them, and how its tasks go."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, RLock
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability, Operation
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    Busy,
    Cancelled,
    ConnectionFailed,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import (
    Address,
    Disk,
    Guest,
    Part,
    PowerState,
    Progress,
    Vm,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.support.workers import start

from tests.unit.machines import GIB, Drive, Machine, Site, Taken, Volume

MUTATORS = frozenset({"start", "stop", "create", "delete", *(one.value for one in Capability)})


class World:
    """All hosts and their VMs; `calls` are the names of the driver's methods in the order they were called."""

    def __init__(self, *hosts: str) -> None:
        self.lock = RLock()
        self.sites = {name: Site(name, name) for name in hosts or ("kvm1", "kvm2")}
        self.machines: list[Machine] = []
        self.calls: list[str] = []
        self.sessions = 0  # that are open
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.guest_seconds = 0.0  # how long a guest takes to boot, and to shut down
        self.fail_create: Exception | None = None
        self.under_way = self.peak = 0  # tasks at the same time, now and at most
        self.moving: Counter[str] = Counter()  # moves to or from each host, now
        self.peaks: Counter[str] = Counter()  # and at most

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

    def share(self, storage: str, *hosts: str) -> None:
        """Let hosts, or all of them, see the same storage of this name."""
        where = hosts or tuple(self.sites)
        shared = self.sites[where[0]].volumes.setdefault(storage, {})
        for host in where:
            self.sites[host].volumes[storage] = shared

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
        if Part.PLACE in parts and (closed := self.sites[machine.host].closed()):
            asleep = ("resume",) if machine.state is PowerState.SUSPENDED else ()
            refused = dict.fromkeys(("start", "revert_snapshot", *asleep), closed)
            gathered["limits"] = gathered.get("limits", {}) | refused
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
            Part.PROGRESS: lambda machine: (machine.operation and machine.operation.progress) or Progress(),
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
            if other is not machine and other.uuid != machine.uuid
            for theirs in other.drives
            if self.sites[other.host].volumes[theirs.storage] is self.sites[machine.host].volumes[drive.storage]
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

    def begin(
        self,
        machine: Machine,
        method: str,
        work: Callable[[], str | None],
        *,
        before: Callable[[], object] | None = None,
        undo: Callable[[], object] | None = None,
        size_bytes: int | None = None,
    ) -> Operation:
        """Run a native task: it takes its time, holds the VM meanwhile, and can be aborted until it is done.

        `before` is done at once and `undo` when it fails, unless the connection does: then nobody takes anything back.
        """
        operation, aborted = self._hold(machine, method), Event()

        def task() -> str | None:
            try:
                with self.lock:
                    if before:
                        before()
                self._take_time(machine, method, aborted, size_bytes)
                if method in machine.errors:
                    raise machine.errors[method]
                with self.lock:
                    return work()
            except Exception as error:
                with self.lock:
                    if undo and not isinstance(error, ConnectionFailed):
                        undo()
                raise
            finally:
                self._let_go(machine)

        operation.abort = None if machine.stubborn else aborted.set
        start(operation, task)
        return operation

    def _hold(self, machine: Machine, method: str) -> Operation:
        """Keep other tasks off a VM; raises Busy, and what the VM rejects the method with."""
        if method in machine.rejects:
            raise machine.rejects[method]
        with self.lock:
            if machine.task:
                raise Busy(f"{machine.name} is held by {machine.task}")
            machine.task, machine.operation = method, Operation()
            self.under_way += 1
            self.peak = max(self.peak, self.under_way)
            return machine.operation

    def _let_go(self, machine: Machine) -> None:
        with self.lock:
            machine.task = machine.operation = None
            self.under_way -= 1

    def _take_time(self, machine: Machine, method: str, aborted: Event, size_bytes: int | None) -> None:
        """Let a task last, and tell how far it is where it has a size; raises Cancelled."""
        needed, begun = machine.seconds.get(method, self.seconds[method]), time.monotonic()
        while not aborted.is_set():
            passed = time.monotonic() - begun
            part = min(passed / needed, 1) if needed else 1
            if size_bytes and machine.operation:
                machine.operation.progress = Progress(
                    percent=round(100 * part, 1),
                    bytes_done=int(size_bytes * part),
                    bytes_total=size_bytes,
                    seconds=round(passed, 3),
                )
            if part >= 1:
                return
            aborted.wait(min(0.05, needed - passed) if size_bytes else needed)
        raise Cancelled(f"{method} of {machine.name} was aborted")
