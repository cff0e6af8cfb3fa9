# SPDX-License-Identifier: GPL-3.0-or-later
"""The role patch_safely on real guests: a change that fails is taken back, and the message is true where that fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.bench import HERE, ROOT, Played
from tests.integration.libvirt.bench import Bench

pytestmark = pytest.mark.usefixtures("alone")
TASKS = HERE / "playbooks/tasks"
PAIR = {"it-patch1": "kvm1", "it-patch2": "kvm2"}
SNAPSHOT = "patch-safely"
SECRET = "Zq9-hunter4-Zq9"  # noqa: S105 - of nobody


@pytest.fixture(scope="module", autouse=True)
def guests(bench: Bench) -> Iterator[None]:
    """Two guests on two hosts."""
    for name, host in PAIR.items():
        bench.machines.guest(host, name)
    for name, host in PAIR.items():
        bench.lab.wait_for_agent(host, name, timeout_seconds=60)
    yield
    bench.machines.clear("it-patch")


@pytest.fixture(autouse=True)
def settled(bench: Bench) -> Iterator[None]:
    """Both run, hold an old file, and have no snapshot, before each test and after it."""
    for name, host in PAIR.items():
        bench.lab.guest_exec(host, name, "/bin/sh", "-c", "echo old > /data/text; sync")
    yield
    for lab_host in set(PAIR.values()):
        bench.lab.proxy(lab_host).heal()
    bench.run("vm_snapshot", vms=list(PAIR), state="absent", snapshot=SNAPSHOT)
    assert "error" not in bench.run("vm_state", vms=list(PAIR), state="running", wait_for={"guest": True})


def patch(bench: Bench, change: str, *argv: str, fails: bool = True, **extra: Any) -> Played:
    """Play the collection's playbook with one of the changes."""
    environ = {"CROSSVIRT_LAB": os.environ.get("CROSSVIRT_LAB", "0"), **extra.pop("environ", {})}
    words: dict[str, Any] = {
        "patch_safely_hypervisor": {"name": "lab"},
        "patch_safely_vms": list(PAIR),
        "patch_safely_tasks": str(TASKS / change),
        "checkout": str(ROOT),
    }
    name = "crossvirt.lifecycle.patch_safely"
    return bench.play(name, *argv, fails=fails, environ=environ, **(words | extra))


def said(played: Played) -> str:
    """Return the role's last word."""
    return str(played.results[-1]["msg"])


def contents(bench: Bench) -> list[str]:
    for name, host in PAIR.items():
        bench.lab.wait_for_agent(host, name)
    return [bench.lab.guest_exec(host, name, "/bin/cat", "/data/text") for name, host in PAIR.items()]


def snapshots(bench: Bench) -> list[str]:
    return [bench.lab.virsh(host, "snapshot-list", name, "--name") for name, host in PAIR.items()]


def test_a_good_change_stays(bench: Bench) -> None:
    patch(bench, "write_in_guest.yml", fails=False)
    assert (contents(bench), snapshots(bench)) == (["new", "new"], ["", ""])


def test_a_change_that_is_not_good_goes(bench: Bench) -> None:
    boots = [
        bench.lab.guest_exec(host, name, "/bin/cat", "/proc/sys/kernel/random/boot_id") for name, host in PAIR.items()
    ]
    message = said(patch(bench, "write_in_guest.yml", patch_safely_verify=str(TASKS / "fail.yml")))
    assert (contents(bench), snapshots(bench)) == (["old", "old"], ["", ""])
    assert boots == [
        bench.lab.guest_exec(host, name, "/bin/cat", "/proc/sys/kernel/random/boot_id") for name, host in PAIR.items()
    ]  # the snapshot of a VM that runs holds its memory here
    assert "This is not good" in message
    assert "it-patch1 on kvm1: running, back at the snapshot" in message
    assert "The snapshots are removed" in message


def test_check_mode_changes_nothing(bench: Bench) -> None:
    before = bench.picture()
    played = patch(bench, "write_in_guest.yml", "--check", fails=False, patch_safely_verify=str(TASKS / "fail.yml"))
    assert bench.picture() == before
    assert any(played.changed)
    message = said(patch(bench, "fail.yml", "--check"))
    assert bench.picture() == before
    assert "check mode" in message


def test_it_stops_for_a_human(bench: Bench) -> None:
    message = said(
        patch(bench, "write_in_guest.yml", patch_safely_verify=str(TASKS / "fail.yml"), patch_safely_revert=False)
    )
    assert (contents(bench), snapshots(bench)) == (["new", "new"], [SNAPSHOT, SNAPSHOT])
    assert "nothing went back" in message
    assert "By hand" in message


def test_one_vm_that_cannot_go_back_does_not_keep_the_other(bench: Bench) -> None:
    message = said(patch(bench, "lose_a_snapshot.yml"))
    assert snapshots(bench) == ["", SNAPSHOT]
    assert "NOT all VMs are back" in message
    assert "it-patch1 on kvm1: running, NOT reverted: it-patch1 has no snapshot 'patch-safely'" in message
    assert "it-patch2 on kvm2: running, back at the snapshot" in message
    assert "By hand" in message


def test_nothing_can_go_back(bench: Bench, tmp_path: Path) -> None:
    connections = tmp_path / "connections.yml"
    shutil.copy(bench.connections_file, connections)
    connections.chmod(0o600)
    message = said(patch(bench, "lose_the_connection.yml", environ={"CROSSVIRT_CONNECTIONS": str(connections)}))
    assert snapshots(bench) == [SNAPSHOT, SNAPSHOT]
    assert "it-patch1: not read, was running, NOT reverted" in message
    assert "None could be asked to go back" in message
    assert str(connections) in message
    assert f"Snapshot {SNAPSHOT} of it-patch1, it-patch2 is what they were before" in message


def test_a_snapshot_that_fails_undoes_the_other(bench: Bench) -> None:
    bench.lab.proxy("kvm2").trap("cut", procedure="domain_snapshot_create_xml")
    proxied = {"name": "lab-proxy"}
    message = said(patch(bench, "write_in_guest.yml", patch_safely_hypervisor=proxied, patch_safely_parallel=1))
    assert (contents(bench), snapshots(bench)) == (["old", "old"], ["", ""])
    assert "the change was not begun" in message
    assert "removed again (it-patch1" in message


def test_a_snapshot_of_that_name_is_refused(bench: Bench) -> None:
    bench.lab.virsh("kvm2", "snapshot-create-as", "it-patch2", SNAPSHOT)
    before = bench.picture()
    message = said(patch(bench, "write_in_guest.yml"))
    assert bench.picture() == before
    assert "it-patch2 already has a snapshot patch-safely" in message


def test_what_is_hidden_stays_hidden(bench: Bench) -> None:
    message = said(patch(bench, "fail_hidden.yml", environ={"THEIR_SECRET": SECRET}))
    assert "hidden by no_log" in message
    assert SECRET not in message  # ansible-core 2.19 itself prints it where the task fails
