# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of the truth matrix through ansible-playbook: check mode tells what is done, and so does the diff."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.libvirt.bench import Bench
from tests.integration.truth import printed_diffs, told

pytestmark = pytest.mark.usefixtures("alone")
HOST = "kvm2"
CELLS = {
    "stopped": "stopped",
    "running": "running",
    "paused": "paused",
    "suspended": "suspended",
    "to-stop": "running",
    "to-discard": "suspended",
    "to-pause": "running",
    "to-suspend": "running",
    "to-keep": "suspended",
    "off": "stopped",
    "to-remove": "stopped",
}
CHANGED = {
    "stopped",
    "paused",
    "suspended",
    "to-stop",
    "to-discard",
    "to-pause",
    "to-suspend",
    "off",
    "new",
    "to-remove",
}


@pytest.fixture(scope="module")
def cells(bench: Bench) -> Iterator[None]:
    for name, state in CELLS.items():
        bench.machines.bare(HOST, f"it-cell-{name}", state, disk=True)
    yield
    bench.machines.remove(HOST, *(f"it-cell-{name}" for name in CELLS if name != "to-remove"), "it-cell-new")


@pytest.mark.usefixtures("cells")
def test_check_mode_and_diff_tell_what_is_done(bench: Bench) -> None:
    before = bench.machines.picture()
    with bench.lab.counting() as calls:
        check = bench.play("cells.yml", "--check", "--diff")
    assert not calls.writes
    assert bench.machines.picture() == before

    real = bench.play("cells.yml", "--diff")
    assert [told(result) for result in check.results] == [told(result) for result in real.results]
    vms = [vm for result in real.results for vm in result["vms"]]
    changed = [vm for vm in vms if vm["changed"]]
    assert {vm["name"].removeprefix("it-cell-") for vm in changed} == CHANGED
    diffs = [one for result in real.results for one in result["diff"]]
    assert [(one["before"], one["after"]) for one in diffs] == [(vm["before"], vm["after"]) for vm in changed]
    assert printed_diffs(check) == printed_diffs(real) == [vm["name"] for vm in changed]
    errors = {result["task"]: result["error"] for result in real.results if "error" in result}
    assert errors == {"Suspended to stopped is refused": "InvalidState", "A VM that differs is refused": "InvalidState"}
