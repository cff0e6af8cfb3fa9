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


def move(start: Start, target: dict[str, Any] | None = None, **options: Any) -> Case:
    """Move a VM, to the other host unless a target is given."""
    options = {"name": "$vm", "target": {"host": "$target"} if target is None else target, **options}
    return Case(module="vm_migrate", start=start, options=options)


def moves() -> Iterator[Case]:
    """Every state in every mode, every way to treat storage, and VMs that are there already."""
    for state, mode in product(("running", "stopped", "paused", "suspended"), ("auto", "live", "cold")):
        yield move(Start(state), mode=mode)
    yield move(Start("crashed"))
    for state, copy, shared in product(("running", "stopped"), ("auto", "always", "never"), (False, True)):
        if copy != "auto" or shared:
            yield move(Start(state, shared=shared), copy_storage=copy)
    for state in ("running", "paused", "stopped", "suspended"):
        yield move(Start(state), {"storage": "$fast"})
        yield move(Start(state), {"host": "$host"})
    yield move(Start("stopped"), {"storage": "$fast"}, copy_storage="never")
    yield move(Start("stopped"), {"storage_map": {"$storage": "$fast"}})
    yield move(Start("stopped"), {"host": "$target", "storage_map": {"no such": "$fast"}})
    yield move(Start("stopped"), {"host": "$host", "storage": "$storage"}, copy_storage="always")
    for state in ("running", "stopped"):
        yield move(Start(state, shared=True), {"host": "$target", "name": "$new"})
        yield move(Start(state), {"host": "$target", "network_map": {"$network": "$lan"}})
        yield move(Start(state, snapshots=TREE[:1], shared=True))
    yield move(Start("stopped"), {"host": "$host", "name": "$new"})
    for encryption in ("required", "disabled"):
        yield move(Start("running"), encryption=encryption)
    yield move(Start("running"), bandwidth_bytes_per_second=1024**3, post_copy=True, auto_converge=True)
    yield from refused_moves()


def refused_moves() -> Iterator[Case]:
    """Targets that are not there, or make no sense."""
    for key in ("host", "storage", "cluster", "folder", "pool"):
        yield move(Start("stopped"), {"host": "$target", key: "no such"})
    yield move(Start("stopped"), {"host": "$target", "network_map": {"$network": "no such"}})
    yield move(Start("running"), {"host": "$target", "storage": "no such"}, mode="cold", copy_storage="never")
    yield move(Start("stopped"), {})
    yield move(Start("stopped"), mode="cold", post_copy=True)
    yield move(Start("stopped"), timeout_seconds=0)
    yield Case(module="vm_migrate", options={"name": "$new", "target": {"host": "$target"}})


CASES = [*power(), *snapshots(), *creation(), *comparison_and_removal(), *moves()]
