# SPDX-License-Identifier: GPL-3.0-or-later
"""Where molecule does not look: check mode and refusals of two roles, and the report on a fleet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.bench import Played
from tests.integration.libvirt.bench import Bench

pytestmark = pytest.mark.usefixtures("alone")
VMS = {"it-tier1": "kvm1", "it-tier2": "kvm2"}
TIERS = [{"name": "first", "vms": ["it-tier1"]}, {"name": "second", "vms": ["it-tier2"]}]


@pytest.fixture(autouse=True)
def vms(bench: Bench) -> Iterator[None]:
    """A stopped VM on each host, without an OS."""
    for name, host in VMS.items():
        bench.machines.bare(host, name, disk=True)
    yield
    bench.machines.clear("it-tier")


def sequence(bench: Bench, state: str, *argv: str, fails: bool = False, tiers: Any = None) -> Played:
    """Play the collection's playbook."""
    words: dict[str, Any] = {
        "power_sequence_hypervisor": {"name": "lab"},
        "power_sequence_state": state,
        "power_sequence_tiers": tiers or TIERS,
    }
    return bench.play("crossvirt.lifecycle.power_sequence", *argv, fails=fails, **words)


@pytest.mark.parametrize(("before", "state", "tasks"), [("stopped", "running", 2), ("paused", "restarted", 2)])
def test_check_mode_changes_nothing(bench: Bench, before: str, state: str, tasks: int) -> None:
    hard = [tier | {"shutdown": {"method": "hard"}} for tier in TIERS]
    for name, host in VMS.items():
        bench.machines.put(host, name, before)
    picture = bench.picture()
    played = sequence(bench, state, "--check", tiers=hard)
    assert bench.picture() == picture
    assert sum(played.changed) == tasks


def test_what_one_tier_refuses_keeps_the_others(bench: Bench) -> None:
    bench.machines.put("kvm1", "it-tier1", "running")
    bench.machines.put("kvm2", "it-tier2", "suspended")
    before = bench.picture()
    message = str(sequence(bench, "restarted", fails=True).results[-1]["msg"])
    assert bench.picture() == before
    assert "not every tier can be restarted" in message
    assert "- second stopped: " in message
    assert "- first" not in message


def test_a_vm_in_two_tiers_is_refused(bench: Bench) -> None:
    before = bench.picture()
    twice = [*TIERS, {"name": "third", "select": {"name": "it-tier2"}}]
    message = str(sequence(bench, "running", fails=True, tiers=twice).results[-1]["msg"])
    assert bench.picture() == before
    assert "- it-tier2: second, third" in message


def test_a_report_of_old_snapshots_in_check_mode(bench: Bench) -> None:
    for name, host in VMS.items():
        for number in (1, 2):
            bench.lab.virsh(host, "snapshot-create-as", name, f"nightly-{number}")
    before = bench.picture()
    words: dict[str, Any] = {
        "snapshot_retention_hypervisor": {"name": "lab"},
        "snapshot_retention_select": {"name": "it-tier*"},
        "snapshot_retention_max_vms": 2,
        "snapshot_retention_keep": 1,
    }
    played = bench.play("crossvirt.lifecycle.snapshot_retention", "--check", **words)
    assert bench.picture() == before
    assert sum(played.changed) == 1
    assert "2 snapshots are old, on 2 of 2 VMs.\\n- it-tier1 on kvm1: nightly-1" in played.printed
    bench.play("crossvirt.lifecycle.snapshot_retention", **words)
    left = [bench.lab.virsh(host, "snapshot-list", name, "--name") for name, host in VMS.items()]
    assert left == ["nightly-2", "nightly-2"]


def test_a_report_on_a_fleet(bench: Bench) -> None:
    bench.lab.virsh("kvm1", "snapshot-create-as", "it-tier1", "old")
    words: dict[str, Any] = {
        "fleet_report_connections": [{"name": "lab"}, {"name": "nowhere"}],
        "fleet_report_older_than_days": 0,
    }
    file = bench.folder / "fleet.md"
    played = bench.play("crossvirt.lifecycle.fleet_report", fails=True, **words, fleet_report_file=str(file))
    assert "nowhere" in str(played.results[-1]["msg"])
    report = file.read_text()
    assert "| lab | it-tier1 | old |" in report
    assert "| lab | kvm1 | up |" in report
    assert "NOT READ" in report
