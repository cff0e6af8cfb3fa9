# SPDX-License-Identifier: GPL-3.0-or-later
"""What every hypervisor has, in neutral words: frozen values that plans, drivers and reports share.

A part that was not gathered is None and left out of documents; a part that was gathered is never None.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, TypeAlias


class PowerState(StrEnum):
    """`crashed` still holds its resources, `changing` will end by itself, `unknown` must not be touched."""

    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    CRASHED = "crashed"
    CHANGING = "changing"
    UNKNOWN = "unknown"


class Part(StrEnum):
    """What reading a VM may gather beyond its base fields, because it costs more."""

    LABELS = "labels"
    CONFIG = "config"
    DISKS = "disks"
    NICS = "nics"
    SNAPSHOTS = "snapshots"
    GUEST = "guest"
    LIMITS = "limits"  # for planning only: what the driver needs to refuse by name
    DISK_USERS = "disk_users"  # for planning only: which other VMs use or build on the disks
    PROGRESS = "progress"
    BELONGINGS = "belongings"  # for planning only: what cannot stay without the VM
    PLACE = "place"  # for planning only: whether the host lets VMs begin to run; goes into the limits


PLANNING_ONLY = (Part.LIMITS, Part.DISK_USERS, Part.BELONGINGS, Part.PLACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One drive; `volume` is its name in `storage`, or its path where no storage holds it."""

    volume: str | None
    storage: str | None = None
    size_bytes: int | None = None
    bus: str = "auto"
    provisioning: str | None = None
    device: str = "disk"
    image: str | None = None  # what the content was copied from is not remembered by any hypervisor
    shared: bool = False
    read_only: bool = False
    users: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    network: str | None
    mac: str | None
    model: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    address: str
    nic: str | None = None
    mac: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """What the OS inside says of itself; `reachable` is whether it can be asked at all, now."""

    reachable: bool
    hostname: str | None = None
    os: str | None = None
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the definition says beyond sizes and devices."""

    guest_os: str | None = None
    notes: str = ""
    firmware: str = "bios"
    secure_boot: bool = False
    hardware: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`unrevertable` is the reason why this host could not go back to it."""

    id: str
    name: str
    description: str = ""
    created: str | None = None
    state: PowerState = PowerState.UNKNOWN
    current: bool = False
    consistency: str = "crash"
    unrevertable: str | None = None
    children: tuple[Snapshot, ...] = ()

    def walk(self) -> list[Snapshot]:
        """Return this snapshot and all below it, parents first."""
        return [self, *(below for child in self.children for below in child.walk())]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotKind:
    """One way to take a snapshot of a VM as it is now; `how` is a word of its driver's own, the others are reasons."""

    consistency: str
    how: str = ""
    unrevertable: str | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far long work is; None is what the hypervisor does not tell. `bytes_total` may grow while a guest writes."""

    percent: float | None = None
    bytes_done: int | None = None
    bytes_total: int | None = None
    bytes_per_second: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    name: str
    id: str
    uuid: str
    state: PowerState
    host: str
    state_reason: str | None = None
    path: str | None = None
    cluster: str | None = None
    folder: str | None = None
    pool: str | None = None
    template: bool = False
    transient: bool = False
    cpus: int | None = None
    memory_bytes: int | None = None
    labels: dict[str, list[str]] | None = None
    config: Config | None = None
    disks: tuple[Disk, ...] | None = None
    nics: tuple[Nic, ...] | None = None
    snapshots: tuple[Snapshot, ...] | None = None
    guest: Guest | None = None
    progress: Progress | None = None  # of a change that somebody began, as long as it lasts
    limits: dict[str, str] | None = None  # reasons why not, by action or by a key that only the driver understands
    belongings: dict[str, tuple[str, ...]] | None = None  # by the words of vm's `remove`, what there is, by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """`state` is up, maintenance or down."""

    name: str
    id: str
    state: str
    cpus: int
    memory_bytes: int
    memory_free_bytes: int | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    name: str
    id: str
    kind: str
    active: bool
    capacity_bytes: int
    free_bytes: int
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    name: str
    id: str
    kind: str
    active: bool
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Who answers at an endpoint."""

    product: str
    version: str
    host: str
    encrypted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """Content to copy: a volume that is already there, or a file where the module runs."""

    storage: str | None = None
    volume: str | None = None
    file: str | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpec:
    size_bytes: int | None = None
    storage: str | None = None
    bus: str | None = None
    provisioning: str | None = None
    image: ImageSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NicSpec:
    network: str | None = None
    mac: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmSpec:
    """What a VM should be; None means: not asked for."""

    name: str | None = None
    cpus: int | None = None
    memory_bytes: int | None = None
    firmware: str | None = None
    secure_boot: bool | None = None
    guest_os: str | None = None
    notes: str | None = None
    labels: dict[str, list[str]] | None = None
    host: str | None = None
    cluster: str | None = None
    folder: str | None = None
    pool: str | None = None
    storage: str | None = None
    disks: tuple[DiskSpec, ...] | None = None
    nics: tuple[NicSpec, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneSpec:
    """Where the copy comes from; `linked` builds on the source's disks instead of copying them."""

    source_id: str
    snapshot: str | None = None
    linked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume that a creation makes or a removal takes; `image` is what its content is copied from."""

    storage: str
    volume: str
    size_bytes: int | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A creation worked out by its driver, with nothing done yet: what will be made, with every default settled.

    `host` is None where the hypervisor chooses one itself, `storage` is that of files of the VM's own beside its disks.
    """

    spec: VmSpec
    host: str | None
    storage: str | None = None
    volumes: tuple[Volume, ...] = ()
    clone: CloneSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveSpec:
    """Where a VM is to be, and how it may get there; None means: as it is, or as the hypervisor chooses."""

    host: str | None = None
    cluster: str | None = None
    folder: str | None = None
    pool: str | None = None
    storage: str | None = None
    storage_map: dict[str, str] = field(default_factory=dict)
    network_map: dict[str, str] = field(default_factory=dict)
    name: str | None = None
    mode: str = "auto"
    copy_storage: str = "auto"
    encryption: str = "auto"
    bandwidth_bytes_per_second: int | None = None
    post_copy: bool = False
    auto_converge: bool = False

    def storage_for(self, now: str | None) -> str | None:
        """Return where a disk is to be that is in a storage now; one to which disks are mapped keeps what it has."""
        arrived = now if now in self.storage_map.values() else self.storage
        return self.storage_map.get(now or "", arrived)


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A VM about to move, as its target must know it; drivers add what they need, and why it cannot leave."""

    vm: Vm


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A move worked out by its driver, with nothing done yet.

    `after` is what will be read of the VM then, by the fields of vm_migrate's results, `copied` are the volumes that
    will be made; `needed` is False for a VM that is there already, with nothing left to tidy up; `unforeseen` are
    fields that the hypervisor itself settles, so that nobody knows them before; `warnings` is what it says that is no
    reason against the move; `settles` says that it also brings a VM to rest whose state a move left unknown.
    """

    spec: MoveSpec
    after: dict[str, Any]
    mode: str = "live"
    copied: tuple[Volume, ...] = ()
    needed: bool = True
    unforeseen: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    settles: bool = False


@dataclass(frozen=True, slots=True)
class Ref:
    """One VM as the user named it."""

    key: str
    value: str

    def matches(self, vm: Vm) -> bool:
        """Say whether this is the VM; uuids are compared without regard to case."""
        theirs = getattr(vm, self.key)
        return bool(self.value.lower() == theirs.lower() if self.key == "uuid" else self.value == theirs)

    def __str__(self) -> str:
        return f"{self.key} {self.value!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Every VM of which all of this holds; nothing given means every VM."""

    name: str | None = None
    host: str | None = None
    cluster: str | None = None
    folder: str | None = None
    pool: str | None = None
    state: str | None = None
    labels: dict[str, list[str]] = field(default_factory=dict)

    def matches(self, vm: Vm) -> bool:
        """Say whether the VM is one of these; labels count where at least one of the listed values is there."""
        exact = all(
            wanted is None or getattr(vm, key) == wanted
            for key in ("host", "cluster", "folder", "pool", "state")
            for wanted in [getattr(self, key)]
        )
        have = vm.labels or {}
        return (
            exact
            and (self.name is None or fnmatchcase(vm.name, self.name))
            and all(
                set(values) & set(have.get(key, ())) or (not values and key in have)
                for key, values in self.labels.items()
            )
        )


Wanted: TypeAlias = "tuple[Ref, ...] | Selection"


def plain(value: Any) -> Any:
    """Turn model values into str, int, float, bool, None, list and dict, leaving out dataclass fields that are None.

    Enums must not leave: ansible-core 2.19 refuses a str subclass as a host variable and then drops the whole source.
    """
    if isinstance(value, StrEnum):
        return value.value
    if is_dataclass(value):
        return {name: plain(part) for name in names_of(value.__class__) if (part := getattr(value, name)) is not None}
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value


@cache
def names_of(kind: type) -> tuple[str, ...]:
    """Return the names of a dataclass's fields."""
    return tuple(one.name for one in fields(kind))
