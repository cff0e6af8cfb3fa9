# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that end and connections that break in the middle: work goes on, or there is one clear error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.integration.bench import assert_refused, steps_of
from tests.integration.vsphere.bench import HARD, OFF, ON, Bench
from tests.lab.vsphere.client import Rule

VM = "DC0_H0_VM0"
STOP: dict[str, Any] = {"name": VM, "state": "stopped", "shutdown": HARD}
SERVICE_UNAVAILABLE = 503


@pytest.mark.parametrize(
    ("key", "call"),
    [
        ("name", "RetrievePropertiesEx"),  # the view of the fleet goes with the session
        ("id", "RetrievePropertiesEx"),  # the answer is a VM without properties
        ("uuid", "FindAllByUuid"),
    ],
)
def test_a_session_that_expires_while_reading(bench: Bench, key: str, call: str) -> None:
    seen = bench.run("vm_info", name=VM)["vm"]
    bench.control.reset()
    bench.control.delays(**{call: 0.5})
    process = bench.begin("vm_info", **{key: seen[key]})
    bench.wait_for_call(call)
    assert bench.control.end_sessions() == 1
    assert process.result()["vm"] == seen
    assert bench.called("Login") == 2


@pytest.mark.parametrize(
    ("call", "slow"),
    [("PowerOffVM_Task", "PowerOffVM_Task"), ("WaitForUpdatesEx", "PowerOffVM")],
    ids=["between reading and changing", "while the task runs"],
)
def test_a_session_that_expires_while_changing(bench: Bench, call: str, slow: str) -> None:
    bench.control.delays(**{slow: 0.5})
    process = bench.begin("vm_state", **STOP)
    bench.wait_for_call(call)
    assert bench.control.end_sessions() == 1
    result = process.result()
    assert ("error" in result, steps_of(result)) == (False, [[("stop", "done")]])
    assert bench.called("Login") == 2
    assert bench.witness.states()[VM] == OFF


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(method="RetrieveServiceContent", drop="before"), ["while connecting", "closed connection"]),
        (Rule(method="Login", http=SERVICE_UNAVAILABLE), ["while connecting", "503 Service Unavailable"]),
        (Rule(method="RetrievePropertiesEx", drop="after"), ["while reading", "closed connection"]),
        (Rule(method="RetrievePropertiesEx", http=SERVICE_UNAVAILABLE), ["while reading", "503 Service Unavailable"]),
    ],
    ids=lambda value: f"{value.method} {value.http or value.drop}" if isinstance(value, Rule) else None,
)
def test_a_connection_that_breaks_before_the_change(bench: Bench, rule: Rule, words: list[str]) -> None:
    bench.control.faults(replace(rule, count=1))
    assert_refused(bench.run("vm_state", **STOP), "ConnectionFailed", bench.sim.address, *words)
    assert bench.witness.states()[VM] == ON


@pytest.mark.parametrize(
    ("rule", "after"),
    [
        (Rule(method="PowerOffVM_Task", http=SERVICE_UNAVAILABLE, count=1), ON),
        (Rule(method="PowerOffVM_Task", drop="before", count=1), ON),
        (Rule(method="PowerOffVM_Task", drop="after", count=1), OFF),
    ],
    ids=["503", "lost on the way", "lost on the way back"],
)
def test_a_change_whose_answer_is_lost(bench: Bench, rule: Rule, after: str) -> None:
    """It may have begun, and is not begun twice: what is true is read back, and a second run does the rest."""
    bench.control.faults(rule)
    result = bench.run("vm_state", **STOP)
    assert (result["error"], result["changed"]) == ("ConnectionFailed", True)
    assert f"while stopping {VM}" in result["msg"]
    assert steps_of(result) == [[("stop", "failed")]]
    assert result["vm"]["after"] == {"state": "running" if after == ON else "stopped"}
    assert bench.called("PowerOffVM_Task") == 1
    assert bench.witness.states()[VM] == after
    assert bench.run("vm_state", **STOP)["changed"] is (after == ON)
    assert bench.witness.states()[VM] == OFF


@pytest.mark.parametrize(
    "rule",
    [
        Rule(method="CreateListView", drop="after", count=1),
        Rule(method="CreateFilter", drop="before", count=1),
        Rule(method="WaitForUpdatesEx", http=SERVICE_UNAVAILABLE, count=2),
        Rule(method="WaitForUpdatesEx", drop="before", count=1),
        Rule(method="WaitForUpdatesEx", drop="after", count=1),
    ],
    ids=lambda rule: f"{rule.method} {rule.http or rule.drop}",
)
def test_a_task_is_found_again(bench: Bench, rule: Rule) -> None:
    """It went on while the connection that waited for it was lost."""
    bench.control.faults(rule)
    result = bench.run("vm_state", **STOP)
    assert ("error" in result, steps_of(result)) == (False, [[("stop", "done")]])
    assert bench.witness.states()[VM] == OFF


def test_a_task_that_nobody_can_ask_for(bench: Bench) -> None:
    bench.control.faults(Rule(method="WaitForUpdatesEx", http=SERVICE_UNAVAILABLE))
    result = bench.run("vm_state", **STOP)
    assert (result["error"], steps_of(result)) == ("ConnectionFailed", [[("stop", "failed")]])
    assert f"while stopping {VM}: 503" in result["msg"]


def test_a_connection_that_breaks_before_the_logout(bench: Bench) -> None:
    bench.control.faults(Rule(method="Logout", drop="before", count=1))
    assert "error" not in bench.run("vm_info", name=VM)
    assert bench.control.sessions() == []
