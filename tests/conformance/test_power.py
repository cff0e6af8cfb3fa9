# SPDX-License-Identifier: GPL-3.0-or-later
"""What each power call does, from every state: it works, is harmless where it already holds, or is refused."""

from __future__ import annotations

import time
from itertools import product

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability, Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    CrossvirtError,
    InvalidState,
    NotFound,
    Unsupported,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Part, Ref, Vm

from tests.conformance.bed import Bed, Start
from tests.conformance.results import Results

STARTS = ("running", "stopped", "paused", "suspended", "crashed")

# Where each call works, and what the VM is then; None stays as it is.
EFFECTS: dict[str, tuple[set[str], str | None]] = {
    "start": ({"stopped"}, "running"),
    "stop": ({"running", "paused", "crashed"}, "stopped"),
    "pause": ({"running"}, "paused"),
    "resume": ({"paused", "suspended"}, "running"),
    "suspend": ({"running"}, "suspended"),
    "discard_state": ({"suspended"}, "stopped"),
    "reset": ({"running"}, None),
}
# What the contract leaves open: whether a start uses saved memory, and who may suspend or reset what stands still.
OPEN = {("start", "suspended"), ("suspend", "paused"), ("reset", "paused"), ("reset", "crashed")}


def found(driver: Driver, name: str, *parts: Part) -> Vm:
    (vm,) = driver.find_vms((Ref("name", name),), parts)
    return vm


def is_claimed(driver: Driver, method: str) -> bool:
    """Say whether a driver can do this at all; what is no capability every driver can."""
    return method not in list(Capability) or driver.refuses(Capability(method)) is None


@pytest.mark.parametrize(("method", "state"), [pair for pair in product(EFFECTS, STARTS) if pair not in OPEN], ids=str)
def test_a_call_works_is_harmless_or_is_refused(bed: Bed, driver: Driver, method: str, state: str) -> None:
    vm = bed.vm(Start(state))
    vm_id = found(driver, vm).id
    allowed, goal = EFFECTS[method]
    assert bed.state(vm) == state
    if not is_claimed(driver, method):
        with pytest.raises(Unsupported):
            getattr(driver, method)(vm_id).result(bed.patience_seconds)
        assert bed.state(vm) == state
    elif state in allowed or state == goal:
        assert getattr(driver, method)(vm_id).result(bed.patience_seconds) is None
        assert bed.state(vm) == (goal or state)
    else:
        with pytest.raises(InvalidState):
            getattr(driver, method)(vm_id).result(bed.patience_seconds)
        assert bed.state(vm) == state


def test_a_guest_that_is_asked_goes_off(bed: Bed, driver: Driver) -> None:
    vm = bed.vm(Start("running", "guest"))
    seen = found(driver, vm, Part.LIMITS)
    assert driver.refuses(Capability.SHUTDOWN, seen) is None
    driver.shutdown(seen.id).result(bed.patience_seconds)
    deadline = time.monotonic() + bed.patience_seconds
    while bed.state(vm) != "stopped":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert driver.get_vms([seen.id])[seen.id].state == "stopped"
    driver.shutdown(seen.id).result(bed.patience_seconds)  # harmless now


def test_a_guest_that_cannot_hear_is_refused_by_name(
    bed: Bed, driver: Driver, results: Results, request: pytest.FixtureRequest
) -> None:
    vm = bed.vm(Start("running", "deaf"))
    with bed.watching() as writes:
        result = bed.run("vm_state", {"name": vm, "state": "stopped"})
    assert result["error"] == "Unsupported"
    assert writes == []
    assert driver.refuses(Capability.SHUTDOWN, found(driver, vm, Part.LIMITS))
    results.refuse(request.node.nodeid, "asking a guest that cannot hear to shut down", result["msg"])
    assert bed.state(vm) == "running"


@pytest.mark.parametrize("method", [*EFFECTS, "shutdown"])
def test_an_unknown_vm_is_not_found(bed: Bed, driver: Driver, method: str) -> None:
    expected: type[CrossvirtError] = NotFound if is_claimed(driver, method) else Unsupported
    with pytest.raises(expected):
        getattr(driver, method)("00000000-0000-4000-8000-00000000dead").result(bed.patience_seconds)


@pytest.mark.parametrize("state", STARTS)
def test_states_are_read_as_the_witness_sees_them(bed: Bed, driver: Driver, state: str) -> None:
    vm = bed.vm(Start(state))
    assert found(driver, vm).state == bed.state(vm) == state
