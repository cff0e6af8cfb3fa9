# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints a playbook as a story for `make demo`: each task with its time, and what it did to which VM."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: story
type: stdout
short_description: Tell what tasks did to VMs
description: One line per task, one per VM that it changed, and the text of debug and assert.
"""
SILENT = {"async_status", "file", "include_tasks", "meta", "set_fact", "tempfile"}


class CallbackModule(CallbackBase):
    """Of a play on one host."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "story"

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Say what the play is about."""
        self._display.display(f"\n{play.get_name()}", color="bright blue")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: FBT001
        """Take the time."""
        self.started = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        """Tell what was done."""
        if result.task.action.rpartition(".")[2] in SILENT:
            return
        said = result.result
        changed = said.get("changed", False)
        self._title(result, "changed" if changed else "ok", "yellow" if changed else "green")
        for vm in said.get("vms", []):
            if steps := vm.get("steps"):
                done = ", ".join(f"{step['action']}: {step['outcome']}" for step in steps)
                self._display.display(f"      {vm['name']:<12}{vm['host']:<11}{done}")
        for line in str(said.get("msg", "")).splitlines():
            self._display.display(f"      {line}")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: FBT001, FBT002
        """Say why."""
        self._title(result, "FAILED", "red")
        self._display.display(self._dump_results(result.result, indent=2), color="red")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Say why."""
        self.v2_runner_on_failed(result)

    def _title(self, result: Any, outcome: str, color: str) -> None:
        seconds = time.monotonic() - self.started
        self._display.display(f"  {result.task_name:<54}{outcome:>8}{seconds:7.1f} s", color=color)
