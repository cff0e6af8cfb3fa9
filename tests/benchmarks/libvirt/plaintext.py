# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections without encryption, which would cost both sides the same."""

from typing import Any


def plain(connection: dict[str, Any]) -> str:
    """Return the plaintext URI of a connection of the lab."""
    return str(connection["hosts"][0]).replace("qemu+tls:", "qemu+tcp:")
