# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host each VM could move to, by table."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import CapacityExceeded, InvalidState
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Host, Nic, PowerState, Vm
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.maintenance import plan_maintenance
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.placement import place

NETWORKS = {name: {"lan"} for name in ("a", "b", "c")}


def vm(name: str, memory: int = 4, **facts: Any) -> Vm:
    facts = {"state": PowerState.RUNNING, "host": "a", "nics": (Nic(network="lan", mac=None),), **facts}
    return Vm(name=name, id=name, uuid=name, memory_bytes=memory, cpus=2, **facts)


def host(name: str, free: int | None = 10, **facts: Any) -> Host:
    return Host(name=name, id=name, memory_free_bytes=free, **{"state": "up", "cpus": 4, "memory_bytes": 16, **facts})


def names(vms: list[Vm], hosts: list[Host], networks: dict[str, set[str]] | None = None) -> list[str]:
    """Return the chosen hosts, or the errors."""
    return [str(one.name) if isinstance(one, Host) else str(one) for one in place(vms, hosts, networks or NETWORKS)]


def test_the_largest_come_first_and_each_takes_its_room() -> None:
    vms = [vm("small", 2), vm("large", 8), vm("middle", 5)]
    assert names(vms, [host("a"), host("b", 10), host("c", 9)]) == ["c", "b", "c"]


def test_vms_that_are_off_take_no_room() -> None:
    assert names([vm("off", 99, state=PowerState.STOPPED), vm("on", 10)], [host("b")]) == ["b", "b"]


def test_a_host_of_the_same_cluster_is_preferred_as_long_as_it_fits() -> None:
    hosts = [host("b", 6, cluster="east"), host("c", 100, cluster="west")]
    assert names([vm("one", cluster="east"), vm("two", cluster="east")], hosts) == ["b", "c"]


def test_where_free_memory_is_not_known_all_of_it_counts() -> None:
    assert names([vm("one", 16)], [host("b", None)]) == ["b"]


@pytest.mark.parametrize(
    ("facts", "networks", "said"),
    [
        ({"name": "a"}, NETWORKS, "a is where it is"),
        ({"state": "maintenance"}, NETWORKS, "b is in maintenance"),
        ({"state": "down"}, NETWORKS, "b is down"),
        ({}, {"b": {"wan"}}, "b has no network lan"),
        ({"cpus": 1}, NETWORKS, "b has 1 processors, and 2 are needed"),
        ({"free": 3}, NETWORKS, "b has 3 bytes of memory left, and 4 are needed"),
    ],
)
def test_why_a_host_does_not_fit_is_said(facts: dict[str, Any], networks: dict[str, set[str]], said: str) -> None:
    (found,) = place([vm("web1")], [host(**{"name": "b", **facts})], networks)
    assert isinstance(found, CapacityExceeded)
    assert str(found) == f"no host can take web1: {said}"


def test_without_another_host_there_is_no_place() -> None:
    assert names([vm("web1")], []) == ["no host can take web1: there is no other"]


@pytest.mark.parametrize("state", list(PowerState))
def test_maintenance_waits_for_nobody(state: PowerState) -> None:
    arguments = (host("a"), [vm("web1", state=state)], "maintenance", 5)
    if state in (PowerState.STOPPED, PowerState.SUSPENDED):
        assert [step.action for step in plan_maintenance(*arguments).steps] == ["enter_maintenance"]
    else:
        with pytest.raises(InvalidState, match=rf"web1 \({state}\)"):
            plan_maintenance(*arguments)


@pytest.mark.parametrize("wanted", ["maintenance", "up"])
def test_a_host_that_is_down_is_left_alone(wanted: str) -> None:
    with pytest.raises(InvalidState, match="host a is down"):
        plan_maintenance(host("a", state="down"), [], wanted, 5)
