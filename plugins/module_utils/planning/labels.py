# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels as users write them, and their one form."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidOption


def labels_from(given: dict[str, Any], option: str) -> dict[str, list[str]]:
    """Return labels in their one form, sorted texts per key, none twice; a single text or number is a list of one."""
    labels = {}
    for key, value in given.items():
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(one, (str, int, float)) for one in values):
            raise InvalidOption(f"{option}: the value of {key!r} must be a text or a list of texts")
        labels[str(key)] = sorted({str(one) for one in values})
    return labels
