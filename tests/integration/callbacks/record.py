# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes every task's result as a line of JSON, as Ansible has it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: notification
short_description: Record results for tests
description: Appends each result to the file that RECORD_TO names.
"""


class CallbackModule(CallbackBase):
    """For tests, which read the file when the playbook has ended."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        """Keep it."""
        self._keep(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: FBT001, FBT002
        """Keep it too."""
        self._keep(result)

    def _keep(self, result: Any) -> None:
        line = json.dumps({"task": result.task_name, **result.result}, default=str)
        with Path(os.environ["RECORD_TO"]).open("a") as file:
            file.write(f"{line}\n")
