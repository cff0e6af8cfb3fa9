# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory of a host VMs could still have."""

from __future__ import annotations

from .session import NO_SUPPORT, Session

UNKNOWN_HERE = (NO_SUPPORT, 84)


def free_memory(session: Session) -> int | None:
    """Return the bytes that VMs can have: what only caches files is free; None where libvirt does not tell."""
    try:
        said = session.conn.getMemoryStats(session.libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS, 0)
    except session.libvirt.libvirtError as error:
        if error.get_error_code() not in UNKNOWN_HERE:
            raise
        return int(session.conn.getFreeMemory())
    return 1024 * sum(int(said.get(key, 0)) for key in ("free", "buffers", "cached")) or None
