# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else uses the files of a VM's disks: read of all VMs at once, because no datastore knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ...model import Disk
from . import devices, places
from .places import Places, unescaped
from .properties import Row, Rows

# `layoutEx` also has what only snapshots use, but vSphere renews it at leisure: so both count.
PATHS = (*devices.PATHS, "layoutEx.file")
EVERYBODY: Mapping[str, tuple[str, ...]] = {
    "VirtualMachine": ("name", "parent", "parentVApp", *PATHS),
    "VirtualApp": tuple(places.PATHS["VirtualApp"]),
    "Folder": tuple(places.PATHS["Folder"]),
    "Datacenter": tuple(places.PATHS["Datacenter"]),
}
DISK_FILES = ("diskDescriptor", "diskExtent")


class Users:
    """Which VMs use which file; the names of datastores are unique in a datacenter only."""

    def __init__(self, rows: Rows, root: str) -> None:
        where = Places(rows, root)
        self._by_file: dict[tuple[str | None, str], dict[str, str]] = {}
        for thing, row in rows.get("VirtualMachine", {}).items():
            for file in files(row):
                self._by_file.setdefault((where.datacenter(row), file), {})[thing] = unescaped(row["name"])

    def told(self, thing: str, row: Row, datacenter: str | None, disks: tuple[Disk, ...]) -> tuple[Disk, ...]:
        """Return a VM's disks with the names of the other VMs that use a file of it: all of them go with the VM."""
        others = {
            name
            for file in files(row)
            for other, name in self._by_file.get((datacenter, file), {}).items()
            if other != thing
        }
        return tuple(
            replace(disk, users=tuple(sorted(others)) if disk.device in ("disk", "lun") else ()) for disk in disks
        )


def files(row: Row) -> Iterator[str]:
    """Yield the files of a VM's disks, with those of its snapshots and all that it builds on."""
    yield from devices.chains(row)
    for file in row.get("layoutEx.file") or ():
        if file.type in DISK_FILES:
            yield file.name
