# SPDX-License-Identifier: GPL-3.0-or-later
"""How far tasks of VMs are, whoever has begun them; of all VMs in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model import PowerState, Progress
from .properties import Row, read_some
from .session import Session

PATHS = ("recentTask",)
TASK = "Task"
TASK_PATHS = ("info.descriptionId", "info.state", "info.progress")
UNFINISHED = ("queued", "running")
MOVES = ("VirtualMachine.relocate", "VirtualMachine.migrate")  # TaskInfo.descriptionId


def read(session: Session, vms: Mapping[str, Row]) -> dict[str, dict[str, Any]]:
    """Return, as changes of what else was read, how far the task of each VM is: one that moves is changing."""
    found: dict[str, dict[str, Any]] = {vm: {"progress": Progress()} for vm in vms}
    for vm, task in unfinished(session, vms).items():
        told = task.get("info.progress")  # one that waits for its turn does not tell
        found[vm] = {"progress": Progress(percent=None if told is None else float(told))}
        if task.get("info.descriptionId") in MOVES:
            found[vm]["state"] = PowerState.CHANGING
    return found


def unfinished(session: Session, vms: Mapping[str, Row]) -> dict[str, Row]:
    """Return the task of each VM that has not ended, without VMs that have none."""
    tasks = [task for row in vms.values() for task in row.get("recentTask", ())]
    found = read_some(session, TASK, tasks, {TASK: TASK_PATHS}).get(TASK, {}) if tasks else {}
    running = {task: {**row, "id": task} for task, row in found.items() if row.get("info.state") in UNFINISHED}
    return {vm: running[task] for vm, row in vms.items() for task in row.get("recentTask", ()) if task in running}
