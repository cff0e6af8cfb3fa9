# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones worked out: what is copied, from which point, to where, and what of it has to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import Ambiguous, InvalidOption, InvalidState, NotFound, Unsupported
from ...model import CloneSpec, VmSpec
from .estate import CLUSTER, Estate, Place, listed
from .placing import choose
from .properties import Row, id_of, read_some
from .session import Session

VM = "VirtualMachine"
PATHS = (
    "name",
    "parent",
    "resourcePool",
    "runtime.host",
    "runtime.powerState",
    "config.template",
    "config.firmware",
    "config.bootOptions",
    "config.hardware",
    "config.files.vmPathName",
    "datastore",
    "snapshot",
    "storage.perDatastoreUsage",
)
SHARED = ("sharingMultiWriter",)


@dataclass(frozen=True, slots=True)
class CopiedDisk:
    """A disk of the source: its place, and its size."""

    volume: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What CloneVM_Task is told: ids, and keys of the source's devices.

    `datastore` is None where each disk stays in the storage of its original; `manual_macs` are NICs whose address was
    set by hand, which vSphere would copy.
    """

    source: str
    place: Place
    home: str
    stores: tuple[str, ...]
    disks: tuple[CopiedDisk, ...]
    datastore: str | None
    snapshot: str | None
    linked: bool
    nics: tuple[int, ...]
    manual_macs: tuple[int, ...]
    taken_bytes: int


class Sources:
    """The VMs that are copied, read in one call."""

    def __init__(self, session: Session, estate: Estate, clones: Sequence[CloneSpec]) -> None:
        self._session, self._estate = session, estate
        ids = dict.fromkeys(clone.source_id for clone in clones)
        vcenter = session.is_vcenter
        self._rows = read_some(session, VM, ids, {VM: PATHS}).get(VM, {}) if ids and vcenter else {}

    def copy(self, spec: VmSpec, clone: CloneSpec) -> Copy:
        """Work out one copy; raises one of our errors where it cannot be."""
        if not self._session.is_vcenter:
            raise Unsupported(f"{self._session.host} is a host without vCenter, and clone needs one")
        row = self._rows.get(clone.source_id)
        if row is None:
            raise NotFound(f"there is no VM with id {clone.source_id} on {self._session.host} any more")
        refuse_changes(spec, row)
        snapshot = snapshot_of(row, clone)
        if not snapshot and row.get("runtime.powerState") == "suspended":
            raise InvalidState(f"{row['name']} is suspended; its disks are in use by its saved memory")
        place = self._place(spec, row)
        devices = row["config.hardware"].device
        disks = [one for one in devices if isinstance(one, self._session.vim.vm.device.VirtualDisk)]
        cards = [one for one in devices if isinstance(one, self._session.vim.vm.device.VirtualEthernetCard)]
        refuse_disks(row, disks)
        if spec.nics is None:
            self._refuse_networks(place, row, cards)
        stores = self._stores(spec, place, row, disks)
        return Copy(
            source=clone.source_id,
            place=place,
            home=stores[0],
            stores=tuple(stores[1:]),
            disks=tuple(CopiedDisk(file_of(disk)[1], size_of(disk)) for disk in disks),
            datastore=stores[0] if spec.storage else None,
            snapshot=snapshot,
            linked=clone.linked,
            nics=tuple(card.key for card in cards),
            manual_macs=tuple(card.key for card in cards if str(card.addressType).lower() == "manual"),
            taken_bytes=0 if clone.linked else committed(row, None if spec.storage else stores[0]),
        )

    def _place(self, spec: VmSpec, row: Row) -> Place:
        """Return where the copy will be: where its source is, as far as the task says nothing else."""
        estate, here = self._estate, str(row.get("runtime.host"))
        words = {key: value for key in ("host", "cluster", "pool", "folder") if (value := getattr(spec, key))}
        if not words.keys() - {"folder"} and (not spec.folder or self._in_reach(spec.folder, here)):
            above = str(estate.row(here).get("parent"))
            elsewhere = estate.why_not(here) and estate.kind(above) == CLUSTER
            words |= {"cluster": estate.name(above)} if elsewhere else {"host": estate.name(here)}
        return choose(estate, **words, beside=row)

    def _in_reach(self, folder: str, host: str) -> bool:
        """Say whether a folder is in the datacenter of a host."""
        return folder.startswith(self._estate.path(self._estate.datacenter(host)) + "/")

    def _refuse_networks(self, place: Place, row: Row, cards: Iterable[Any]) -> None:
        """Refuse NICs that could not be plugged in where the copy will be."""
        for card in cards:
            network = self._estate.network_of(card)
            if network and network not in self._estate.seen(place, "network"):
                raise InvalidOption(
                    f"{row['name']} is on network {self._estate.name(network)}, which {place.says} does not have:"
                    " give the nics of the copy"
                )

    def _stores(self, spec: VmSpec, place: Place, row: Row, disks: Sequence[Any]) -> list[str]:
        """Return the datastore of the copy's own files, and of each of its disks."""
        if spec.storage:
            return [self._estate.datastore(place, spec.storage)] * (len(disks) + 1)
        named = datastore_of(row["config.files.vmPathName"])[0]
        home = [one for one in row.get("datastore", ()) if self._estate.name(one) == named]
        found = [*home[:1], *(id_of(disk.backing.datastore) for disk in disks)]
        for datastore in found:
            if datastore not in self._estate.seen(place, "datastore"):
                raise InvalidOption(
                    f"{row['name']} is in storage {self._estate.name(datastore)}, which {place.says} does not have:"
                    " give the storage of the copy"
                )
        return found


def refuse_changes(spec: VmSpec, row: Row) -> None:
    """Refuse what a copy has as its source has it."""
    firmware = "uefi" if row.get("config.firmware") == "efi" else "bios"
    secure = bool(getattr(row.get("config.bootOptions"), "efiSecureBootEnabled", False))
    for key, value in (("firmware", firmware), ("secure_boot", secure)):
        if getattr(spec, key) not in (None, value):
            raise Unsupported(f"{key} of a copy is that of {row['name']}, {value}")


def refuse_disks(row: Row, disks: Iterable[Any]) -> None:
    """Refuse disks of which no independent copy can be made, or that are no files."""
    for disk in disks:
        if not getattr(disk.backing, "fileName", None):
            raise Unsupported(f"a disk of {row['name']} is no file, and is not copied")
        if getattr(disk.backing, "sharing", None) in SHARED:
            raise Unsupported(f"{disk.backing.fileName} of {row['name']} is shared with other VMs, and is not copied")


def snapshot_of(row: Row, clone: CloneSpec) -> str | None:
    """Return the id of the snapshot to copy from; raises NotFound, Ambiguous, and Unsupported where one is needed."""
    tree = row.get("snapshot")
    every = list(walk(tree.rootSnapshotList if tree else ()))
    if clone.snapshot is None:
        if clone.linked:
            raise Unsupported(
                f"vSphere builds on snapshots only, never on the present disks of {row['name']}: name one as"
                f" clone.snapshot; there are {listed(node.name for node in every)}"
            )
        return None
    named = [node for node in every if node.name == clone.snapshot]
    if not named:
        raise NotFound(
            f"{row['name']} has no snapshot {clone.snapshot!r}; there are {listed(node.name for node in every)}"
        )
    if len(named) > 1:
        raise Ambiguous(f"{row['name']} has {len(named)} snapshots {clone.snapshot!r}")
    return id_of(named[0].snapshot)


def walk(nodes: Iterable[Any]) -> Iterable[Any]:
    """Yield snapshots and all below them."""
    for node in nodes:
        yield node
        yield from walk(node.childSnapshotList or ())


def committed(row: Row, only: str | None) -> int:
    """Return the room that a VM takes, in one datastore or in all."""
    usage = row.get("storage.perDatastoreUsage") or ()
    return sum(int(one.committed) for one in usage if only in (None, id_of(one.datastore)))


def datastore_of(path: str) -> tuple[str, str]:
    """Return datastore and name of a path such as `[datastore1] web/web.vmdk`."""
    datastore, _bracket, name = path.removeprefix("[").partition("] ")
    return datastore, name


def file_of(disk: Any) -> tuple[str, str]:
    """Return datastore and name of a disk's file."""
    return datastore_of(disk.backing.fileName)


def size_of(disk: Any) -> int:
    """Return the size of a disk in bytes; old hosts tell it in KiB only."""
    return int(disk.capacityInBytes or disk.capacityInKB * 1024)


def clone_spec(vim: Any, copy: Copy, config: Any) -> Any:
    """Return what CloneVM_Task is given."""
    move = "createNewChildDiskBacking" if copy.linked else "moveAllDiskBackingsAndDisallowSharing"
    location = vim.vm.RelocateSpec(pool=vim.ResourcePool(copy.place.pool), diskMoveType=move)
    if copy.place.host:
        location.host = vim.HostSystem(copy.place.host)
    if copy.datastore:
        location.datastore = vim.Datastore(copy.datastore)
    made = vim.vm.CloneSpec(location=location, powerOn=False, template=False, config=config)
    if copy.snapshot:
        made.snapshot = vim.vm.Snapshot(copy.snapshot)
    return made
