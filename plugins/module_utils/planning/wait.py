# SPDX-License-Identifier: GPL-3.0-or-later
"""What to wait for after a change."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from ..errors import InvalidOption
from ..steps import Step, WaitForAddress, WaitForGuest

WAIT_FOR = {
    "type": "dict",
    "options": {
        "guest": {"type": "bool", "default": False},
        "address": {
            "type": "dict",
            "options": {
                "family": {"type": "int", "choices": [4, 6]},
                "cidr": {"type": "str"},
                "link_local": {"type": "bool", "default": False},
            },
        },
        "timeout_seconds": {"type": "float", "default": 300},
    },
}


def waits(wanted: dict[str, Any] | None) -> tuple[Step, ...]:
    """Return the waits as steps; raises InvalidOption for a network that is none."""
    if not wanted:
        return ()
    seconds, address = wanted["timeout_seconds"], wanted["address"]
    steps: list[Step] = [WaitForGuest(timeout_seconds=seconds)] if wanted["guest"] else []
    if address is not None:
        try:
            ip_network(address["cidr"] or "0.0.0.0/0", strict=False)
        except ValueError as error:
            raise InvalidOption(f"wait_for.address.cidr: {error}") from error
        steps.append(WaitForAddress(timeout_seconds=seconds, **address))
    return tuple(steps)
