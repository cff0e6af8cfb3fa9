# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ansible-inventory` says."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.bench import Bench

Inventory = dict[str, Any]


def read(bench: Bench, path: str) -> tuple[Inventory, str]:
    """Return what `ansible-inventory --list` says, with host variables as they are, and its warnings."""
    code, stdout, stderr = bench.command("ansible-inventory", "-i", path, "--list")
    assert code == 0, stderr
    return unmarked(json.loads(stdout)), stderr


def unmarked(value: Any) -> Any:
    """Undo the marks that Ansible prints beside what must not be a template."""
    if isinstance(value, dict):
        return value["__ansible_unsafe"] if "__ansible_unsafe" in value else {k: unmarked(v) for k, v in value.items()}
    return [unmarked(one) for one in value] if isinstance(value, list) else value
