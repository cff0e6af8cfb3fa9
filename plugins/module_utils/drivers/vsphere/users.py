# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else uses the files of a VM's disks: read of all VMs at once, because no datastore knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ...model import Disk
from . import devices, places
from .places import Places, unescaped
from .properties import Row, Rows

# `layoutEx` also has what only snapshots use, but vSphere renews it at leisure: so both count.
PATHS = (*devices.PATHS, "layoutEx.file", "config.files.vmPathName")
EVERYBODY: Mapping[str, tuple[str, ...]] = {
    "VirtualMachine": ("name", "parent", "parentVApp", *PATHS),
    **{kind: tuple(places.PATHS[kind]) for kind in ("VirtualApp", "Folder", "Datacenter")},
}


class Users:
    """Which VMs use which file; the names of datastores are unique in a datacenter only."""

    def __init__(self, rows: Rows, root: str) -> None:
        self._places = Places(rows, root)
        self._by_file: dict[tuple[str | None, str], dict[str, str]] = {}
        for thing, row in rows.get("VirtualMachine", {}).items():
            where = self._places.datacenter(row)
            for file in set().union(*own_disks(row), snapshot_disks(row)):
                self._by_file.setdefault((where, file), {})[thing] = unescaped(row.get("name") or thing)

    def with_users(self, thing: str, row: Row, disks: Iterable[Disk]) -> tuple[Disk, ...]:
        """Return a VM's disks with the names of other VMs that use them, or snapshots that go with them.

        What a linked clone builds on is in the folders of its source, and does not go with the clone.
        """
        where, chains = self._places.datacenter(row), own_disks(row)
        loose = snapshot_disks(row).difference(*chains)
        homes = {folder(file) for file in (row.get("config.files.vmPathName") or "", *tops(row))}

        def others(files: Iterable[str]) -> tuple[str, ...]:
            users = [self._by_file.get((where, file), {}).items() for file in files]
            return tuple(sorted({name for some in users for other, name in some if other != thing}))

        return tuple(
            replace(disk, users=others({file for file in chain if folder(file) in homes} | loose if chain else ()))
            for disk, chain in zip(disks, chains, strict=True)
        )


def own_disks(row: Row) -> list[set[str]]:
    """Return for each drive the files that it is made of; none for a medium, which is nobody's."""
    return [set(devices.chain(drive)) if devices.is_own(drive) else set() for drive in devices.drives_of(row)]


def tops(row: Row) -> list[str]:
    """Return for each disk the file that is written to."""
    return [next(devices.chain(drive), "") for drive in devices.drives_of(row) if devices.is_own(drive)]


def folder(file: str) -> str:
    """Return datastore and folder of a file."""
    return file.rpartition("/")[0]


def snapshot_disks(row: Row) -> set[str]:
    """Return the disks that a VM and its snapshots are made of, as vSphere last listed them."""
    listed: list[Any] = row.get("layoutEx.file") or []
    return {file.name for file in listed if file.type == "diskDescriptor"}
