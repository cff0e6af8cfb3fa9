# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are in vSphere's tree: names and paths made of rows that were read before; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from .properties import Row, Rows

# What Places needs to know of the objects that a VM is in.
PATHS: Mapping[str, Collection[str]] = {
    "HostSystem": ("name", "parent"),
    "ComputeResource": ("name", "parent"),
    "VirtualApp": ("name", "parent", "parentFolder"),  # before the type that it is derived from
    "ResourcePool": ("name", "parent"),
    "Folder": ("name", "parent"),
    "Datacenter": ("name", "parent"),
}
ESCAPED = re.compile("%(2f|5c|25)", re.IGNORECASE)


def unescaped(name: str) -> str:
    """Return a name as people wrote it: vSphere stores a slash, a backslash and a percent sign escaped."""
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)


def escaped(name: str) -> str:
    """Return a name as vSphere wants it; the percent sign must be escaped, the others may be."""
    return re.sub(r"[%/\\]", lambda found: f"%{ord(found[0]):02x}", name)


class Places:
    """The tree above VMs, of all or of a few; `root` is the id of its root folder, which is in no path."""

    def __init__(self, rows: Rows, root: str) -> None:
        self.rows = rows
        self._root = root
        self._paths: dict[str, str | None] = {root: ""}
        self._pools: dict[str, str | None] = {}

    @cached_property
    def _by_id(self) -> dict[str, tuple[str, Row]]:
        return {thing: (kind, row) for kind, found in self.rows.items() for thing, row in found.items()}

    def _row(self, thing: str | None) -> Row:
        return self._by_id[thing][1] if thing in self._by_id else {}

    def is_a(self, kind: str, thing: str | None) -> bool:
        """Say whether this is the id of an object of exactly this type."""
        return thing in self.rows.get(kind, {})

    def name(self, thing: str | None) -> str | None:
        """Return the name of an object; its id where the account may not see it."""
        name = self._row(thing).get("name")
        return unescaped(name) if name else thing

    def path(self, thing: str | None) -> str | None:
        """Return the inventory path of a folder, a datacenter or what is in them; None where a part is not visible.

        Names in it stay escaped, as FindByInventoryPath wants them.
        """
        if thing is None:
            return None
        if thing not in self._paths:
            row = self._row(thing)
            above = self.path(row.get("parentFolder") or row.get("parent"))
            self._paths[thing] = None if above is None or not row.get("name") else f"{above}/{row['name']}"
        return self._paths[thing]

    def vm_places(self, row: Row) -> tuple[str | None, str | None]:
        """Return folder and path of a VM; one in a vApp is below the vApp, and in the folder of that."""
        app = row.get("parentVApp")
        above = self.path(app or row.get("parent"))
        path = f"{above}/{row['name']}" if above is not None and row.get("name") else None
        while app and not self._row(app).get("parentFolder"):
            app = self._row(app).get("parent")
        return self.path(self._row(app).get("parentFolder")) if app else above, path

    def datacenter(self, row: Row) -> str | None:
        """Return the id of the datacenter that a VM is in."""
        above = row.get("parent") or row.get("parentVApp")
        while above and not self.is_a("Datacenter", above):
            above = self._row(above).get("parentFolder") or self._row(above).get("parent")
        return above

    def cluster(self, host: str | None) -> str | None:
        """Return the name of the cluster that a host is in; None for one that stands alone."""
        above = self._row(host).get("parent")
        return self.name(above) if self.is_a("ClusterComputeResource", above) else None

    def pool(self, thing: str | None) -> str | None:
        """Return the path of a resource pool or vApp below the root pool of its hosts; None for the root pool."""
        if thing is None or thing not in self._by_id:
            return None
        if thing not in self._pools:
            row = self._row(thing)
            parent = row.get("parent")
            if self.is_a("ResourcePool", parent) or self.is_a("VirtualApp", parent):
                above = self.pool(parent)
                self._pools[thing] = f"{above}/{row.get('name')}" if above else row.get("name")
            else:
                self._pools[thing] = None
        return self._pools[thing]

    def missing(self) -> list[str]:
        """Return the folders of vApps that were not read: nothing leads there from a VM at once."""
        folders = {row.get("parentFolder") for row in self.rows.get("VirtualApp", {}).values()}
        return [one for one in folders if one and one != self._root and one not in self._by_id]


def vm_host(row: Mapping[str, Any], places: Places, otherwise: str) -> str:
    """Return the name of the host where a VM is; `otherwise` where vSphere does not tell."""
    return places.name(row.get("runtime.host")) or otherwise
