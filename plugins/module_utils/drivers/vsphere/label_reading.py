# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading labels: a VM's custom attributes by name, and its tags by category, in few calls for a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import convert
from .properties import Row
from .session import Session
from .tags import Tags

PATHS = ("customValue",)
Labels = dict[str, list[str]]


class LabelReader:
    """Reads the labels of many VMs; only a vCenter has any."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tags = Tags(session)

    def labels(self, rows: Mapping[str, Row]) -> dict[str, Labels]:
        """Return the labels of each of these VMs."""
        if not self._session.is_vcenter or not rows:
            return {thing: {} for thing in rows}
        names = self._attributes()
        tags = self._tags.attached(rows)
        return {thing: merged(tags.get(thing, {}), convert.attributes(row, names)) for thing, row in rows.items()}

    def _attributes(self) -> dict[int, str]:
        """Return the names of the custom attributes by key."""
        manager: Any = self._session.content.customFieldsManager
        fields = self._session.call("reading custom attributes", lambda: manager.field) if manager else ()
        return {one.key: one.name for one in fields or ()}


def merged(tags: Mapping[str, list[str]], attributes: Mapping[str, list[str]]) -> Labels:
    """Return both as one; a value that both have counts once."""
    return {key: sorted({*tags.get(key, ()), *attributes.get(key, ())}) for key in sorted({*tags, *attributes})}
