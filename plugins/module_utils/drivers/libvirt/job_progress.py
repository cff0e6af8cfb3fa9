# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics of a job into our words; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model import Progress

NONE = 0  # virDomainJobType


def progress_from(stats: Mapping[str, Any], *, ended: bool = False) -> Progress | None:
    """Return how far a job is; None where there is none. Of one that has ended all was done."""
    if stats.get("type", NONE) == NONE:
        return None
    total, remaining = stats.get("data_total"), stats.get("data_remaining")
    done = total - remaining if total is not None and remaining is not None else None  # pages of zeros are not sent
    rates = [stats[key] for key in ("memory_bps", "disk_bps") if key in stats]
    elapsed = stats.get("time_elapsed")
    percent = 100.0 if ended else round(min(100 * done / total, 99.9), 1) if done is not None and total else None
    return Progress(
        percent=percent,
        bytes_done=done,
        bytes_total=total,
        bytes_per_second=sum(rates) if rates else None,
        seconds=elapsed / 1000 if elapsed is not None else None,
    )


def downtime_seconds(stats: Mapping[str, Any]) -> float | None:
    """Return how long the VM stood still, where libvirt knows."""
    milliseconds = stats.get("downtime_net", stats.get("downtime"))
    return milliseconds / 1000 if milliseconds is not None else None
