# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible alone: a source that has in a local file what another source lists."""

import json
from pathlib import Path
from typing import Any


def source(listed: bytes, data: Path, *, by_method: bool) -> dict[str, Any]:
    """Write what `ansible-inventory --list` printed to a file, and return a source that reads it."""
    groups = json.loads(listed)
    hosts = bare(groups.pop("_meta")["hostvars"])
    members = {name: group["hosts"] for name, group in groups.items() if "hosts" in group}
    data.write_text(json.dumps({"hosts": hosts, "groups": members}))
    return {"plugin": "local_file", "data": str(data), "by_method": by_method}


def bare(value: Any) -> Any:
    """Return values without the wrapping that marks a text as no template."""
    if isinstance(value, dict):
        return (
            bare(value["__ansible_unsafe"]) if "__ansible_unsafe" in value else {k: bare(v) for k, v in value.items()}
        )
    return [bare(one) for one in value] if isinstance(value, list) else value
