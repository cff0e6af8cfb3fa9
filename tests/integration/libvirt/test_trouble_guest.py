# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that cannot hear, do not listen, or hang with the QEMU that runs them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.bench import assert_refused, steps_of
from tests.integration.libvirt.bench import Bench

pytestmark = pytest.mark.usefixtures("alone")
BRIEF = {"timeout_seconds": 2}


@pytest.fixture(scope="module")
def deaf(bench: Bench) -> Iterator[str]:
    """A running VM whose guest has neither agent nor power button."""
    bench.machines.guest("kvm2", "it-deaf", deaf=True)
    yield "it-deaf"
    bench.machines.remove("kvm2", "it-deaf")


@pytest.fixture
def idle(bench: Bench, bare: str) -> Iterator[str]:
    """A running VM with a power button and nobody to hear it."""
    bench.machines.put("kvm1", bare, "running")
    yield bare
    if bench.machines.state("kvm1", bare) != "shut off":
        bench.lab.virsh("kvm1", "destroy", bare)


@pytest.fixture
def hung(bench: Bench, guest: str) -> Iterator[str]:
    """A VM whose QEMU was stopped while its guest was well."""
    bench.lab.wait_for_agent("kvm1", guest)
    bench.machines.freeze("kvm1", guest)
    yield guest
    if bench.machines.state("kvm1", guest) == "shut off":
        bench.machines.put("kvm1", guest, "running")
    else:
        bench.machines.thaw("kvm1", guest)


def test_a_deaf_guest_is_not_asked(bench: Bench, deaf: str) -> None:
    bench.refused("Unsupported", deaf, "agent", "ACPI", name=deaf, state="stopped")
    bench.refused("Unsupported", deaf, "agent", "ACPI", name=deaf, state="restarted")
    result = bench.run("vm_state", name=deaf, state="restarted", shutdown={"method": "auto"})
    assert steps_of(result) == [[("stop", "done"), ("start", "done")]]
    assert bench.machines.state("kvm2", deaf) == "running"


def test_a_wait_ends_at_its_deadline(bench: Bench, deaf: str) -> None:
    for wait in ({"guest": True}, {"address": {"cidr": "203.0.113.0/24"}}):
        process = bench.begin("vm_state", name=deaf, state="running", wait_for=wait | BRIEF)
        assert_refused(process.result(), "Timeout", deaf, "within 2 seconds")
        assert process.seconds < 12


def test_a_guest_that_does_not_listen(bench: Bench, idle: str) -> None:
    result = bench.run("vm_state", name=idle, state="stopped", shutdown=BRIEF)
    assert (result["error"], result["changed"]) == ("Timeout", True)
    assert "it-bare" in result["msg"]
    assert "2 seconds" in result["msg"]
    assert steps_of(result) == [[("shutdown", "timeout")]]
    assert result["vm"]["after"] == {"state": "running"}
    result = bench.run("vm_state", name=idle, state="stopped", shutdown=BRIEF | {"on_timeout": "force"})
    assert "error" not in result
    assert steps_of(result) == [[("shutdown", "timeout"), ("stop", "done")]]
    assert bench.machines.state("kvm1", idle) == "shut off"


def test_a_vm_that_hangs(bench: Bench, hung: str, deaf: str) -> None:
    """Reading goes on, also of the other VMs, and waiting ends, some seconds late; both tasks' libvirt calls hang."""
    reading = bench.begin("vm_info", gather=["config", "nics", "guest"])
    waiting = [
        bench.begin("vm_state", name=hung, state="running", wait_for=wait | BRIEF)
        for wait in ({"guest": True}, {"address": {"cidr": "203.0.113.0/24"}})
    ]
    vms = {vm["name"]: vm for vm in reading.result()["vms"]}
    assert (vms[hung]["state"], vms[hung]["guest"]["reachable"]) == ("running", False)
    assert vms[deaf]["state"] == "running"
    for process in waiting:
        assert_refused(process.result(), "Timeout", hung, "within 2 seconds")
    assert max(process.seconds for process in (reading, *waiting)) < 45


@pytest.mark.slow
def test_the_plug_of_a_vm_that_hangs(bench: Bench, hung: str) -> None:
    result = bench.run("vm_state", name=hung, state="stopped", shutdown=BRIEF | {"on_timeout": "force"})
    assert "error" not in result
    assert steps_of(result) == [[("shutdown", "timeout"), ("stop", "done")]]
    assert bench.machines.state("kvm1", hung) == "shut off"
