# SPDX-License-Identifier: GPL-3.0-or-later
"""A cell of the truth matrix: a task, and how the VM is before it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.conformance.bed import Start


@dataclass(frozen=True, kw_only=True)
class Case:
    """One task.

    Texts of `options` may be words of the bed: $host, $storage, $volume (an image), $network, and where a VM can move:
    $target (another host), $fast, $lan; $vm is the VM that `start` describes, $new a name that is free. An action is
    done again by a second run, everything else is not.
    """

    module: str
    options: dict[str, Any]
    start: Start | None = None
    action: bool = False

    def __str__(self) -> str:
        told = {key: value for key, value in self.options.items() if key != "name"}
        said = json.dumps(told).replace('"', "").replace(": ", "=")
        return f"{self.module} {said} from {self.start or 'nothing'}"

    def with_words(self, words: dict[str, str]) -> dict[str, Any]:
        """Return the options with the words in their places."""
        filled: dict[str, Any] = fill(self.options, words)
        return filled


def fill(value: Any, words: dict[str, str]) -> Any:
    """Put words in their places, however deep."""
    if isinstance(value, str):
        return words[value[1:]] if value.startswith("$") else value
    if isinstance(value, dict):
        return {fill(key, words): fill(part, words) for key, part in value.items()}
    if isinstance(value, list):
        return [fill(part, words) for part in value]
    return value
