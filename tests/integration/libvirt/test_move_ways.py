# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways in which libvirt moves VMs: with shared disks, with copies, only the disks, off; and what keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.libvirt.bench import Bench
from tests.integration.libvirt.machines import POOL

SHARED, FAST = Path("/var/lib/libvirt/shared"), Path("/var/lib/libvirt/fast")
pytestmark = pytest.mark.usefixtures("alone")
VM = "it-mover"


@pytest.fixture
def mover(bench: Bench) -> Iterator[str]:
    """A VM that is off, with a disk of its own on kvm1 that builds on the lab's image."""
    guest = bench.lab.facts["guest"]["volume"]
    file = POOL / f"{VM}.qcow2"
    bench.machines.bare("kvm1", VM, disk=True)
    bench.lab.hosts["kvm1"].inside("qemu-img", "create", "-q", "-f", "qcow2", "-b", POOL / guest, "-F", "qcow2", file)
    bench.lab.virsh("kvm1", "pool-refresh", "default")  # a task that only looks would do the same
    yield VM
    bench.machines.clear(VM)
    for host in ("kvm1", "kvm2"):
        for pool, folder in (("fast", FAST), ("shared", SHARED)):
            bench.lab.outside(host, str(folder / f"{VM}.qcow2")).unlink(missing_ok=True)
            bench.lab.virsh(host, "pool-refresh", pool)


def content(bench: Bench, host: str, file: Path) -> str:
    """Hash what a guest would see of a disk."""
    raw = POOL / f"{VM}.raw"
    bench.lab.hosts[host].inside("qemu-img", "convert", "-O", "raw", file, raw)
    seen = bench.lab.outside(host, str(raw))
    digest = hashlib.sha256(seen.read_bytes()).hexdigest()
    seen.unlink()
    return digest


def move(bench: Bench, **options: Any) -> dict[str, Any]:
    """Run the task, and the same again, which must find nothing to do; return the first one's VM."""
    name = options["target"].get("name", VM)
    first = bench.run("vm_migrate", name=VM, **options)
    assert "error" not in first, first
    assert bench.run("vm_migrate", name=name, **options)["changed"] is False
    vm: dict[str, Any] = first["vm"]
    return vm


def files(bench: Bench, host: str) -> set[Path]:
    """Return the disks of the VM that are on a host."""
    every = (folder / f"{VM}.qcow2" for folder in (POOL, FAST, SHARED))
    return {path for path in every if bench.lab.outside(host, str(path)).exists()}


def test_a_disk_that_is_off_arrives_with_what_it_builds_on(bench: Bench, mover: str) -> None:
    before = content(bench, "kvm1", POOL / f"{mover}.qcow2")
    vm = move(bench, target={"host": "kvm2", "storage": "fast", "name": f"{mover}-2"})
    assert (vm["steps"][0]["mode"], vm["after"]["storage"], vm["after"]["name"]) == ("cold", ["fast"], f"{mover}-2")
    assert vm["steps"][0]["encrypted"] is True
    assert (files(bench, "kvm1"), files(bench, "kvm2")) == (set(), {FAST / f"{mover}.qcow2"})
    assert content(bench, "kvm2", FAST / f"{mover}.qcow2") == before
    assert ".crossvirt" not in bench.lab.virsh("kvm1", "vol-list", "default")


def test_disks_alone_move_while_the_vm_runs_and_while_it_is_off(bench: Bench, mover: str) -> None:
    before = content(bench, "kvm1", POOL / f"{mover}.qcow2")
    move(bench, target={"storage": "fast"})
    assert files(bench, "kvm1") == {FAST / f"{mover}.qcow2"}
    bench.machines.put("kvm1", mover, "running")
    vm = move(bench, target={"storage_map": {"fast": "default"}})
    assert vm["steps"][0]["mode"] == "live"
    assert files(bench, "kvm1") == {POOL / f"{mover}.qcow2"}
    assert bench.machines.state("kvm1", mover) == "running"
    assert str(POOL) in bench.lab.virsh("kvm1", "dumpxml", "--inactive", mover)
    bench.lab.virsh("kvm1", "destroy", mover)
    assert content(bench, "kvm1", POOL / f"{mover}.qcow2") == before


def test_disks_that_both_hosts_see_stay_and_the_hosts_move_the_vm_themselves(bench: Bench, mover: str) -> None:
    move(bench, target={"storage": "shared"})
    bench.machines.put("kvm1", mover, "paused")
    vm = move(bench, target={"host": "kvm2", "network_map": {"default": "lan"}})
    step = vm["steps"][0]
    assert (step["copied"], step["via"], step["encrypted"]) == ([], "peer_to_peer", True)
    assert (vm["after"]["state"], vm["after"]["networks"]) == ("paused", ["lan"])
    assert files(bench, "kvm2") == {SHARED / f"{mover}.qcow2"}
    assert "crossvirt-" not in "".join(path.name for path in bench.lab.outside("kvm1", str(SHARED)).iterdir())


def test_a_copied_disk_goes_through_the_client_and_comes_back(bench: Bench, mover: str) -> None:
    bench.machines.put("kvm1", mover, "running")
    bench.lab.virsh("kvm1", "autostart", mover)
    there = move(bench, target={"host": "kvm2"})
    assert (there["steps"][0]["via"], there["steps"][0]["progress"]["percent"]) == ("client", 100)
    assert (files(bench, "kvm1"), files(bench, "kvm2")) == (set(), {POOL / f"{mover}.qcow2"})
    assert mover in bench.lab.virsh("kvm2", "list", "--all", "--autostart", "--name")
    back = move(bench, target={"host": "kvm1"}, encryption="disabled")
    assert back["steps"][0]["encrypted"] is False


def test_a_deadline_takes_the_move_back(bench: Bench, mover: str) -> None:
    bench.machines.put("kvm1", mover, "running")
    task = {"name": mover, "target": {"host": "kvm2"}, "bandwidth_bytes_per_second": 1, "timeout_seconds": 3}
    result = bench.run("vm_migrate", **task)
    assert (result["error"], result["vm"]["after"]["state"], result["vm"]["host"]) == ("Timeout", "running", "kvm1")
    assert (files(bench, "kvm1"), files(bench, "kvm2")) == ({POOL / f"{mover}.qcow2"}, set())
    assert "<crossvirtmove" not in bench.lab.virsh("kvm1", "dumpxml", mover)


def test_everything_in_the_way_is_named_at_once_and_nothing_written(bench: Bench, mover: str) -> None:
    bench.machines.put("kvm1", mover, "running")
    bench.lab.virsh("kvm1", "snapshot-create-as", mover, "s1")
    target = {"host": "kvm2", "folder": "x", "network_map": {"default": "nowhere"}, "storage": "none"}
    with bench.lab.counting() as calls:
        result = bench.refused(
            "Unsupported",
            *("folder", "s1", "nowhere", "'none'", "mode cold"),
            module="vm_migrate",
            hypervisor={"name": "lab-proxy"},
            name=mover,
            mode="cold",
            target=target,
        )
    assert not calls.writes
    assert {reason["error"] for reason in result["vm"]["reasons"]} == {"Unsupported", "InvalidState", "NotFound"}


def test_a_killed_task_is_simply_run_again(bench: Bench, mover: str) -> None:
    before = content(bench, "kvm1", POOL / f"{mover}.qcow2")
    task: dict[str, Any] = {"name": mover, "target": {"host": "kvm2"}}
    process = bench.begin("vm_migrate", **task, bandwidth_bytes_per_second=1_000_000)
    while not files(bench, "kvm2") and process.popen.poll() is None:
        pass
    process.popen.kill()
    process.popen.wait()
    assert files(bench, "kvm2")
    assert "error" not in bench.run("vm_migrate", **task)
    assert (files(bench, "kvm1"), files(bench, "kvm2")) == (set(), {POOL / f"{mover}.qcow2"})
    assert content(bench, "kvm2", POOL / f"{mover}.qcow2") == before
