# SPDX-License-Identifier: GPL-3.0-or-later
"""What the driver does to move VMs; it finds this by name, and only modules that move VMs send it along."""

from __future__ import annotations

from ...driver import Operation
from ...model import Move
from .arrivals import Arrivals
from .departures import Side, read
from .driver import VsphereDriver
from .moving import Moving
from .relocation import VsphereMove

__all__ = ["Arrivals", "Side", "VsphereDriver", "begin", "read"]


def begin(vm_id: str, move: Move) -> Operation:
    """Move with one task of vSphere's."""
    if not isinstance(move, VsphereMove):
        raise TypeError(f"{move} was not worked out by vsphere")
    return Moving(vm_id, move).begin()
