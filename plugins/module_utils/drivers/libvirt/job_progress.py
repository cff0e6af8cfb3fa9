# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics of a job into our words; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from ...model import Progress

NONE = 0  # virDomainJobType
UNSUPPORTED_HERE = 84


def has_job(libvirt: Any, domain: Any) -> bool:
    """Say whether a job is at work on a VM; of one that comes in, libvirt says only that its source knows."""
    try:
        return bool(domain.jobInfo()[0] != NONE)
    except libvirt.libvirtError as error:
        if error.get_error_code() != UNSUPPORTED_HERE:
            raise
        return True


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


def being_copied(definition: ET.Element) -> list[str]:
    """Return the disks of which a copy is made that is not complete yet."""
    return [
        target.get("dev", "")
        for disk in definition.iterfind("devices/disk")
        if (mirror := disk.find("mirror")) is not None
        and mirror.get("ready") is None
        and (target := disk.find("target")) is not None
    ]


def progress_of_copies(jobs: Sequence[Mapping[str, int]], seconds: float | None = None) -> Progress | None:
    """Return how far copies of disks are together, by libvirt's block jobs; None where there is none."""
    running = [job for job in jobs if job]
    if not running:
        return None
    done, total = sum(job["cur"] for job in running), sum(job["end"] for job in running)
    return Progress(
        percent=round(100 * done / total, 1) if total else None,
        bytes_done=done,
        bytes_total=total,
        bytes_per_second=int(done / seconds) if seconds else None,
        seconds=round(seconds, 1) if seconds else None,
    )


def downtime_seconds(stats: Mapping[str, Any]) -> float | None:
    """Return how long the VM stood still, where libvirt knows."""
    milliseconds = stats.get("downtime_net", stats.get("downtime"))
    return milliseconds / 1000 if milliseconds is not None else None
