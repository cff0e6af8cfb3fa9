# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what pytest's reports in a folder count together, and what was skipped and why."""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET


def main(folder: Path) -> int:
    """Return 1 if a test failed, or none was run."""
    cases = [case for report in sorted(folder.glob("*.xml")) for case in ET.parse(report).iter("testcase")]
    outcomes = Counter(outcome(case) for case in cases)
    for reason, count in Counter(why.get("message") for case in cases for why in case.iter("skipped")).items():
        print(f"skipped {count}: {reason}")
    print(f"{outcomes['passed']} passed, {outcomes['failed']} failed, {outcomes['skipped']} skipped")
    return int(bool(outcomes["failed"]) or not cases)


def outcome(case: ET.Element) -> str:
    """Of one test: passed, failed (errors included) or skipped."""
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in kinds else "passed"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
