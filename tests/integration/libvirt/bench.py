# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench with libvirt's lab on it: its hosts, and the VMs of tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration import bench
from tests.integration.bench import Result, assert_refused
from tests.integration.libvirt.machines import Machines
from tests.lab.client import Lab


class Bench(bench.Bench):
    """The lab, its machines, and the processes that work on them."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        super().__init__(folder, lab.connections_file)
        self.lab, self.machines = lab, Machines(lab)

    def refused(self, error: str, *words: str, module: str = "vm_state", **options: Any) -> Result:
        """Run a module that must fail with this class and a message that names these, and change nothing."""
        before = self.machines.picture()
        result = self.run(module, **options)
        assert_refused(result, error, *words)
        assert self.machines.picture() == before
        return result

    def clients(self) -> list[str]:
        """List the TCP connections to the hosts' daemons; the lab's own witnesses use unix sockets."""
        return [
            line
            for host in self.lab.hosts.values()
            for line in host.inside(
                "ss", "-Htn", "state", "established", "( sport = 16509 or sport = 16514 )"
            ).splitlines()
        ]
