# SPDX-License-Identifier: GPL-3.0-or-later
"""What both libvirt beds do with libvirt's own Python, without a line of the driver under test."""

from __future__ import annotations

from typing import Any

import libvirt

from tests.conformance.bed import PREFIX
from tests.lab.commands import wait_until

SAVED, SNAPSHOTS = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE, libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
EVERYTHING = {  # that a connection's driver has
    "QEMU": SAVED | SNAPSHOTS | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM,
    "TEST": SAVED | SNAPSHOTS,
    "Xen": SAVED,
}


def freeze(domain: Any, state: str) -> None:
    """Bring a VM that runs into a state that is not running."""
    if state == "paused":
        domain.suspend()
    elif state == "suspended":
        domain.managedSave(0)
    elif state == "crashed":
        wait_until(lambda: domain.state()[0] == libvirt.VIR_DOMAIN_CRASHED, f"{domain.name()} has crashed")


def clear(conn: Any, prefix: str = PREFIX) -> None:
    """Remove the VMs and volumes of these tests, or those whose names begin so."""
    for domain in conn.listAllDomains():
        if domain.name().startswith(prefix):
            if domain.isActive():
                domain.destroy()
            if domain.isPersistent():
                domain.undefineFlags(EVERYTHING[conn.getType()])
    for pool in conn.listAllStoragePools():
        pool.refresh()
        for volume in pool.listAllVolumes():
            if volume.name().startswith(prefix):
                volume.delete()


def snapshot_paths(domain: Any) -> list[list[str]]:
    """Return the path of every snapshot, sorted."""

    def path(snapshot: Any) -> list[str]:
        try:
            return [*path(snapshot.getParent()), snapshot.getName()]
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT:
                raise
            return [snapshot.getName()]

    return sorted(path(one) for one in domain.listAllSnapshots())
