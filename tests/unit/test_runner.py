# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules as Ansible sees them: signals, options that Ansible refuses, secrets, check mode and diff."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import AuthenticationFailed, BackendError

from tests.unit.harness import play, run
from tests.unit.memory import drivers_of
from tests.unit.world import World

ROOT = Path(__file__).parents[2]


def interrupt(where: str, *numbers: signal.Signals) -> dict[str, Any]:
    """Run tests/unit/interrupted.py, send it signals in the middle, and return what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.interrupted", where],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / '.collections'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    assert process.stderr.readline() == "begun\n"
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.1)
    printed, said = process.communicate(timeout=20)
    result: dict[str, Any] = json.loads(printed)
    assert (process.returncode, said) == (int("error" in result), "")
    return result


@pytest.mark.parametrize("numbers", [(signal.SIGTERM,), (signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM)])
def test_a_signal_in_the_middle_is_reported(numbers: tuple[signal.Signals, ...]) -> None:
    result = interrupt("applying", *numbers)
    assert (result["failed"], result["changed"], result["error"]) == (True, True, "Cancelled")
    assert [vm.get("error") for vm in result["vms"]] == [None, "Cancelled", "Cancelled"]
    assert [vm["after"] for vm in result["vms"]] == [{"state": "suspended"}, {"state": "running"}, {"state": "running"}]
    assert [[step["outcome"] for step in vm["steps"]] for vm in result["vms"]] == [["done"], ["cancelled"], []]
    assert [vm["changed"] for vm in result["vms"]] == [True, True, False]


def test_a_signal_in_the_middle_of_a_move_takes_it_back() -> None:
    result = interrupt("moving", signal.SIGTERM)
    assert (result["failed"], result["changed"], result["error"]) == (True, True, "Cancelled")
    assert [vm["after"]["host"] for vm in result["vms"]] == ["kvm2", "kvm1", "kvm1"]
    assert [[step["outcome"] for step in vm["steps"]] for vm in result["vms"]] == [["done"], ["cancelled"], []]
    assert [vm.get("found") for vm in result["vms"]] == [
        None,
        [{"host": "kvm1", "name": "vm1", "state": "running"}],
        None,
    ]


@pytest.mark.parametrize("where", ["connecting", "reading"])
def test_a_signal_before_the_first_change_changes_nothing(where: str) -> None:
    result = interrupt(where, signal.SIGTERM)
    assert (result["changed"], result["error"], result["vms"]) == (False, "Cancelled", [])


def test_a_signal_after_the_last_change_does_not_lose_the_report() -> None:
    result = interrupt("reading back", signal.SIGTERM, signal.SIGTERM)
    assert [vm["after"] for vm in result["vms"]] == [{"state": "suspended"}] * 3
    assert result["changed"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"name": "a", "state": "nonsense"},
        {"name": "a"},
        {"state": "running"},
        {"name": "a", "uuid": "u", "state": "running"},
        {"name": "a", "vms": ["b"], "state": "running"},
        {"name": "a", "state": "running", "colour": "red"},
        {"name": "a", "state": "running", "shutdown": {"colour": "red"}},
        {"name": "a", "state": "running", "parallel": "many"},
        {"name": "a", "state": "running", "parallel": 0},
        {"name": "a", "state": "running", "max_vms": -1},
        {"name": "a", "state": "running", "hypervisor": {"colour": "red"}},
        {"name": "a", "state": "running", "hypervisor": {"type": "kvm"}},
        {"select": {}, "state": "running"},
        {"select": {"state": "nonsense"}, "state": "running"},
        {"vms": [], "state": "running"},
        {"name": "a", "state": "running", "wait_for": {"address": {"family": 5}}},
    ],
)
def test_options_that_are_refused_have_a_class(options: dict[str, Any]) -> None:
    world = World()
    world.add("a")
    result = play(world, "vm_state", **options)
    assert (result["failed"], result["error"], result["changed"]) == (True, "InvalidOption", False)
    assert result["vms"] == []
    assert result["msg"]
    assert world.writes == []


def test_a_type_that_is_not_built_is_unsupported() -> None:
    result = run("vm_info", {"hypervisor": {"type": "hyperv", "hosts": ["hv1"]}})
    assert result["error"] == "Unsupported"
    assert "hyperv" in result["msg"]


SECRET = "ge-hei-m-4711"  # noqa: S105 - of nobody


def everything(result: dict[str, Any]) -> str:
    return json.dumps(result)


def test_secrets_are_masked_wherever_they_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = World("kvm1")
    world.sites["kvm1"].connect_error = AuthenticationFailed(f"the server repeats {SECRET}")
    file = tmp_path / "connections.yml"
    entry = {"type": "libvirt", "hosts": ["kvm1"], "password": SECRET}
    file.write_text(yaml.safe_dump({"hypervisors": {"lab": entry}}))
    file.chmod(0o600)
    (tmp_path / "secret").write_text(SECRET + "\n")
    monkeypatch.setenv("CROSSVIRT_CONNECTIONS", str(file))
    bare = {"type": "libvirt", "hosts": ["kvm1"]}
    ways: list[dict[str, Any]] = [
        {"name": "lab"},
        entry,
        {**bare, "password_file": str(tmp_path / "secret")},
    ]
    for hypervisor in ways:
        result = run("vm_info", {"hypervisor": hypervisor}, drivers=drivers_of(world))
        assert result["error"] == "AuthenticationFailed"
        assert SECRET not in everything(result)
        assert "the server repeats" in result["msg"]
    monkeypatch.setenv("CROSSVIRT_LIBVIRT_PASSWORD", SECRET)
    result = run("vm_info", {"hypervisor": bare}, drivers=drivers_of(world))
    assert result["error"] == "AuthenticationFailed"
    assert SECRET not in everything(result)


def test_secrets_are_masked_in_what_a_hypervisor_says_of_a_vm() -> None:
    world = World("kvm1")
    world.sites["kvm1"].password = SECRET
    machine = world.add("web1", state="running")
    machine.errors["pause"] = BackendError(f"cannot log in with {SECRET}", code=7)
    result = play(world, "vm_state", name="web1", state="paused", hypervisor={"password": SECRET})
    assert (result["error"], result["vm"]["code"]) == ("BackendError", 7)
    assert SECRET not in everything(result)


def test_secrets_of_a_target_are_masked_wherever_they_come_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = {"type": "libvirt", "hosts": ["kvm2"], "password": SECRET}
    file = tmp_path / "connections.yml"
    file.write_text(yaml.safe_dump({"hypervisors": {"west": entry}}))
    file.chmod(0o600)
    (tmp_path / "secret").write_text(SECRET + "\n")
    monkeypatch.setenv("CROSSVIRT_CONNECTIONS", str(file))
    bare = {"type": "libvirt", "hosts": ["kvm2"]}
    for target in (entry, {"name": "west"}, {**bare, "password_file": str(tmp_path / "secret")}):
        world = World()
        world.sites["kvm2"].password = SECRET
        world.add("vm", "kvm1", "running").errors["migrate"] = BackendError(f"{SECRET} was refused", code=7)
        where = {"hypervisor": target, "host": "kvm2"}
        result = play(world, "vm_migrate", hypervisor={"hosts": ["kvm1"]}, name="vm", target=where)
        assert (result["error"], result["vm"]["code"], world.writes) == ("BackendError", 7, ["migrate"])
        assert "was refused" in result["msg"]
        assert SECRET not in everything(result)


@pytest.mark.parametrize("home", [{"hosts": ["kvm1"]}, {"type": "hyperv"}])
def test_a_secret_in_a_targets_uri_is_refused_and_seen_by_nobody(home: dict[str, Any]) -> None:
    uri = f"qemu+tls://automation:{SECRET}@kvm2/system"
    target = {"hypervisor": {"type": "libvirt", "hosts": [uri]}, "host": "kvm2"}
    result = play(World(), "vm_migrate", name="vm", hypervisor=home, target=target)
    assert result["error"] == "InvalidOption"
    assert SECRET not in everything(result)


def test_check_mode_promises_what_a_real_run_does() -> None:
    world = World()
    world.add("a", state="running")
    world.add("b")
    predicted = play(world, "vm_state", vms=["a", "b"], state="restarted", check_mode=True)
    assert world.writes == []
    done = play(world, "vm_state", vms=["a", "b"], state="restarted")
    for result in (predicted, done):
        del result["invocation"]
    for vm in (*done["vms"], *predicted["vms"]):
        for step in vm["steps"]:
            step.pop("outcome", None)
    assert predicted == done


def test_the_one_vm_stands_alone_too() -> None:
    world = World()
    world.add("a", state="running")
    result = play(world, "vm_state", name="a", state="paused")
    assert result["vm"] == result["vms"][0]
