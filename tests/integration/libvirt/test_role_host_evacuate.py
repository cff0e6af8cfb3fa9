# SPDX-License-Identifier: GPL-3.0-or-later
"""The role host_evacuate on real hosts: guests answer throughout, and a host that cannot be emptied stays up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.bench import Played
from tests.integration.libvirt.bench import Bench
from tests.lab.silence import Silence

pytestmark = pytest.mark.usefixtures("alone")
AWAY = ["it-evacuate1", "it-evacuate2"]
STAYS = "it-evacuate3"
BOOT = "/proc/sys/kernel/random/boot_id"
LOST_MS = 10_000  # no figure to be held: more than that would be a guest that was gone


@pytest.fixture(scope="module", autouse=True)
def guests(bench: Bench) -> Iterator[None]:
    """Two guests that can be reached on kvm1, and a VM there that is off."""
    made = bench.run(
        "vm",
        vms=[{"name": name, "host": "kvm1"} for name in (*AWAY, STAYS)],
        memory_bytes="128M",
        storage="default",
        disks=[{"image": {"storage": "default", "volume": bench.lab.facts["guest"]["volume"]}}],
        nics=[{"network": "lan"}],
    )
    assert "error" not in made, made
    started = bench.run(
        "vm_state", vms=AWAY, state="running", wait_for={"guest": True, "address": {"family": 4}}, parallel=2
    )
    assert "error" not in started, started
    yield
    bench.run("host_maintenance", host="kvm1", state="up")
    bench.machines.clear("it-evacuate")


def evacuate(bench: Bench, phase: str, *argv: str, fails: bool = False, **extra: Any) -> Played:
    """Play the collection's playbook."""
    words: dict[str, Any] = {
        "host_evacuate_hypervisor": {"name": "lab"},
        "host_evacuate_host": "kvm1",
        "host_evacuate_phase": phase,
    }
    return bench.play("crossvirt.lifecycle.host_evacuate", *argv, fails=fails, **words, **extra)


def running(bench: Bench, host: str) -> list[str]:
    return bench.lab.virsh(host, "list", "--name").split()


def boots(bench: Bench, host: str) -> list[str]:
    for name in AWAY:
        bench.lab.wait_for_agent(host, name)
    return [bench.lab.guest_exec(host, name, "/bin/cat", BOOT) for name in AWAY]


def addresses(bench: Bench) -> list[str]:
    vms = bench.run("vm_info", vms=AWAY, gather=["guest"])["vms"]
    usable = [[one["address"] for one in vm["guest"]["addresses"] if one["address"].startswith("10.")] for vm in vms]
    return [first for first, *_rest in usable]


def test_check_mode_changes_nothing(bench: Bench) -> None:
    before = bench.picture()
    played = evacuate(bench, "drain", "--check")
    assert bench.picture() == before
    assert any(played.changed)


def test_guests_answer_while_their_host_is_emptied_and_filled_again(bench: Bench) -> None:
    begun = boots(bench, "kvm1")
    first, second = addresses(bench)
    with Silence(first) as one, Silence(second) as other:
        drained = evacuate(bench, "drain")
        assert (running(bench, "kvm1"), sorted(running(bench, "kvm2"))) == ([], AWAY)
        assert bench.machines.state("kvm1", STAYS) == "shut off"
        refused = bench.run("vm_state", name=STAYS, state="running")
        assert refused["error"] == "InvalidState"  # it is in maintenance
        moved = drained.results[-1]["msg"]["host_evacuate_moved"]
        assert sorted(vm["name"] for vm in moved) == AWAY
        evacuate(bench, "restore", host_evacuate_moved=moved)
        assert (sorted(running(bench, "kvm1")), running(bench, "kvm2")) == (AWAY, [])
    print(f"silent for {one.longest_ms:.0f} and {other.longest_ms:.0f} ms at most, over two moves each")
    assert max(one.longest_ms, other.longest_ms) < LOST_MS
    assert boots(bench, "kvm1") == begun
    assert [host["state"] for host in bench.run("host_info")["hosts"]] == ["up", "up"]


def test_a_second_drain_changes_nothing(bench: Bench) -> None:
    moved = evacuate(bench, "drain").results[-1]["msg"]["host_evacuate_moved"]
    assert not any(evacuate(bench, "drain").changed)
    evacuate(bench, "restore", host_evacuate_moved=moved)
    assert not any(evacuate(bench, "restore", host_evacuate_moved=moved).changed)


def test_what_stands_in_the_way_is_told_before_anything_moves(bench: Bench) -> None:
    bench.lab.virsh("kvm1", "snapshot-create-as", AWAY[1], "keeps-it-here")
    try:
        before = bench.picture()
        message = str(evacuate(bench, "drain", fails=True).results[-1]["msg"])
        assert bench.picture() == before
        assert AWAY[1] in message
        assert "snapshot" in message
        assert "Host kvm1 reads up; on it run it-evacuate1, it-evacuate2" in message
    finally:
        bench.lab.virsh("kvm1", "snapshot-delete", AWAY[1], "keeps-it-here")


def test_moves_that_take_too_long_leave_the_host_up(bench: Bench) -> None:
    slow = {"host_evacuate_bandwidth_bytes_per_second": 1_048_576, "host_evacuate_timeout_seconds": 2}
    message = str(evacuate(bench, "drain", fails=True, **slow).results[-1]["msg"])
    assert sorted(running(bench, "kvm1")) == AWAY
    assert "The host was not emptied" in message
    assert "Host kvm1 reads up" in message
    assert "host_evacuate_moved: []" in message
