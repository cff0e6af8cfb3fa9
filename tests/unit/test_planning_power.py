# SPDX-License-Identifier: GPL-3.0-or-later
"""Power planning beyond the page's table: where steps lead, deadlines, waits, transient VMs, what may be lost."""

from itertools import product
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    InvalidOption,
    InvalidState,
    Unsupported,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Part, PowerState, Vm
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.power import (
    ACTIONS,
    STATES,
    ShutdownPolicy,
    may_destroy,
    plan_power,
    plan_state,
    what_is_read,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.steps import Stop, WaitForAddress, WaitForGuest

from tests.unit.machines import Site
from tests.unit.memory import MemoryDriver

DRIVER = MemoryDriver(Site("kvm1", "kvm1"))
EVERYTHING = list(product(PowerState, STATES, ("guest", "hard", "auto"), (None, "no agent"), (False, True)))

# What each call does to a VM, and from where a hypervisor accepts it.
EFFECTS = {
    "start": ({"stopped"}, "running"),
    "stop": ({"running", "paused", "crashed"}, "stopped"),
    "shutdown": ({"running"}, "stopped"),
    "pause": ({"running"}, "paused"),
    "resume": ({"paused", "suspended"}, "running"),
    "suspend": ({"running", "paused"}, "suspended"),
    "discard_state": ({"suspended"}, "stopped"),
    "reset": ({"running", "paused"}, None),
}


def vm(state: PowerState, **facts: Any) -> Vm:
    return Vm(name="web1", id="1", uuid="1", host="kvm1", state=state, **facts)


@pytest.mark.parametrize("desired", ["running", "restarted"])
def test_a_template_is_not_started(desired: str) -> None:
    template = vm(PowerState.STOPPED, template=True)
    assert not plan_power(template, "stopped", ShutdownPolicy()).steps
    with pytest.raises(InvalidState, match="web1 is a template"):
        plan_power(template, desired, ShutdownPolicy())


@pytest.mark.parametrize(("current", "desired", "method", "deaf", "discard"), EVERYTHING)
def test_the_steps_lead_where_the_plan_says(
    current: PowerState, desired: str, method: str, deaf: str | None, *, discard: bool
) -> None:
    policy = ShutdownPolicy(method=method)
    try:
        plan = plan_power(vm(current), desired, policy, deaf=deaf, discard_state=discard)
    except (InvalidState, Unsupported):
        return
    state = current.value
    for step in plan.steps:
        allowed, result = EFFECTS[step.action]
        assert state in allowed
        state = result or state
    assert plan.before == {"state": current.value}
    assert plan.after == {"state": state}
    if deaf:
        assert "shutdown" not in [step.action for step in plan.steps]
    if desired not in ACTIONS:
        assert plan_power(vm(PowerState(state)), desired, policy, deaf=deaf, discard_state=discard).steps == ()


@pytest.mark.parametrize("current", [PowerState.CHANGING, PowerState.UNKNOWN])
@pytest.mark.parametrize("desired", STATES)
def test_nothing_is_planned_from_a_state_that_is_none(current: PowerState, desired: str) -> None:
    with pytest.raises(InvalidState):
        plan_power(vm(current), desired, ShutdownPolicy(method="hard"))


def test_why_nobody_can_tell_is_said() -> None:
    lost = vm(PowerState.UNKNOWN, state_reason="its host does not answer")
    with pytest.raises(InvalidState, match=r"web1 is unknown .*: its host does not answer"):
        plan_power(lost, "running", ShutdownPolicy())


@pytest.mark.parametrize(
    ("current", "desired", "method", "refused"),
    [
        ("running", "stopped", "guest", True),
        ("running", "stopped", "hard", True),
        ("running", "restarted", "guest", True),
        ("paused", "stopped", "hard", True),
        ("crashed", "running", "guest", True),
        ("running", "paused", "guest", False),
        ("running", "reset", "guest", False),
        ("running", "running", "guest", False),
    ],
)
def test_a_transient_vm_is_not_stopped(current: str, desired: str, method: str, *, refused: bool) -> None:
    one = vm(PowerState(current), transient=True)
    if not refused:
        plan_power(one, desired, ShutdownPolicy(method=method))
        return
    with pytest.raises(Unsupported, match="transient"):
        plan_power(one, desired, ShutdownPolicy(method=method))


def test_force_follows_a_deadline_and_only_then() -> None:
    policy = ShutdownPolicy(timeout_seconds=7, on_timeout="force")
    (step,) = plan_power(vm(PowerState.RUNNING), "stopped", policy).steps
    assert (step.timeout_seconds, step.on_timeout) == (7, Stop())
    (step,) = plan_power(vm(PowerState.RUNNING), "stopped", ShutdownPolicy(timeout_seconds=7)).steps
    assert (step.timeout_seconds, step.on_timeout) == (7, None)


@pytest.mark.parametrize("desired", ["stopped", "restarted"])
def test_losing_memory_is_refused_with_the_way_out(desired: str) -> None:
    with pytest.raises(InvalidState, match="discard_state: true"):
        plan_power(vm(PowerState.SUSPENDED), desired, ShutdownPolicy(method="hard"))


PARAMS: dict[str, Any] = {
    "state": "running",
    "shutdown": {"method": "guest", "timeout_seconds": 300, "on_timeout": "fail"},
    "discard_state": False,
    "wait_for": None,
}
WAIT: dict[str, Any] = {
    "guest": True,
    "address": {"family": 4, "cidr": None, "link_local": False},
    "timeout_seconds": 9,
}


def params(**changes: Any) -> dict[str, Any]:
    return PARAMS | changes


@pytest.mark.parametrize(
    ("current", "desired"), [("running", "running"), ("stopped", "running"), ("paused", "restarted")]
)
def test_waits_come_last_also_where_nothing_changes(current: str, desired: str) -> None:
    plan = plan_state(DRIVER, vm(PowerState(current)), params(state=desired, wait_for=WAIT))
    assert plan.steps[-2:] == (WaitForGuest(timeout_seconds=9), WaitForAddress(timeout_seconds=9, family=4))
    assert not any(step.changes for step in plan.steps[-2:])
    assert all(step.changes for step in plan.steps[:-2])


@pytest.mark.parametrize(
    ("current", "desired"),
    [("running", "stopped"), ("running", "paused"), ("running", "suspended"), ("paused", "reset")],
)
def test_waits_need_a_vm_that_runs(current: str, desired: str) -> None:
    with pytest.raises(InvalidOption, match="wait_for"):
        plan_state(DRIVER, vm(PowerState(current)), params(state=desired, wait_for=WAIT))


def test_a_network_that_is_none_is_refused() -> None:
    bad = WAIT | {"address": {"family": None, "cidr": "10.0.0.0/33", "link_local": False}}
    with pytest.raises(InvalidOption, match="cidr"):
        plan_state(DRIVER, vm(PowerState.RUNNING), params(wait_for=bad))


@pytest.mark.parametrize(
    ("wanted", "address", "fits"),
    [
        ({}, "192.0.2.1", True),
        ({}, "127.0.0.1", False),
        ({}, "::1", False),
        ({}, "169.254.1.1", False),
        ({}, "fe80::1", False),
        ({"link_local": True}, "fe80::1", True),
        ({"family": 4}, "2001:db8::1", False),
        ({"family": 6}, "2001:db8::1", True),
        ({"cidr": "192.0.2.0/24"}, "192.0.2.9", True),
        ({"cidr": "192.0.2.7/24"}, "192.0.2.9", True),
        ({"cidr": "192.0.2.0/24"}, "192.0.3.9", False),
        ({"cidr": "192.0.2.0/24"}, "2001:db8::1", False),
    ],
)
def test_addresses_that_are_waited_for(wanted: dict[str, Any], address: str, *, fits: bool) -> None:
    assert WaitForAddress(**wanted).accepts(address) is fits


@pytest.mark.parametrize(
    ("changes", "destroys"),
    [
        ({"state": "running"}, False),
        ({"state": "paused"}, False),
        ({"state": "stopped"}, False),
        ({"state": "restarted"}, False),
        ({"state": "reset"}, True),
        ({"state": "stopped", "discard_state": True}, True),
        ({"state": "running", "discard_state": True}, False),
        ({"state": "stopped", "shutdown": {"method": "hard", "on_timeout": "fail"}}, True),
        ({"state": "restarted", "shutdown": {"method": "auto", "on_timeout": "fail"}}, True),
        ({"state": "stopped", "shutdown": {"method": "guest", "on_timeout": "force"}}, True),
        ({"state": "running", "shutdown": {"method": "hard", "on_timeout": "fail"}}, False),
    ],
)
def test_what_may_be_lost_needs_a_limit(changes: dict[str, Any], *, destroys: bool) -> None:
    assert may_destroy(params(**changes)) is destroys


@pytest.mark.parametrize(
    ("state", "method", "read"),
    [
        ("stopped", "guest", (Part.LIMITS,)),
        ("restarted", "auto", (Part.LIMITS, Part.PLACE)),
        ("stopped", "hard", ()),
        ("running", "guest", (Part.PLACE,)),
        ("paused", "guest", ()),
    ],
)
def test_whether_a_guest_hears_and_its_host_takes_vms_is_read_only_where_it_counts(
    state: str, method: str, read: tuple[Part, ...]
) -> None:
    assert what_is_read(params(state=state, shutdown={**PARAMS["shutdown"], "method": method})) == read


def test_a_deaf_guest_is_cut_off_only_where_that_was_allowed() -> None:
    deaf = vm(PowerState.RUNNING, limits={Capability.SHUTDOWN.value: "no agent"})
    with pytest.raises(Unsupported, match="no agent"):
        plan_state(DRIVER, deaf, params(state="stopped"))
    auto = params(state="stopped", shutdown={**PARAMS["shutdown"], "method": "auto"})
    assert plan_state(DRIVER, deaf, auto).steps == (Stop(),)


def test_what_every_hypervisor_can_is_still_refused_where_the_vm_is() -> None:
    closed = vm(PowerState.STOPPED, limits={"start": "host kvm1 is in maintenance"})
    plan = plan_state(DRIVER, closed, params(state="running"))
    with pytest.raises(InvalidState, match="in maintenance"):
        plan.check(DRIVER, closed)


def test_a_step_that_this_vm_cannot_is_refused_by_name() -> None:
    transient = vm(PowerState.RUNNING, transient=True)
    with pytest.raises(Unsupported, match="web1 is transient"):
        plan_state(DRIVER, transient, params(state="suspended")).check(DRIVER, transient)
