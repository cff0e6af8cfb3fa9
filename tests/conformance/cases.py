# SPDX-License-Identifier: GPL-3.0-or-later
"""The cells of the truth matrix, module by module."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from tests.conformance.bed import Start
from tests.conformance.case import Case

STARTS = ("running", "stopped", "paused", "suspended", "crashed")
HARD = {"method": "hard"}
FORCED = {"timeout_seconds": 0.6, "on_timeout": "force"}
TREE = ("one", "two", "three")
MIB = 1024 * 1024


def state_of(start: Start, state: str, **options: Any) -> Case:
    """Bring a VM to a power state."""
    options = {"name": "$vm", "state": state, **options}
    return Case(module="vm_state", start=start, options=options, action=state in ("restarted", "reset"))


def power() -> Iterator[Case]:
    """The power table with the plug pulled; where the guest is asked, mostly one that does not listen."""
    for state, desired in product(STARTS, ("running", "paused", "suspended", "reset")):
        yield state_of(Start(state), desired)
    for state, desired in product(STARTS, ("stopped", "restarted")):
        yield state_of(Start(state), desired, shutdown=HARD)
    for desired in ("stopped", "restarted"):
        yield state_of(Start("suspended"), desired, shutdown=HARD, discard_state=True)
    for state, desired in product(("running", "paused", "suspended"), ("stopped", "restarted")):
        yield state_of(Start(state), desired, shutdown=FORCED)
    for method, desired in product(("guest", "auto"), ("stopped", "restarted")):
        yield state_of(Start("running", "deaf"), desired, shutdown={"method": method})
    yield state_of(Start("running", "guest"), "stopped")
    waits = {"wait_for": {"guest": True, "timeout_seconds": 60}}
    for state in ("running", "stopped"):
        yield state_of(Start(state, "agent"), "running", **waits)
    for state in ("paused", "suspended"):
        yield state_of(Start(state, "agent"), "restarted", **waits)
    yield state_of(Start("stopped"), "stopped", **waits)


def snapshot(start: Start, state: str, **options: Any) -> Case:
    """Take, remove or go back to snapshots."""
    options = {"name": "$vm", "state": state, **options}
    return Case(module="vm_snapshot", start=start, options=options, action=state == "reverted")


def snapshots() -> Iterator[Case]:
    """Every state of vm_snapshot, on VMs with and without snapshots."""
    for state in ("running", "stopped", "paused", "suspended"):
        yield snapshot(Start(state), "present", snapshot="one")
    for state, kind in product(("running", "stopped"), ("filesystem", "memory")):
        yield snapshot(Start(state), "present", snapshot="one", consistency=kind)
    yield snapshot(Start("running", "agent"), "present", snapshot="one", consistency="filesystem")
    yield snapshot(
        Start("running", "agent"), "present", snapshot="one", consistency="filesystem", allow_unrevertable=True
    )
    few, many = Start("stopped", snapshots=TREE[:1]), Start("stopped", snapshots=TREE)
    yield snapshot(few, "present", snapshot="one")
    yield snapshot(few, "present", snapshot="two", description='<b>&amp; ünï "quoted"')
    yield snapshot(few, "present", snapshot="50% of <ü>")
    yield snapshot(many, "present", snapshot="four", retention={"keep": 2})
    yield snapshot(many, "present", snapshot="three", retention={"keep": 1})
    yield snapshot(many, "present", snapshot="four", retention={"keep": 1, "match": "t*"})
    yield snapshot(Start("stopped"), "absent", snapshot="one")
    yield snapshot(many, "absent", snapshot="three")
    yield snapshot(many, "absent", snapshot="one")
    yield snapshot(many, "absent", snapshot_path=["one", "two"], children="remove")
    yield snapshot(many, "absent", snapshot_path=["two"])
    yield snapshot(many, "pruned", retention={"keep": 1})
    yield snapshot(many, "pruned", retention={"keep": 0, "match": "t*"})
    yield snapshot(many, "pruned", retention={"older_than_seconds": 86400})
    yield snapshot(many, "reverted", snapshot="one")
    yield snapshot(many, "reverted", snapshot_path=["one", "two", "three"])
    yield snapshot(many, "reverted", snapshot="no such")
    for state in ("running", "paused"):
        yield snapshot(Start(state, snapshots=TREE[:2]), "reverted", snapshot="one")
        yield snapshot(Start(state, snapshots=TREE[:2]), "absent", snapshot="one")
    yield snapshot(Start("suspended", snapshots=TREE[:1]), "reverted", snapshot="one")
    yield snapshot(Start("stopped"), "pruned")


def new(**options: Any) -> Case:
    """Make a VM."""
    return Case(module="vm", options={"name": "$new", "host": "$host", **options})


def there(start: Start, **options: Any) -> Case:
    """Compare or remove a VM."""
    return Case(module="vm", start=start, options={"name": "$vm", **options})


def creation() -> Iterator[Case]:
    """New VMs and clones."""
    small: dict[str, Any] = {"memory_bytes": "32M"}
    empty = {"size_bytes": MIB, "storage": "$storage"}
    image = {"storage": "$storage", "image": {"storage": "$storage", "volume": "$volume"}}
    yield new(**small)
    yield new(**small, cpus=2, notes="two\nlines <&>", labels={"role": ["web"], "tier": 1})
    yield new(**small, disks=[empty, {**empty, "bus": "sata"}], nics=[{"network": "$network"}])
    yield new(**small, disks=[image])
    yield new()
    yield new(**small, cpus=0)
    yield new(**small, disks=[{"storage": "$storage"}])
    yield new(**small, disks=[{**empty, "storage": "no such"}])
    yield new(**small, disks=[{**image, "size_bytes": 512}])
    yield new(**small, disks=[{**image, "image": {"storage": "$storage", "volume": "no such"}}])
    yield new(**small, nics=[{"network": "no such"}])
    yield new(**small, nics=[{"network": "$network", "mac": "not a mac"}])
    yield Case(module="vm", options={"name": "$new", "host": "no such", **small})
    yield Case(module="vm", options={"uuid": "00000000-0000-4000-8000-00000000dead", **small})
    for mode, state in product(("full", "linked"), ("stopped", "running")):
        source = {"source": {"name": "$vm"}, "mode": mode}
        options = {"name": "$new", "host": "$host", "clone": source, "memory_bytes": "48M"}
        yield Case(module="vm", start=Start(state), options=options)
    for mode, one in product(("full", "linked"), ("one", "no such")):
        copied = {"source": {"name": "$vm"}, "mode": mode, "snapshot": one}
        options = {"name": "$new", "host": "$host", "clone": copied}
        yield Case(module="vm", start=Start("stopped", snapshots=TREE[:1]), options=options)
    yield new(clone={"source": {"name": "no such"}})


def comparison_and_removal() -> Iterator[Case]:
    """VMs that are there."""
    yield there(Start("stopped"), cpus=1)
    yield there(Start("running"), cpus=1, labels={})
    yield there(Start("stopped"), cpus=7, memory_bytes="7G")
    yield there(Start("stopped"), disks=[])
    for state in ("running", "paused", "suspended", "stopped"):
        yield there(Start(state), state="absent")
        yield there(Start(state), state="absent", remove=["disks", "snapshots", "saved_state", "nvram"])
    yield there(Start("stopped", snapshots=TREE[:2]), state="absent")
    yield there(Start("stopped", snapshots=TREE[:2]), state="absent", remove=["snapshots"])
    yield Case(module="vm", options={"name": "$new", "state": "absent"})


CASES = [*power(), *snapshots(), *creation(), *comparison_and_removal()]
