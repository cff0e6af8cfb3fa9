# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode and a real run must agree on."""

from __future__ import annotations

import re

from tests.integration.bench import Bench, Played, Result

KNOWN_LATER = ("outcome", "via", "encrypted", "downtime_seconds", "progress")


def told(result: Result) -> list[Result]:
    """Return what check mode and a real run must agree on; a diff's header has an id as soon as there is one."""
    task = {key: result.get(key) for key in ("task", "changed", "error", "msg")}
    task["diff"] = [(one["before"], one["after"]) for one in result["diff"]]
    keys = ("name", "changed", "before", "after", "error", "msg", "differences")
    vms = [
        {key: vm.get(key) for key in keys}
        | {"steps": [{key: value for key, value in step.items() if key not in KNOWN_LATER} for step in vm["steps"]]}
        for vm in result["vms"]
    ]
    return [task, *vms]


def printed_diffs(played: Played) -> list[str]:
    """Return the VMs of which --diff printed something."""
    headers = re.findall(r"^\+\+\+ after: (.*)$", played.printed, re.MULTILINE)
    return [header.rpartition(" (")[0] or header for header in headers]


def moved_by_playbook(bench: Bench, vm: str, target: str) -> Result:
    """Move a VM by the playbook for every hypervisor: told, then done, then with nothing to do; return its result."""
    before = bench.picture()
    check = bench.play("move.yml", "--check", "--diff", vm=vm, target=target)
    assert bench.picture() == before
    real = bench.play("move.yml", "--diff", vm=vm, target=target)
    assert [told(result) for result in check.results] == [told(result) for result in real.results]
    assert printed_diffs(check) == printed_diffs(real) == [vm]
    after = bench.picture()
    assert bench.play("move.yml", "--diff", vm=vm, target=target).changed == [False]
    assert bench.picture() == after
    (result,) = real.results
    moved: Result = result["vm"]
    assert (moved["changed"], moved["after"]["host"], moved["after"]["state"]) == (
        True,
        target,
        moved["before"]["state"],
    )
    return moved
