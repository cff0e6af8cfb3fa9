# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth matrix: from the same start, check mode and a real run agree, and a second run changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.bed import Bed
from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.conformance.results import Results
from tests.unit.harness import Result

COMPARED = ("changed", "error", "before", "after", "differences", "reasons")
KNOWN_LATER = ("outcome", "via", "encrypted", "downtime_seconds", "progress")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_check_mode_tells_the_truth(bed: Bed, case: Case, results: Results) -> None:
    words = bed.words() | bed.road() | {"new": bed.free_name()}
    moves = case.module == "vm_migrate"
    if case.start:
        words["vm"] = bed.traveller(case.start) if moves else bed.vm(case.start)
    options = case.with_words(words)
    try:
        found = list(disagreements(bed, case, options))
    finally:
        for name in {words.get("vm", words["new"]), words["new"]} if moves or case.module == "vm" else ():
            bed.forget(name)
    results.disagree(str(case), found)
    assert found == []


def disagreements(bed: Bed, case: Case, options: dict[str, Any]) -> list[str]:
    """Run a task in check mode, for real, and again; return everything that is not as promised."""
    with bed.watching() as writes:
        predicted = bed.run(case.module, options, check_mode=True)
    said = [f"check mode writes: {', '.join(writes)}"] if writes else []
    with bed.watching() as writes:
        done = bed.run(case.module, options)
    if writes and not done["changed"]:
        said.append(f"a run that changed nothing writes: {', '.join(writes)}")
    said += [
        f"{what}: check mode says {one!r}, a real run {other!r}"
        for (what, one), (_what, other) in zip(told(predicted), told(done), strict=True)
        if one != other
    ]
    said += witnessed(bed, options, done)
    if case.module == "vm_migrate" and case.start and not done["changed"]:
        seen, known = bed.sightings(options["name"]), {bed.words()["host"]: case.start.state}
        said += [f"the VM that was refused is {seen} for the witness"] if seen != known else []
    if case.action or "error" in done:
        return said
    with bed.watching() as writes:
        again = bed.run(case.module, options)
    if again["changed"] or "error" in again or writes:
        said.append(f"a second run changes {writes or again}")
    return said


def told(result: Result) -> list[tuple[str, Any]]:
    """Return what check mode and a real run have to agree on."""
    vms = [{**{key: vm.get(key) for key in COMPARED}, "steps": planned_steps(vm["steps"])} for vm in result["vms"]]
    diff = [{key: one[key] for key in ("before", "after")} for one in result.get("diff", [])]
    return [("changed", result["changed"]), ("error", result.get("error")), ("vms", vms), ("diff", diff)]


def planned_steps(steps: list[Result]) -> list[Result]:
    """Return the steps without their outcomes, and without those that only a missed deadline brought."""
    planned, late = [], False
    for step in steps:
        if not late:
            planned.append({key: value for key, value in step.items() if key not in KNOWN_LATER})
        late = step.get("outcome") == "timeout"
    return planned


def witnessed(bed: Bed, options: dict[str, Any], done: Result) -> list[str]:
    """Compare what a run says that is true now with what the witness sees."""
    said = []
    for vm in done["vms"]:
        name, after = vm.get("name", options.get("name")), vm.get("after", {})
        if not name:
            continue
        seen: dict[str, Any] = {"exists": bed.exists(name)}
        claimed: dict[str, Any] = {"exists": bool(after)} if "after" in vm and vm["changed"] else {}
        if seen["exists"]:
            readers: dict[str, Callable[[str], Any]] = {
                "state": bed.state,
                "snapshots": bed.snapshots,
                "host": lambda name: ", ".join(bed.sightings(name)),
            }
            seen |= {key: read(name) for key, read in readers.items() if key in after}
            claimed |= {key: after[key] for key in readers if key in after}
        said += [
            f"{key} of {name} is {claimed[key]!r} for the module, {seen[key]!r} for the witness"
            for key in claimed
            if claimed[key] != seen[key]
        ]
    return said
