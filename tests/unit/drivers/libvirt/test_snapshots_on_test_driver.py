# SPDX-License-Identifier: GPL-3.0-or-later
"""vm_snapshot on libvirt's own test driver, in this process: calls that libvirt itself answers."""

import gc
import random
import time
from collections.abc import Iterator
from itertools import product
from typing import Any

import libvirt
import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.session import prepared

from tests.unit.harness import Result, run

URI = "test:///default"
ONLY = {"hypervisor": {"type": "libvirt", "hosts": [URI]}, "name": "test"}


@pytest.fixture
def domain() -> Iterator[Any]:
    """The VM `test` of a fresh host, which lives as long as a connection to it."""
    prepared()
    gc.collect()  # an error of the test before may still hold its host
    conn = libvirt.open(URI)
    yield conn.lookupByName("test")
    conn.close()


def play(**options: Any) -> Result:
    """Run a task in check mode and in earnest: they tell the same, and a second run finds nothing to do."""
    before = run("vm_info", {**ONLY, "gather": ["snapshots"]})["vms"]
    checked = run("vm_snapshot", {**ONLY, **options}, check_mode=True)
    assert run("vm_info", {**ONLY, "gather": ["snapshots"]})["vms"] == before
    result = run("vm_snapshot", {**ONLY, **options})
    for one in (*result["vms"], *([result["vm"]] if "vm" in result else [])):
        for step in one["steps"]:
            assert step.pop("outcome") == "done"
    assert result == checked
    if options.get("state") != "reverted" and "error" not in result:
        assert not run("vm_snapshot", {**ONLY, **options})["changed"]
    return result


def paths(domain: Any) -> list[list[str]]:
    """What libvirt says, without our reading of it."""

    def path(snapshot: Any) -> list[str]:
        try:
            return [*path(snapshot.getParent()), snapshot.getName()]
        except libvirt.libvirtError:
            return [snapshot.getName()]

    return sorted(path(snapshot) for snapshot in domain.listAllSnapshots())


def test_a_tree_grows_turns_and_goes(domain: Any) -> None:
    assert play(snapshot="a", description="<b>&amp;\n'x'")["vm"]["steps"][0]["consistency"] == "memory"
    play(snapshot="b")
    play(snapshot="a", state="reverted")
    play(snapshot="c", consistency="filesystem")
    assert paths(domain) == [["a"], ["a", "b"], ["a", "c"]]
    assert domain.snapshotLookupByName("a").getXMLDesc().count("&lt;b&gt;&amp;amp;\n") == 1
    result = play(snapshot_path=["a", "b"], state="reverted")
    assert (result["vm"]["before"]["current"], result["vm"]["after"]["current"]) == (["a", "c"], ["a", "b"])
    play(snapshot="a", state="absent")
    assert paths(domain) == [["b"], ["c"]]
    play(snapshot="d")
    play(snapshot="b", state="absent", children="remove")
    assert paths(domain) == [["c"]]
    assert play(snapshot="b", state="absent")["changed"] is False
    assert play(snapshot="b", state="reverted")["error"] == "NotFound"


@pytest.mark.parametrize(("held", "now"), list(product(("running", "paused", "stopped"), repeat=2)))
@pytest.mark.usefixtures("domain")
def test_after_a_revert_the_vm_is_in_the_state_that_the_snapshot_holds(held: str, now: str) -> None:
    def bring(state: str) -> None:
        for step in dict.fromkeys(("running", state)):
            assert "error" not in run("vm_state", {**ONLY, "state": step, "shutdown": {"method": "hard"}})

    bring(held)
    play(snapshot="held")
    bring(now)
    vm = play(snapshot="held", state="reverted")["vm"]
    assert (vm["before"]["state"], vm["after"]["state"]) == (now, held)


def test_memory_of_a_vm_that_is_off_is_refused(domain: Any) -> None:
    domain.destroy()
    assert "has no memory to keep" in play(snapshot="a", consistency="memory")["msg"]
    assert play(snapshot="a", consistency="filesystem")["vm"]["steps"][0]["consistency"] == "filesystem"


@pytest.mark.usefixtures("domain")
def test_files_at_rest_and_nothing_more_are_refused() -> None:
    result = play(snapshot="a", consistency="filesystem", allow_unrevertable=True)
    assert "only snapshots inside the disks" in result["msg"]


def test_a_suspended_vm_is_refused_by_name(domain: Any) -> None:
    play(snapshot="a")
    domain.managedSave()
    assert "is suspended" in play(snapshot="b")["msg"]
    assert "is suspended" in play(snapshot="a", state="reverted")["msg"]
    assert play(snapshot="a", state="absent")["changed"]


def test_retention_keeps_the_newest(domain: Any) -> None:
    for name in ("n1x", "n2x", "other", "n3x"):
        play(snapshot=name, retention={"keep": 2, "match": "n*"})
        time.sleep(1.1 - time.time() % 1)  # libvirt tells ages in seconds
    assert paths(domain) == [["n2x"], ["n2x", "other"], ["n2x", "other", "n3x"]]
    assert not play(state="pruned", retention={"keep": 0, "older_than_seconds": 3600})["changed"]
    play(state="pruned", retention={"keep": 1})
    assert paths(domain) == [["n3x"]]


@pytest.mark.parametrize("name", ["it's <a> & b", "-dash", "  sp ", "größe ✓"])
def test_odd_names_are_kept(domain: Any, name: str) -> None:
    play(snapshot=name)
    assert paths(domain) == [[name]]
    play(snapshot_id=name, state="reverted")
    play(snapshot=name, state="absent")


@pytest.mark.parametrize("name", ["a/b", ".a", "7", 'a"b', "a\tb", ""])
def test_impossible_names_change_nothing(domain: Any, name: str) -> None:
    assert play(snapshot=name)["error"] == "InvalidOption"
    assert paths(domain) == []


def test_a_walk_at_random_is_always_foretold(domain: Any) -> None:
    chance = random.Random(5)  # noqa: S311 - a walk to repeat
    for number in range(40):
        there = [one.getName() for one in domain.listAllSnapshots()]
        some = chance.choice([*there, "none"])
        match chance.randrange(5):
            case 0 | 1:
                play(snapshot=f"s{number}")
            case 2 if some != "none":
                play(snapshot=some, state="reverted")
            case 3:
                play(snapshot=some, state="absent", children=chance.choice(["keep", "remove"]))
            case _:
                play(state="pruned", retention={"keep": chance.randrange(3, 8)})
