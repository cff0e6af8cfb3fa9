# SPDX-License-Identifier: GPL-3.0-or-later
"""PVH VMs move between real Xen hosts while they run, by the playbook that moves VMs everywhere."""

from __future__ import annotations

import time

import pytest

from tests.integration.xen.bench import DISK, NAME, Bench

READ_MARKS = "cat /run/mark /data/mark"
MARKS = "memory\ndisk"


def test_the_playbook_moves_a_vm_there_and_back_while_it_runs(traveller: Bench) -> None:
    for target in ("xen2", "xen1"):
        source = traveller.running()
        told = traveller.play("move.yml", "--check", vm=NAME, target=target)
        assert told.changed == [True]
        assert traveller.running() == source
        moved = traveller.play("move.yml", vm=NAME, target=target)
        (vm,) = moved.results[0]["vms"]
        (step,) = vm["steps"]
        assert (moved.changed, vm["after"]["host"]) == ([True], target)
        assert (step["mode"], step["copied"], step["outcome"]) == ("live", [], "done")
        assert traveller.running() == [target]
        assert traveller.lab.guest_exec(target, NAME, READ_MARKS, timeout_seconds=60) == MARKS
        assert traveller.play("move.yml", vm=NAME, target=target).changed == [False]


def test_a_vm_that_is_off_moves_with_its_definition_alone(traveller: Bench) -> None:
    traveller.run("vm_state", name=NAME, state="stopped", shutdown={"timeout_seconds": 120})
    before = traveller.lab.disk_hash("xen1", DISK)
    assert traveller.play("move.yml", vm=NAME, target="xen2").changed == [True]
    assert traveller.picture() == {"xen1": ["Domain-0", "Domain-0"], "xen2": ["Domain-0", "Domain-0", NAME]}
    assert traveller.lab.disk_hash("xen2", DISK) == before


@pytest.mark.parametrize("victim", ["xen2", "xen1"])
def test_a_libvirtd_that_dies_in_the_middle_leaves_one_vm_that_runs(traveller: Bench, victim: str) -> None:
    moving = traveller.begin("vm_migrate", name=NAME, target={"host": "xen2"})
    wait_for_xen2(traveller)
    traveller.lab.kill_libvirtd(victim)
    traveller.lab.start_libvirtd(victim)
    assert moving.result()["error"] in ("BackendError", "InvalidState")
    assert traveller.running() == ["xen1"]
    assert traveller.lab.guest_exec("xen1", NAME, READ_MARKS, timeout_seconds=60) == MARKS
    traveller.clear("xen2")  # as an administrator has to: what a dead libvirtd was receiving, its successor never sees
    again = traveller.run("vm_migrate", name=NAME, target={"host": "xen2"})
    assert "error" not in again, again["msg"]
    assert traveller.running() == ["xen2"]
    assert traveller.lab.guest_exec("xen2", NAME, READ_MARKS, timeout_seconds=60) == MARKS
    assert traveller.picture() == {"xen1": ["Domain-0", "Domain-0"], "xen2": ["Domain-0", "Domain-0", NAME, NAME]}


def wait_for_xen2(bench: Bench) -> None:
    """Wait until the target has begun to receive."""
    deadline = time.monotonic() + bench.patience_seconds
    while NAME not in bench.lab.xl("xen2", "list"):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_what_cannot_move_is_refused_with_every_reason(traveller: Bench) -> None:
    traveller.refused(
        "Unsupported",
        "post_copy",
        "bandwidth",
        module="vm_migrate",
        name=NAME,
        target={"host": "xen2"},
        post_copy=True,
        bandwidth_bytes_per_second=1000000,
    )
