# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of the suite found: printed, and kept for the support matrix in `.build/results`."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import About

FOLDER = Path(__file__).parents[2] / ".build" / "results"
KEPT = Path(__file__).parent / "kept"  # of backends that only full runs try: what the last one found
FULL_RUNS = ("xen",)
KINDS = ("passed", "refused as unsupported", "skipped", "failed")
NAMES = re.compile(r"\S*conf-[\w.-]*\w|127\.[\d.]+:\d+")  # of the suite's own VMs, disks and endpoints


@dataclass
class Results:
    """`refused` and `impossible` say what, and why; `truth` has the disagreements of every case."""

    backend: str
    product: str = ""
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    impossible: dict[str, int] = field(default_factory=dict)
    truth: dict[str, list[str]] = field(default_factory=dict)
    refusing: set[str] = field(default_factory=set)

    def describe(self, about: About, played_by: str | None) -> None:
        """Note who was tested, without the last numbers of versions, which come and go with updates."""
        said = f"{about.product}, version {about.version}"
        self.product = re.sub(r"(\d+\.\d+)\.\d+", r"\1", f"{played_by}, as {said}" if played_by else said)

    def count(self, test: str, outcome: str, reason: str = "") -> None:
        """Count one test; one that proved a refusal counts as such."""
        self.outcomes[KINDS[1] if test in self.refusing and outcome == "passed" else outcome] += 1
        if outcome == "skipped":
            reason = NAMES.sub("X", reason)
            self.impossible[reason] = self.impossible.get(reason, 0) + 1

    def refuse(self, test: str, what: str, reason: str) -> None:
        """Note that a test proved that something is refused, with a reason and before any change."""
        self.refusing.add(test)
        self.refused[what] = NAMES.sub("X", reason.removeprefix("nothing was changed: "))

    def disagree(self, case: str, what: list[str]) -> None:
        """Note how check mode, a real run and a second one disagree about a case; nothing is what it should be."""
        self.truth[case] = what

    @property
    def disagreements(self) -> int:
        """How many cases check mode lied about."""
        return sum(bool(what) for what in self.truth.values())

    def lines(self) -> list[str]:
        """Return what people want to know."""
        counts = ", ".join(f"{self.outcomes[kind]} {kind}" for kind in KINDS)
        return [
            f"conformance {self.backend}: {counts}",
            f"truth matrix {self.backend}: {len(self.truth)} cases, {self.disagreements} disagreements",
        ]

    def save(self) -> None:
        """Keep them."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        kept = vars(self) | {"refusing": sorted(self.refusing)}
        path_of(self.backend).write_text(json.dumps(kept, indent=2) + "\n")


def path_of(backend: str) -> Path:
    """Return where a backend's results are kept."""
    return FOLDER / f"conformance-{backend}.json"


def load(backend: str) -> Results:
    """Return the results of the last whole run; raises FileNotFoundError."""
    path = path_of(backend)
    kept = json.loads((path if path.exists() or backend not in FULL_RUNS else KEPT / path.name).read_text())
    kept |= {"outcomes": Counter(kept["outcomes"]), "refusing": set(kept["refusing"])}
    return Results(**kept)


def is_wanted(backend: str) -> bool:
    """Say whether the page is to tell of a backend: of one that only full runs try, once one has."""
    path = path_of(backend)
    return backend not in FULL_RUNS or path.exists() or (KEPT / path.name).exists()


def keep() -> None:
    """Keep what was found on backends that only full runs try."""
    for backend in FULL_RUNS:
        if (path := path_of(backend)).exists():
            KEPT.mkdir(exist_ok=True)
            (KEPT / path.name).write_text(path.read_text())
