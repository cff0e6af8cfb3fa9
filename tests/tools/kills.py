# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one table of all runs in `.build/migrate-kills`, and `summary.json` beside them; status 1 if one was bad."""

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

FOLDER = Path(__file__).parents[2] / ".build/migrate-kills"
TITLES = (
    "victim",
    "runs",
    "lost",
    "ran twice",
    "disks differ",
    "second run ends well",
    "moved all the same",
    "killed with its only copy",
    "guest died",
    "otherwise wrong",
    "median s",
)
Row = dict[str, Any]


def summary(victim: str, rows: list[Row]) -> Row:
    """Count the runs of one victim."""
    counted = {
        "victim": victim,
        "runs": len(rows),
        "lost": sum(row["lost"] for row in rows),
        "ran twice": sum(bool(row["twice"]) for row in rows),
        "disks differ": sum(bool(row["differing"]) for row in rows),
        "second run ends well": sum("error" not in row["second"] for row in rows),
        "moved all the same": sum(not row["second"].get("changed", True) for row in rows),
        "killed with its only copy": sum(row["killed_with_its_only_copy"] for row in rows),
        "guest died": sum(row.get("guest_died", False) for row in rows),
        "median s": median(row["seconds"] for row in rows),
    }
    return counted | {"otherwise wrong": sum(bool(row["wrong"]) for row in rows)}


def main() -> int:
    """Print the table, and what each bad run said."""
    rows: list[Row] = [json.loads(line) for path in sorted(FOLDER.glob("*.jsonl")) for line in path.open()]
    victims = list(dict.fromkeys(row["victim"] for row in rows))
    table = [summary(victim, [row for row in rows if row["victim"] == victim]) for victim in victims]
    (FOLDER / "summary.json").write_text(json.dumps(table, indent=2) + "\n")
    print(f"| {' | '.join(TITLES)} |\n|{' --- |' * len(TITLES)}")
    for line in table:
        print(f"| {' | '.join(str(line[title]) for title in TITLES)} |")
    bad = [row for row in rows if row["wrong"]]
    for row in bad:
        print(f"{row['victim']} seed {row['seed']} at {row['at']}: {'; '.join(row['wrong'])}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
