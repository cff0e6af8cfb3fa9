# SPDX-License-Identifier: GPL-3.0-or-later
"""govc at a simulator: it reads what ours wrote, and writes what ours is to read."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.lab.vsphere.program import binary
from tests.lab.vsphere.server import Simulator

Document = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A snapshot as govc shows it."""

    id: str
    name: str
    children: tuple[Self, ...]


class Govc:
    """Called like the command itself; VMs are named by their inventory paths, as in `/DC0/vm/web1`."""

    def __init__(self, sim: Simulator, home: Path) -> None:
        self._environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GOVC_")},
            "HOME": str(home),
            "GOVC_URL": f"https://{sim.address}:{sim.port}",
            "GOVC_USERNAME": sim.username,
            "GOVC_PASSWORD": sim.password,
            "GOVC_TLS_CA_CERTS": str(sim.ca_path),
            "GOVC_PERSIST_SESSION": "false",
        }

    def __call__(self, *argv: str) -> str:
        """Run a command; return what it printed, stripped."""
        done = subprocess.run(
            [binary("govc"), *argv], env=self._environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"govc {' '.join(argv)}: {done.stderr or done.stdout}"
        return done.stdout.strip()

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
