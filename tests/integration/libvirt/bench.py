# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench with libvirt's lab on it: its hosts, and the VMs of tests."""

from __future__ import annotations

from pathlib import Path

from tests.integration import bench
from tests.integration.libvirt.machines import Machines
from tests.lab.client import Lab


class Bench(bench.Bench):
    """The lab, its machines, and the processes that work on them."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        super().__init__(folder, lab.connections_file)
        self.lab, self.machines = lab, Machines(lab)

    def picture(self) -> object:
        """Return what is on the hosts."""
        return self.machines.picture()

    def clients(self) -> list[str]:
        """List the TCP connections to the hosts' daemons; the lab's own witnesses use unix sockets."""
        return [
            line
            for host in self.lab.hosts.values()
            for line in host.inside(
                "ss", "-Htn", "state", "established", "( sport = 16509 or sport = 16514 )"
            ).splitlines()
        ]
