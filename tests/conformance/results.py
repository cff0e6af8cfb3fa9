# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts what a run of the suite found, prints it, and keeps it for the support matrix and for people."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / ".build" / "results"


@dataclass
class Results:
    """`refused` are claims to be unable that proved true, by what was asked; `truth` the cases of the truth matrix."""

    backend: str
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    worked: set[str] = field(default_factory=set)
    truth: dict[str, list[str]] = field(default_factory=dict)

    def count(self, test: str, outcome: str) -> None:
        """Count one test; one that proved a refusal counts as such."""
        self.outcomes["refused as unsupported" if test in self.refused and outcome == "passed" else outcome] += 1

    def refuse(self, test: str, reason: str) -> None:
        """Note that a test proved that something is refused, with a reason and before any change."""
        self.refused[test] = reason

    def disagree(self, case: str, what: list[str]) -> None:
        """Note how check mode, a real run and a second one disagree about a case; nothing is what it should be."""
        self.truth[case] = what

    def lines(self) -> list[str]:
        """Return what people want to know."""
        kinds = ("passed", "refused as unsupported", "skipped", "failed")
        counts = ", ".join(f"{self.outcomes[kind]} {kind}" for kind in kinds)
        disagreements = sum(bool(what) for what in self.truth.values())
        return [
            f"conformance {self.backend}: {counts}",
            f"truth matrix {self.backend}: {len(self.truth)} cases, {disagreements} disagreements",
        ]

    def save(self) -> None:
        """Write `.build/results/conformance-<backend>.json`."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"conformance-{self.backend}.json"
        found: dict[str, Any] = {
            "outcomes": dict(sorted(self.outcomes.items())),
            "refused": self.refused,
            "truth": {"cases": len(self.truth), "disagreements": {one: why for one, why in self.truth.items() if why}},
        }
        path.write_text(json.dumps(found, indent=2) + "\n")
