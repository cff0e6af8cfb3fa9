# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible alone: sources that have in a local file what another source lists, the part that no plugin can save."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.rivals import ENVIRONMENT, WORK
from tests.lab.commands import LabError

ALONE, ALONE_FAST = "Ansible alone", "Ansible alone, variables set at once"


def sources(argv: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Run `ansible-inventory --list`, and return what lists the same from a file; raises LabError without hosts."""
    data = WORK / "fleet.json"
    groups = json.loads(listed(argv))
    hosts = bare(groups.pop("_meta")["hostvars"])
    if not hosts:
        raise LabError(f"{argv} lists no hosts")
    members = {name: group["hosts"] for name, group in groups.items() if "hosts" in group}
    data.write_text(json.dumps({"hosts": hosts, "groups": members}))
    return {
        name: {"plugin": "local_file", "data": str(data), "by_method": name == ALONE} for name in (ALONE, ALONE_FAST)
    }


def listed(argv: Sequence[str]) -> bytes:
    """Return what a program prints."""
    return subprocess.run(argv, env=ENVIRONMENT, check=True, capture_output=True).stdout


def bare(value: Any) -> Any:
    """Return values without the wrapping that marks a text as no template."""
    if isinstance(value, dict):
        if "__ansible_unsafe" in value:
            return bare(value["__ansible_unsafe"])
        return {key: bare(part) for key, part in value.items()}
    return [bare(one) for one in value] if isinstance(value, list) else value
