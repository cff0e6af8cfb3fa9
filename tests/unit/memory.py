# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference driver: a hypervisor in memory that can everything, and refuses wrong states as a real one does."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Self
from uuid import uuid4

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability, Driver, Operation
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    AlreadyExists,
    AuthenticationFailed,
    ConnectionFailed,
    CrossvirtError,
    InvalidOption,
    InvalidState,
    NotFound,
    Unsupported,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import (
    About,
    CloneSpec,
    Config,
    Departure,
    Draft,
    Host,
    ImageSpec,
    Move,
    MoveSpec,
    Network,
    Nic,
    Part,
    PowerState,
    Selection,
    SnapshotKind,
    Storage,
    Vm,
    VmSpec,
    Wanted,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Volume as Planned

from tests.unit.machines import Drive, Machine, Site, Volume
from tests.unit.moving import Leaving, Mover, Way
from tests.unit.receiving import receive
from tests.unit.world import World

RUNNING, STOPPED, PAUSED = PowerState.RUNNING, PowerState.STOPPED, PowerState.PAUSED
SUSPENDED, CRASHED = PowerState.SUSPENDED, PowerState.CRASHED


class MemoryDriver(Driver):
    """One host of a world; `drivers_of` binds it to one."""

    backend = "memory"
    world: ClassVar[World]

    def __init__(self, site: Site) -> None:
        self.site, self.host, self.restarts = site, site.name, site.restarts

    @classmethod
    def connect(cls, settings: dict[str, Any], host: str) -> Self:
        """Connect to a host of the world by its name."""
        cls.world.calls.append("connect")
        if host not in cls.world.sites:
            raise ConnectionFailed(f"{host}: there is no such host")
        site = cls.world.sites[host]
        time.sleep(site.connect_seconds)
        if site.down:
            raise ConnectionFailed(f"{host} is down")
        if site.connect_error:
            raise site.connect_error
        if site.password and settings.get("password") != site.password:
            raise AuthenticationFailed(f"{host}: the password is wrong")
        cls.world.sessions += 1
        return cls(site)

    def close(self) -> None:
        """Log out."""
        time.sleep(self.site.close_seconds)
        self.world.calls.append("close")
        self.world.sessions -= 1

    def hang_up(self) -> None:
        """Only say so."""
        self.world.calls.append("hang_up")

    @property
    def identity(self) -> str:
        """The host's name, or that of its pool."""
        return self.site.identity

    def about(self) -> About:
        """Say who this is."""
        return About(product="memory", version="1.0", host=self.host, encrypted=True)

    def find_vms(self, wanted: Wanted, gather: Collection[Part] = ()) -> list[Vm]:
        """Look at all VMs of the host, or of its pool."""
        if not isinstance(wanted, Selection) and any(ref.key == "path" for ref in wanted):
            raise Unsupported("there are no paths here")
        parts = {*gather, *((Part.LABELS,) if isinstance(wanted, Selection) and wanted.labels else ())}
        return [vm for vm in self._read("find_vms", parts) if matches(wanted, vm)]

    def get_vms(self, ids: Collection[str], gather: Collection[Part] = ()) -> dict[str, Vm]:
        """Look at all VMs and keep these."""
        return {vm.id: vm for vm in self._read("get_vms", {*gather}) if vm.id in ids}

    def list_hosts(self) -> list[Host]:
        """Return the host, or those of its pool."""
        self._call("list_hosts")
        return [site.host() for site in self.world.sites.values() if site.identity == self.identity]

    def list_storage(self) -> list[Storage]:
        """Return its storage."""
        return self.site.storage()

    def list_networks(self) -> list[Network]:
        """Return its networks."""
        return self.site.nets()

    def refuses(self, capability: Capability, vm: Vm | None = None, **arguments: Any) -> str | None:
        """Add what a transient VM cannot."""
        reason = super().refuses(capability, vm, **arguments)
        if reason or vm is None:
            return reason
        if capability is Capability.SUSPEND and vm.transient:
            return f"{vm.name} is transient, and would be gone"
        return None

    def start(self, vm_id: str) -> Operation:
        """Boot."""

        def boot(machine: Machine) -> None:
            self._enter(machine, RUNNING, {STOPPED})
            machine.memory = f"{machine.name} booted"
            machine.awake_at = time.monotonic() + self.world.guest_seconds

        return self._task("start", vm_id, boot, RUNNING)

    def stop(self, vm_id: str) -> Operation:
        """Pull the plug; a transient VM is gone then."""

        def off(machine: Machine) -> None:
            self._enter(machine, STOPPED, {RUNNING, PAUSED, CRASHED})
            self.world.off(machine)

        return self._task("stop", vm_id, off, STOPPED)

    def pause(self, vm_id: str) -> Operation:
        """Freeze."""
        return self._task("pause", vm_id, lambda machine: self._enter(machine, PAUSED, {RUNNING}), PAUSED)

    def resume(self, vm_id: str) -> Operation:
        """Go on."""
        states = {PAUSED, SUSPENDED}
        return self._task("resume", vm_id, lambda machine: self._enter(machine, RUNNING, states), RUNNING)

    def suspend(self, vm_id: str) -> Operation:
        """Save to disk."""
        states = {RUNNING, PAUSED}
        return self._task("suspend", vm_id, lambda machine: self._enter(machine, SUSPENDED, states), SUSPENDED)

    def discard_state(self, vm_id: str) -> Operation:
        """Forget the saved memory."""

        def forget(machine: Machine) -> None:
            self._enter(machine, STOPPED, {SUSPENDED})
            machine.memory = ""

        return self._task("discard_state", vm_id, forget, STOPPED)

    def reset(self, vm_id: str) -> Operation:
        """Boot again, whatever the guest thinks of it."""

        def press(machine: Machine) -> None:
            self._enter(machine, machine.state, {RUNNING, PAUSED})
            machine.memory = f"{machine.name} booted"

        return self._task("reset", vm_id, press)

    def shutdown(self, vm_id: str) -> Operation:
        """Ask the guest, which takes its time or does not listen."""

        def ask(machine: Machine) -> None:
            self._enter(machine, RUNNING, {RUNNING})
            if not machine.deaf:
                machine.off_at = time.monotonic() + self.world.guest_seconds

        return self._task("shutdown", vm_id, ask, STOPPED)

    def snapshot_kinds(self, vm: Vm, name: str) -> list[SnapshotKind]:
        """Offer one of each consistency, memory only where there is some, rest only where the guest can be told."""
        awake = vm.state in (RUNNING, PAUSED)
        restless = (vm.limits or {}).get("filesystem") if awake else None
        return [
            SnapshotKind(consistency="crash"),
            SnapshotKind(consistency="filesystem", refused=restless),
            SnapshotKind(consistency="memory", refused=None if awake else f"{vm.name} is {vm.state}"),
        ]

    def create_snapshot(self, vm_id: str, name: str, description: str, consistency: str, how: str) -> Operation:
        """Take one of exactly this consistency."""

        def take(machine: Machine) -> None:
            self.world.snap(machine, name, description, consistency)

        return self._task("create_snapshot", vm_id, take)

    def revert_snapshot(self, vm_id: str, snapshot_id: str) -> Operation:
        """Bring disks back, and memory if it was taken."""

        def revert(machine: Machine) -> None:
            taken = machine.taken(snapshot_id)
            for drive in machine.drives:
                self.world.volume(machine, drive).data = taken.disks[drive.volume]
            machine.state, machine.memory, machine.current = taken.state, taken.memory, taken.id

        return self._task("revert_snapshot", vm_id, revert)

    def delete_snapshot(self, vm_id: str, snapshot_id: str) -> Operation:
        """Forget one; what hung below it hangs below its parent then. Harmless when it is gone."""

        def forget(machine: Machine) -> None:
            taken = next((one for one in machine.snapshots if one.id == snapshot_id), None)
            if taken is None:
                return
            machine.snapshots.remove(taken)
            for one in machine.snapshots:
                one.parent = taken.parent if one.parent == taken.id else one.parent
            machine.current = taken.parent if machine.current == taken.id else machine.current

        return self._task("delete_snapshot", vm_id, forget)

    def draft(self, specs: Sequence[tuple[VmSpec, CloneSpec | None]]) -> list[Draft | CrossvirtError]:
        """Work out creations."""
        if reason := self.site.closed():
            return [InvalidState(reason) for _one in specs]
        drafts: list[Draft | CrossvirtError] = []
        for spec, clone in specs:
            try:
                drafts.append(self._draft_clone(spec, clone) if clone else self._draft(spec))
            except CrossvirtError as error:
                drafts.append(error)
        return drafts

    def create(self, draft: Draft) -> Operation:
        """Make volumes and the VM."""

        def make(machine: Machine) -> str:
            disks = draft.spec.disks or ()
            for planned, disk in zip(draft.volumes, disks, strict=True):
                data = self._image(disk.image).data if disk.image else ""
                self._add_volume(machine, planned, Volume(planned.size_bytes or 0, data), disk.bus)
            return self._register(machine)

        return self._make("create", draft, make)

    def clone(self, draft: Draft) -> Operation:
        """Copy the volumes, or build on them, and make the VM."""

        def make(machine: Machine) -> str:
            assert draft.clone
            source = self._machine(draft.clone.source_id)
            taken = source.taken_as(draft.clone.snapshot) if draft.clone.snapshot else None
            for planned, drive in zip(draft.volumes, source.drives, strict=True):
                theirs = self.world.volume(source, drive)
                data = taken.disks[drive.volume] if taken else theirs.data
                backing = drive.volume if draft.clone.linked else None
                self._add_volume(machine, planned, Volume(theirs.size_bytes, data, backing), drive.bus)
            return self._register(machine)

        return self._make("clone", draft, make)

    def delete(self, vm_id: str, remove: Collection[str]) -> Operation:
        """Forget a VM that is off."""

        def forget(machine: Machine) -> None:
            if machine.state not in (STOPPED, SUSPENDED):
                raise InvalidState(f"{machine.name} is {machine.state}")
            if machine.snapshots and "snapshots" not in remove:
                raise InvalidState(f"{machine.name} has snapshots")
            if machine.state is SUSPENDED and "saved_state" not in remove:
                raise InvalidState(f"{machine.name} has saved memory")
            self.world.machines.remove(machine)
            for drive in machine.drives if "disks" in remove else ():
                del self.site.volumes[drive.storage][drive.volume]

        return self._task("delete", vm_id, forget)

    def depart(self, vms: Sequence[Vm]) -> list[Departure]:
        """Name the VMs that leave."""
        self._call("depart")
        return [
            Leaving(
                vm=vm, machine=next((one for one in self._machines() if (one.id, one.host) == (vm.id, vm.host)), None)
            )
            for vm in vms
        ]

    def receive(
        self, arrivals: Sequence[tuple[Departure, MoveSpec]], sources: Sequence[Driver]
    ) -> list[Move | CrossvirtError]:
        """Look at all that must fit."""
        self._call("receive")
        leaving = [(departure, spec) for departure, spec in arrivals if isinstance(departure, Leaving)]
        with self.world.lock:
            return [*receive(self.world, self.site, leaving, {self.identity, *(one.identity for one in sources)})]

    def migrate(self, vm_id: str, move: Move) -> Operation:
        """Finish or take back what an interrupted move left, then move."""
        self._call("migrate")
        assert isinstance(move, Way)
        return Mover(self.world, self._machine(vm_id), move).begin()

    def enter_maintenance(self, host_id: str) -> Operation:
        """Close a host."""
        return self._maintenance("enter_maintenance", host_id, on=True)

    def exit_maintenance(self, host_id: str) -> Operation:
        """Open it again."""
        return self._maintenance("exit_maintenance", host_id, on=False)

    def _maintenance(self, method: str, host_id: str, *, on: bool) -> Operation:
        self._call(method)
        self.world.sites[host_id].maintenance = on
        return Operation.ended()

    def _call(self, name: str) -> None:
        self.world.calls.append(name)
        if self.restarts != self.site.restarts:
            raise ConnectionFailed(f"the connection to {self.host} is lost")

    def _read(self, call: str, parts: set[Part]) -> list[Vm]:
        self._call(call)
        time.sleep(self.site.read_seconds)
        with self.world.lock:
            return [self.world.vm(machine, parts) for machine in self._machines()]

    def _machines(self) -> list[Machine]:
        sites = self.world.sites
        return [one for one in self.world.now() if sites[one.host].identity == self.identity]

    def _machine(self, vm_id: str) -> Machine:
        for machine in self._machines():
            if machine.id == vm_id:
                return machine
        raise NotFound(f"there is no VM {vm_id}")

    def _enter(self, machine: Machine, state: PowerState, allowed: set[PowerState]) -> None:
        if machine.state not in allowed:
            raise InvalidState(f"{machine.name} is {machine.state}")
        machine.state = state

    def _task(
        self, method: str, vm_id: str, work: Callable[[Machine], str | None], goal: PowerState | None = None
    ) -> Operation:
        self._call(method)
        machine = self._machine(vm_id)
        return self.world.begin(machine, method, lambda: None if machine.state is goal else work(machine))

    def _make(self, method: str, draft: Draft, work: Callable[[Machine], str]) -> Operation:
        self.world.calls.append(method)
        spec = draft.spec
        assert spec.name
        uuid = str(uuid4())
        machine = Machine(
            spec.name,
            str(draft.host),
            uuid,
            uuid,
            cpus=spec.cpus or 1,
            memory_bytes=spec.memory_bytes or 0,
            labels=spec.labels or {},
            config=Config(
                guest_os=spec.guest_os,
                notes=spec.notes or "",
                firmware=spec.firmware or "bios",
                secure_boot=bool(spec.secure_boot),
            ),
            nics=[
                Nic(network=nic.network, mac=nic.mac or new_mac(), model=nic.model or "auto") for nic in spec.nics or ()
            ],
        )
        if self.world.fail_create:
            machine.errors[method] = self.world.fail_create
        return self.world.begin(machine, method, lambda: work(machine))

    def _register(self, machine: Machine) -> str:
        self.world.machines.append(machine)
        return machine.id

    def _add_volume(self, machine: Machine, planned: Planned, volume: Volume, bus: str | None) -> None:
        self.site.volumes[planned.storage][planned.volume] = volume
        machine.drives.append(Drive(planned.storage, planned.volume, "virtio" if bus in (None, "auto") else str(bus)))

    def _draft(self, spec: VmSpec) -> Draft:
        self._check(spec)
        if spec.memory_bytes is None:
            raise InvalidOption("a new VM needs memory_bytes")
        volumes = []
        for number, disk in enumerate(spec.disks or ()):
            image = self._image(disk.image) if disk.image else None
            size = disk.size_bytes or (image.size_bytes if image else None)
            if size is None:
                raise InvalidOption("a disk without image needs size_bytes")
            if image and size < image.size_bytes:
                raise InvalidOption("size_bytes is smaller than the image")
            name = (disk.image.volume or disk.image.file) if disk.image else None
            volumes.append(self._planned(spec, number, disk.storage, size, image=name))
        return Draft(spec=replace(spec, cpus=spec.cpus or 1), host=self.host, volumes=tuple(volumes))

    def _draft_clone(self, spec: VmSpec, clone: CloneSpec) -> Draft:
        self._check(spec)
        source = self._machine(clone.source_id)
        if source.state is not STOPPED and clone.snapshot is None:
            raise InvalidState(f"the source {source.name} is {source.state}")
        if clone.snapshot:
            source.taken_as(clone.snapshot)
        settled = replace(
            spec,
            cpus=spec.cpus or source.cpus,
            memory_bytes=spec.memory_bytes or source.memory_bytes,
            labels=source.labels if spec.labels is None else spec.labels,
        )
        volumes = tuple(
            self._planned(spec, number, spec.storage or drive.storage, self.world.volume(source, drive).size_bytes)
            for number, drive in enumerate(source.drives)
        )
        return Draft(spec=settled, host=self.host, volumes=volumes, clone=clone)

    def _check(self, spec: VmSpec) -> None:
        if any(machine.name == spec.name for machine in self._machines()):
            raise AlreadyExists(f"there is a VM {spec.name}")
        taken = {nic.mac for machine in self._machines() for nic in machine.nics}
        for nic in spec.nics or ():
            if nic.mac in taken:
                raise AlreadyExists(f"the address {nic.mac} is in use")
            if nic.network not in (None, *self.site.networks):
                raise NotFound(f"there is no network {nic.network}")

    def _planned(
        self, spec: VmSpec, number: int, storage: str | None, size_bytes: int, *, image: str | None = None
    ) -> Planned:
        where = storage or spec.storage or "default"
        name = f"{spec.name}-{number}.qcow2"
        if where not in self.site.volumes:
            raise NotFound(f"there is no storage {where}")
        if name in self.site.volumes[where]:
            raise AlreadyExists(f"there is a volume {name}")
        return Planned(storage=where, volume=name, size_bytes=size_bytes, image=image)

    def _image(self, image: ImageSpec) -> Volume:
        if image.file:
            content = Path(image.file).read_bytes()
            if image.checksum and image.checksum != f"sha256:{sha256(content).hexdigest()}":
                raise InvalidOption(f"{image.file} does not add up to {image.checksum}")
            return Volume(len(content), content.decode())
        volumes = self.site.volumes.get(image.storage or "", {})
        if image.volume not in volumes:
            raise NotFound(f"there is no volume {image.volume} in {image.storage}")
        return volumes[image.volume]


def matches(wanted: Wanted, vm: Vm) -> bool:
    """Say whether a VM is one of those wanted."""
    return wanted.matches(vm) if isinstance(wanted, Selection) else any(ref.matches(vm) for ref in wanted)


def new_mac() -> str:
    """Return an address of its own range."""
    return ":".join(["52:54:00", *(uuid4().hex[at : at + 2] for at in (0, 2, 4))])


def drivers_of(world: World) -> Callable[[str], type[Driver]]:
    """Return what opens drivers onto this world, for the engine in the registry's place."""
    bound: type[Driver] = type("MemoryDriver", (MemoryDriver,), {"world": world})
    return lambda _backend: bound
