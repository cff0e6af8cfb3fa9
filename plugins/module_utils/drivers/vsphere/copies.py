# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones worked out: what is copied, from which point, to where, and what of it has to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import Ambiguous, InvalidOption, InvalidState, NotFound, Unsupported
from ...model import CloneSpec, Disk, VmSpec
from . import devices, snapshots
from .estate import CLUSTER, Estate, Place, listed
from .hardware import NewNic, added, nic_devices, settings
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
    "config.firmware",
    "config.bootOptions",
    "config.hardware",
    "config.files.vmPathName",
    "datastore",
    "storage.perDatastoreUsage",
    *snapshots.PATHS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What CloneVM_Task is told: by ids, and with the NICs of the source as vSphere describes them.

    `datastore` is None where each disk stays in the storage of its original, `cores` are those of a socket.
    """

    source: str
    place: Place
    home: str
    stores: tuple[str, ...]
    disks: tuple[Disk, ...]
    datastore: str | None
    snapshot: str | None
    linked: bool
    cards: tuple[Any, ...]
    cores: int
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
        snapshot = snapshot_of(row, clone)
        if snapshot:
            row = {**row, **self._as_it_was(snapshot)}
        elif row.get("runtime.powerState") == "suspended":
            raise InvalidState(f"{row['name']} is suspended; its disks are in use by its saved memory")
        refuse_changes(spec, row)
        place = self._place(spec, row)
        hardware = row["config.hardware"]
        disks = tuple(
            one for one in devices.disks({devices.PATHS[0]: hardware.device}) if one.device in ("disk", "lun")
        )
        refuse_disks(row, disks)
        cards = tuple(one for one in hardware.device if hasattr(one, "macAddress"))
        if spec.nics is None:
            self._refuse_networks(place, row, cards)
        home, *stores = self._stores(spec, place, row)
        return Copy(
            source=clone.source_id,
            place=place,
            home=home,
            stores=tuple(stores),
            disks=disks,
            datastore=home if spec.storage else None,
            snapshot=snapshot,
            linked=clone.linked,
            cards=cards,
            cores=hardware.numCoresPerSocket or 1,
            taken_bytes=0 if clone.linked else committed(row, None if spec.storage else home),
        )

    def _as_it_was(self, snapshot: str) -> Row:
        """Return the configuration that a snapshot holds."""
        handle = self._session.vim.vm.Snapshot(snapshot, self._session.stub)
        config = self._session.call("reading a snapshot", lambda: handle.config)
        return {
            "config.firmware": config.firmware,
            "config.bootOptions": config.bootOptions,
            "config.hardware": config.hardware,
        }

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

    def _stores(self, spec: VmSpec, place: Place, row: Row) -> list[str]:
        """Return the datastore of the copy's own files, and of each of its disks."""
        drives = [one for one in row["config.hardware"].device if devices.is_own(one)]
        if spec.storage:
            return [self._estate.datastore(place, spec.storage)] * (len(drives) + 1)
        named, _path = devices.place_of(row["config.files.vmPathName"])
        home = [one for one in row.get("datastore", ()) if self._estate.name(one) == named]
        if not home:
            raise NotFound(f"the account may not see storage {named}, where {row['name']} is")
        found = [home[0], *(id_of(drive.backing.datastore) for drive in drives)]
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


def refuse_disks(row: Row, disks: Iterable[Disk]) -> None:
    """Refuse disks of which no independent copy can be made, or that are no files."""
    for disk in disks:
        if disk.storage is None:
            raise Unsupported(f"a disk of {row['name']} is no file, and is not copied")
        if disk.shared:
            raise Unsupported(f"{disk.volume} of {row['name']} is shared with other VMs, and is not copied")


def snapshot_of(row: Row, clone: CloneSpec) -> str | None:
    """Return the id of the snapshot to copy from; raises NotFound, Ambiguous, and Unsupported where one is needed."""
    every = [snapshot for root in snapshots.trees(row) for snapshot in root.walk()]
    there = listed(snapshot.name for snapshot in every)
    if clone.snapshot is None and clone.linked:
        raise Unsupported(
            f"vSphere builds on snapshots only, never on the present disks of {row['name']}: name one as"
            f" clone.snapshot; there are {there}"
        )
    if clone.snapshot is None:
        return None
    named = [snapshot for snapshot in every if snapshot.name == clone.snapshot]
    if not named:
        raise NotFound(f"{row['name']} has no snapshot {clone.snapshot!r}; there are {there}")
    if len(named) > 1:
        raise Ambiguous(f"{row['name']} has {len(named)} snapshots {clone.snapshot!r}")
    return named[0].id


def committed(row: Row, only: str | None) -> int:
    """Return the room that a VM takes, in one datastore or in all."""
    usage = row.get("storage.perDatastoreUsage") or ()
    return sum(int(one.committed) for one in usage if only in (None, id_of(one.datastore)))


def changes(vim: Any, spec: VmSpec, copy: Copy, nics: Sequence[NewNic] | None) -> Any:
    """Return the ConfigSpec of what is other than in the source; hardware addresses given by hand are not copied."""
    config, change = settings(vim, spec), vim.vm.device.VirtualDeviceSpec
    config.guestId = spec.guest_os
    if spec.cpus and spec.cpus % copy.cores:
        config.numCoresPerSocket = 1
    if nics is not None:
        removed = [change(operation="remove", device=card) for card in copy.cards]
        config.deviceChange = [*removed, *added(vim, nic_devices(vim, nics))]
        return config
    given = [card for card in copy.cards if str(card.addressType).lower() == "manual"]
    for card in given:
        card.addressType, card.macAddress = "generated", None
    config.deviceChange = [change(operation="edit", device=card) for card in given]
    return config


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
