# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench with a simulated vCenter on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.integration import bench
from tests.integration.vsphere.witness import Witness
from tests.lab.commands import wait_until
from tests.lab.vsphere.server import Simulator

ON, OFF, SAVED = "poweredOn", "poweredOff", "suspended"
HARD = {"method": "hard"}


class Bench(bench.Bench):
    """A simulator, its control port, a witness, and the processes that work on it; the connection is `lab`."""

    def __init__(self, sim: Simulator, folder: Path) -> None:
        super().__init__(folder, connections(folder, {"lab": sim.connection()}))
        self.sim, self.control, self.witness = sim, sim.control, Witness(sim)

    def picture(self) -> object:
        """Return what is there, as the witness sees it."""
        return self.witness.picture()

    def called(self, method: str) -> int:
        """Say how often something was called since the last reset."""
        return self.control.calls().soap.get(method, 0)

    def wait_for_call(self, method: str) -> None:
        """Wait until it is called."""
        wait_until(lambda: self.called(method) > 0, f"a call of {method}")

    def wait_for_guest(self, name: str) -> None:
        """Wait until the Tools of a VM run."""
        wait_until(lambda: self.witness.hears(name), f"Tools of {name}")


def connections(folder: Path, entries: Mapping[str, dict[str, Any]]) -> Path:
    """Write a connections file that only its owner reads."""
    file = folder / "connections.yml"
    file.write_text(yaml.safe_dump({"hypervisors": dict(entries)}))
    file.chmod(0o600)
    return file
