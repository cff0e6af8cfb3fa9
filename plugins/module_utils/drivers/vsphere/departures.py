# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs about to move, as the target has to know them: read in one call, with all they are in and on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...model import Departure, Disk, Vm
from . import devices, places, progress
from .places import unescaped
from .properties import Row, Rows, read_some
from .session import Session
from .tasks import Tasks

VM = "VirtualMachine"
PATHS = (
    "name",
    "parent",
    "parentVApp",
    "resourcePool",
    "runtime.host",
    "runtime.powerState",
    "config.hardware",
    "config.migrateEncryption",
    "config.files.vmPathName",
    "datastore",
    "layoutEx",
    *progress.PATHS,
)


@dataclass(frozen=True, slots=True)
class Side:
    """One vCenter of a move, and our tasks there."""

    session: Session
    tasks: Tasks

    @property
    def uuid(self) -> str:
        """Which vCenter it is."""
        return str(self.session.content.about.instanceUuid)


@dataclass(frozen=True, slots=True, kw_only=True)
class VsphereDeparture(Departure):
    """A VM with what was read of it; `row` is None for one that is gone.

    `below` are the names of the folders above it in its datacenter, outermost first. `stores` are name and place of its
    datastores by id; by its place another vCenter may know one, too. `tasks` are the VM's tasks of late.
    """

    side: Side = field(repr=False)
    row: Row | None = field(repr=False)
    below: tuple[str, ...] = ()
    stores: dict[str, tuple[str, str]] = field(default_factory=dict)
    tasks: frozenset[str] = frozenset()

    @property
    def disks(self) -> list[Disk]:
        """Its disks, without media."""
        return [disk for disk in self.vm.disks or () if disk.device in ("disk", "lun")]

    @property
    def drives(self) -> list[Any]:
        """The same as vSphere describes them."""
        return [one for one in self.hardware if devices.is_own(one)]

    @property
    def cards(self) -> list[Any]:
        """Its NICs as vSphere describes them."""
        return [one for one in self.hardware if hasattr(one, "macAddress")]

    @property
    def hardware(self) -> list[Any]:
        """All its devices."""
        return list(getattr((self.row or {}).get("config.hardware"), "device", None) or ())

    @property
    def home(self) -> str | None:
        """The datastore of its own files, where the account may see it."""
        named, _path = devices.place_of((self.row or {}).get("config.files.vmPathName"))
        return next((key for key, (name, _url) in self.stores.items() if name == named), None)


def read(side: Side, vms: Sequence[Vm]) -> list[VsphereDeparture]:
    """Read VMs that are to move."""
    session = side.session
    around = {**places.PATHS, "Datastore": ("name", "summary.url")}
    rows = read_some(session, VM, [vm.id for vm in vms], {VM: PATHS, **around}, ("datastore",))
    found = rows.get(VM, {})
    stores = {
        thing: (unescaped(row.get("name", thing)), str(row.get("summary.url") or ""))
        for thing, row in rows.get("Datastore", {}).items()
    }

    def departure(vm: Vm) -> VsphereDeparture:
        row = found.get(vm.id)
        tasks = frozenset(row.get("recentTask", ()) if row else ())
        return VsphereDeparture(
            vm=vm,
            side=side,
            row=row,
            below=tuple(reversed(list(folders_above(rows, row or {})))),
            stores={key: stores[key] for key in (row or {}).get("datastore", ()) if key in stores},
            tasks=tasks,
        )

    return [departure(vm) for vm in vms]


def folders_above(rows: Rows, row: Row) -> Iterator[str]:
    """Yield the names of the folders that something is in, innermost first, without that of its datacenter."""
    folders, above = rows.get("Folder", {}), row.get("parent")
    while above in folders and folders[above].get("parent") in folders:
        yield str(folders[above].get("name"))
        above = folders[above].get("parent")
