# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry for modules that move VMs: the same drivers, sent with the parts that the others go without."""

from __future__ import annotations

from .driver import Driver
from .registry import driver_class


def mover_class(backend: str) -> type[Driver]:
    """Return the driver; raises Unsupported for a backend that is not built yet."""
    if backend == "libvirt":
        from .drivers.libvirt.moves import LibvirtDriver

        return LibvirtDriver
    if backend == "vsphere":
        from .drivers.vsphere.moves import VsphereDriver

        return VsphereDriver
    return driver_class(backend)
