# SPDX-License-Identifier: GPL-3.0-or-later
"""govc, VMware's own command line, as a witness at a simulator."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.lab.commands import run
from tests.lab.vsphere.program import binary

Document = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A snapshot as govc shows it."""

    id: str
    name: str
    children: tuple[Self, ...]


class Govc:
    """Called like the command itself; VMs are named by their inventory paths, as in `/DC0/vm/web1`."""

    def __init__(self, connection: dict[str, Any]) -> None:
        """Log in as `hypervisor:` would with this."""
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GOVC_")},
            "HOME": str(Path(connection["ca_path"]).parent),
            "GOVC_URL": f"https://{connection['hosts'][0]}:{connection['port']}",
            "GOVC_USERNAME": connection["username"],
            "GOVC_PASSWORD": connection["password"],
            "GOVC_TLS_CA_CERTS": connection["ca_path"],
            "GOVC_PERSIST_SESSION": "false",
        }

    def __call__(self, *argv: str) -> str:
        """Run a command; return what it printed, stripped. LabError if it fails."""
        return run(binary("cli"), *argv, environment=self._environment).strip()

    def paths(self, kind: str = "m") -> list[str]:
        """List the inventory paths of everything of a kind, VMs unless another is given."""
        return sorted(self("find", "/", "-type", kind).splitlines())

    def vm(self, path: str) -> Document:
        """Read everything of a VM."""
        (found,) = json.loads(self("vm.info", "-json", path))["virtualMachines"]
        document: Document = found
        return document

    def state(self, path: str) -> str:
        """Read a VM's power state."""
        return str(self.vm(path)["runtime"]["powerState"])

    def snapshots(self, path: str) -> tuple[tuple[Node, ...], str | None]:
        """Read the trees of snapshots, and the id of the one that the VM goes on from."""
        found = self.vm(path).get("snapshot") or {}
        current = found.get("currentSnapshot")
        return nodes(found.get("rootSnapshotList")), current and str(current["value"])

    def attributes(self, path: str) -> dict[str, str]:
        """Read the custom attributes of a VM that are set, by name."""
        rows = json.loads(self("fields.info", "-json", path))["info"] or []
        return {str(row["key"]): str(row["value"]) for row in rows if row["value"]}

    def tags(self, path: str) -> list[str]:
        """Read the names of a VM's tags."""
        return sorted(self("tags.attached.ls", "-r", path).splitlines())


def nodes(trees: list[Document] | None) -> tuple[Node, ...]:
    """Read snapshots and all below them."""
    return tuple(
        Node(str(one["snapshot"]["value"]), str(one["name"]), nodes(one.get("childSnapshotList")))
        for one in trees or ()
    )
