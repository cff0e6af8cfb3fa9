# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench with the Xen lab on it, and a PVH VM whose disk is a logical volume that both hosts have."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import libvirt

from tests.integration import bench
from tests.lab.commands import wait_until
from tests.lab.xen.client import XenLab

NAME = "it-traveller"
DISK = "/dev/shared/disk8"
IMAGE = "/var/lib/libvirt/images/guest.raw"
XML = f"""
<domain type='xen'>
  <name>{NAME}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>
  <bootloader>pygrub</bootloader>
  <os><type arch='x86_64' machine='xenpvh'>xenpvh</type></os>
  <devices>
    <disk type='block' device='disk'>
      <driver name='phy' type='raw'/><source dev='{DISK}'/><target dev='xvda' bus='xen'/>
    </disk>
    <interface type='network'><source network='lan'/></interface>
    <console type='pty'/>
  </devices>
</domain>
"""
ENDING_SECONDS = 60


class Bench(bench.Bench):
    """The lab, the traveller, and the processes that work on them."""

    patience_seconds = 400  # everything here is emulated twice

    def __init__(self, lab: XenLab, folder: Path) -> None:
        super().__init__(folder, lab.connections_file)
        self.lab = lab

    def picture(self) -> dict[str, list[str]]:
        """Return what Xen itself runs on each host, and what libvirt knows."""
        return {
            host: sorted(
                [line.split()[0] for line in self.lab.xl(host, "list").splitlines()[1:]]
                + self.lab.virsh(host, "list", "--all", "--name").split()
            )
            for host in self.lab.hosts
        }

    def running(self) -> list[str]:
        """List the hosts on which Xen runs the traveller, whatever libvirt thinks; one that is paused does not run."""
        rows = {host: self.lab.xl(host, "list").splitlines() for host in self.lab.hosts}
        return [
            host
            for host, lines in rows.items()
            if any(line.split()[0] == NAME and not set("psc") & set(line.split()[4]) for line in lines)
        ]

    def create(self, host: str) -> None:
        """Boot it from a fresh copy of the image."""
        self.lab.hosts[host].inside("dd", f"if={IMAGE}", f"of={DISK}", "bs=1M", "conv=fsync")
        connection = libvirt.open(self.lab.hosts[host].uri)
        connection.defineXML(XML).create()
        connection.close()
        self.lab.wait_for_guest(host, NAME, timeout_seconds=self.patience_seconds)

    def remove(self) -> None:
        """Take away every trace of it, on every host."""
        for host in self.lab.hosts.values():
            connection = libvirt.open(host.uri)
            with contextlib.suppress(libvirt.libvirtError):
                end(connection.lookupByName(NAME))
            connection.close()
            self.clear(host.name)

    def clear(self, host: str) -> None:
        """End what Xen has of it and libvirt does not know: a libvirtd that died while it received leaves that."""
        if NAME in self.lab.xl(host, "list"):
            self.lab.xl(host, "destroy", NAME)


def end(domain: Any) -> None:
    """Switch a VM off and forget it."""
    if domain.isActive():
        domain.destroy()
        wait_until(lambda: not domain.isActive(), f"{NAME} is off", ENDING_SECONDS)
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
