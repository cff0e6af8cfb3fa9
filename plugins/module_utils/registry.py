# SPDX-License-Identifier: GPL-3.0-or-later
"""From the name of a backend to its driver; written out, so that all ship and only the one in use is imported."""

from __future__ import annotations

from collections.abc import Callable

from .driver import Driver
from .errors import Unsupported

OpenDriver = Callable[[str], type[Driver]]


def driver_class(backend: str) -> type[Driver]:
    """Return the driver; raises Unsupported for a backend that is not built yet."""
    # No `match`: ansible-core 2.21 does not look into one for what has to ship with a module.
    if backend == "libvirt":
        from .drivers.libvirt.driver import LibvirtDriver

        return LibvirtDriver
    if backend == "vsphere":
        from .drivers.vsphere.driver import VsphereDriver

        return VsphereDriver
    raise Unsupported(f"hypervisors of type {backend} are not supported yet")
