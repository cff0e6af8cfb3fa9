# SPDX-License-Identifier: GPL-3.0-or-later
"""Several endpoints as one set: who counts, who fails, and which VM is meant."""

import asyncio
import time
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import endpoints as module
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.endpoints import Endpoint, Endpoints, Found
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    AuthenticationFailed,
    BackendError,
    CertificateNotTrusted,
    ConnectionFailed,
    Timeout,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Ref, Selection

from tests.lab.commands import wait_until
from tests.unit.harness import connection_to, play
from tests.unit.memory import drivers_of
from tests.unit.world import World


async def opened(world: World, **keys: Any) -> Endpoints:
    return await Endpoints.open(connection_to(world, **keys), drivers_of(world)("memory"))


def test_endpoints_of_one_pool_count_once() -> None:
    world = World("a1", "a2", "b1")
    world.sites["a2"].identity = "a1"
    for host in world.sites:
        world.add(f"vm-{host}", host)
    result = play(world, "vm_info")
    assert [vm["name"] for vm in result["vms"]] == ["vm-a1", "vm-a2", "vm-b1"]
    assert world.calls.count("find_vms") == 2
    assert world.calls.count("connect") == world.calls.count("close") == 3


def test_one_endpoint_of_a_pool_stands_in_for_the_other() -> None:
    world = World("a1", "a2")
    world.sites["a2"].identity = "a1"
    world.sites["a1"].connect_error = ConnectionFailed("a1: refused")
    world.add("web1", "a1", "running")
    result = play(world, "vm_info", hypervisor={"unreachable": "warn"})
    assert [vm["name"] for vm in result["vms"]] == ["web1"]
    assert result["warnings"] == ["a1: refused"]


def test_all_connect_side_by_side() -> None:
    world = World("h1", "h2", "h3")
    for site in world.sites.values():
        site.connect_seconds = 0.3
    begun = time.monotonic()
    asyncio.run(opened(world))
    assert time.monotonic() - begun < 0.8


def test_a_black_hole_costs_its_own_timeout() -> None:
    world = World()
    world.sites["kvm2"].connect_seconds = 60
    begun = time.monotonic()
    with pytest.raises(ConnectionFailed, match=r"kvm2 did not answer within 0\.3 seconds"):
        asyncio.run(opened(world, connect_timeout_seconds=0.3))
    assert time.monotonic() - begun < 1
    assert world.calls.count("close") == 1  # the one that did answer is not left logged in


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (AuthenticationFailed("1"), AuthenticationFailed("2"), AuthenticationFailed),
        (CertificateNotTrusted("1"), None, CertificateNotTrusted),
        (AuthenticationFailed("1"), CertificateNotTrusted("2"), ConnectionFailed),
        (OSError("1"), OSError("2"), BackendError),
    ],
)
def test_failures_keep_their_common_class(first: Exception, second: Exception | None, expected: type) -> None:
    world = World()
    world.sites["kvm1"].connect_error, world.sites["kvm2"].connect_error = first, second
    with pytest.raises(ConnectionFailed if issubclass(expected, ConnectionFailed) else BackendError) as caught:
        asyncio.run(opened(world))
    assert caught.type is expected
    assert "1" in str(caught.value)
    assert second is None or "2" in str(caught.value)


def test_none_that_answers_fails_also_with_warn() -> None:
    world = World("kvm1")
    world.sites["kvm1"].connect_error = ConnectionFailed("kvm1: refused")
    with pytest.raises(ConnectionFailed):
        asyncio.run(opened(world, unreachable="warn"))


WEB1 = "1f2cb945-dfcd-5734-8319-000000000001"


def incomplete() -> World:
    world = World()
    world.sites["kvm2"].connect_error = ConnectionFailed("kvm2: refused")
    world.add("web1", "kvm1", "running", uuid=WEB1)
    world.add("db1", "kvm1", "running", id="vm-42")
    return world


@pytest.mark.parametrize(
    ("which", "error"),
    [
        ({"name": "web1"}, "ConnectionFailed"),
        ({"vms": ["web1"]}, "ConnectionFailed"),
        ({"name": "nobody"}, "ConnectionFailed"),
        ({"uuid": WEB1}, None),
        ({"vms": [{"uuid": WEB1}]}, None),
        ({"id": WEB1}, None),
        ({"id": "vm-42"}, "ConnectionFailed"),
        ({"uuid": "1f2cb945-dfcd-5734-8319-000000000000"}, "NotFound"),
        ({"select": {"name": "web*"}}, None),
    ],
)
@pytest.mark.parametrize("module_name", ["vm_info", "vm_state"])
def test_an_incomplete_set_takes_uuids_only(module_name: str, which: dict[str, Any], error: str | None) -> None:
    world = incomplete()
    options: dict[str, Any] = {"state": "paused"} if module_name == "vm_state" else {}
    result = play(world, module_name, hypervisor={"unreachable": "warn"}, **which, **options)
    assert result.get("error") == error
    assert "kvm2: refused" in result["warnings"][0]
    assert bool(world.writes) == (error is None and module_name == "vm_state")


def twins(*states: str) -> World:
    world = World()
    for host, state in zip(world.sites, states, strict=True):
        world.add("web1", host, state)
    return world


@pytest.mark.parametrize(
    ("states", "host"),
    [
        (("running", "stopped"), "kvm1"),
        (("suspended", "paused"), "kvm2"),
        (("stopped", "crashed"), "kvm2"),
        (("stopped", "stopped"), None),
        (("running", "paused"), None),
    ],
)
@pytest.mark.parametrize("which", ["name", "uuid", "select"])
def test_of_one_uuid_on_two_hosts_the_active_one_is_the_vm(
    states: tuple[str, str], host: str | None, which: str
) -> None:
    world = twins(*states)
    choice: Any = {"name": "web1", "uuid": world.machine("web1").uuid, "select": {"name": "web1"}}[which]
    result = play(world, "vm_state", state="restarted", check_mode=True, **{which: choice})
    assert [vm.get("host") for vm in result["vms"]] == [host]
    if host is None:
        assert result["error"] == "Ambiguous"
        assert {one["host"] for one in result["vm"]["candidates"]} == {"kvm1", "kvm2"}
        assert world.machine("web1").uuid in result["msg"]
        assert "kvm2" in result["msg"]
    shown = play(world, "vm_info", **{which: choice})
    assert [vm["host"] for vm in shown["vms"]] == ["kvm1", "kvm2"]


def test_one_name_for_two_vms_is_ambiguous() -> None:
    world = World()
    first, second = world.add("web1", "kvm1", uuid="u-1"), world.add("web1", "kvm2", uuid="u-2")
    for result in (play(world, "vm_info", name="web1"), play(world, "vm_state", name="web1", state="running")):
        assert result["error"] == "Ambiguous"
        assert all(text in result["msg"] for text in (first.id, second.id, "kvm1", "kvm2"))
    assert play(world, "vm_state", uuid="U-2", state="running")["vm"]["host"] == "kvm2"


def test_nobody_knows_that_a_vm_is_absent_where_an_endpoint_is_silent() -> None:
    world = World()
    world.sites["kvm2"].connect_error = ConnectionFailed("kvm2: refused")
    uuid = "00000000-0000-4000-8000-000000000000"
    result = play(world, "vm", hypervisor={"unreachable": "warn"}, uuid=uuid, state="absent")
    assert (result["error"], result["changed"]) == ("ConnectionFailed", False)
    assert "does not answer" in result["msg"]


def test_twins_are_no_exception_where_an_endpoint_is_silent() -> None:
    world = World("kvm1", "kvm2", "kvm3")
    world.add("web1", "kvm1", uuid=WEB1)
    world.add("web1", "kvm2", uuid=WEB1)
    world.sites["kvm3"].connect_error = ConnectionFailed("kvm3: refused")
    warn = {"unreachable": "warn"}
    assert play(world, "vm_info", hypervisor=warn, name="web1")["error"] == "ConnectionFailed"
    assert len(play(world, "vm_info", hypervisor=warn, uuid=WEB1)["vms"]) == 2


@pytest.mark.parametrize("module_name", ["vm_info", "vm_state"])
def test_a_vm_named_in_two_ways_is_refused(module_name: str) -> None:
    world = World()
    world.add("web1", "kvm1", "running", uuid=WEB1)
    options: dict[str, Any] = {"state": "paused"} if module_name == "vm_state" else {}
    result = play(world, module_name, vms=["web1", {"uuid": WEB1}], **options)
    assert result["error"] == "InvalidOption"
    assert "named twice" in result["msg"]
    assert world.writes == []


def test_ids_of_two_managers_do_not_mix() -> None:
    world = World()
    world.add("web1", "kvm1", "running", id="vm-42")
    world.add("db1", "kvm2", "running", id="vm-42")
    assert play(world, "vm_state", id="vm-42", state="paused")["error"] == "Ambiguous"
    result = play(world, "vm_state", vms=["web1", "db1"], state="paused")
    assert [(vm["name"], vm["after"]["state"]) for vm in result["vms"]] == [("web1", "paused"), ("db1", "paused")]


def test_a_call_that_hangs_is_a_timeout() -> None:
    world = World("kvm1")

    async def ask() -> None:
        (member,) = (await opened(world)).members
        world.sites["kvm1"].read_seconds = 60
        await member.call(lambda driver: driver.find_vms(Selection()), seconds=0.2)

    begun = time.monotonic()
    with pytest.raises(Timeout, match="kvm1 did not answer"):
        asyncio.run(ask())
    assert time.monotonic() - begun < 1


def test_a_host_that_does_not_let_go_is_left() -> None:
    world = World("kvm1")
    world.sites["kvm1"].close_seconds = 60
    begun = time.monotonic()
    assert "error" not in play(world, "vm_info")
    assert time.monotonic() - begun < module.CLOSE_SECONDS + 1


def test_a_connection_that_comes_too_late_is_closed() -> None:
    world = World("kvm1")
    world.sites["kvm1"].connect_seconds = 0.2
    with pytest.raises(ConnectionFailed, match=r"within 0\.1 seconds"):
        asyncio.run(opened(world, connect_timeout_seconds=0.1))
    wait_until(lambda: world.calls.count("close") == 1, "its end", 5)


def test_who_is_told_to_stop_while_connecting_logs_out() -> None:
    world = World("kvm1")
    world.sites["kvm1"].connect_seconds = 0.2

    async def stopped() -> None:
        connecting = asyncio.ensure_future(opened(world))
        await asyncio.sleep(0.05)
        connecting.cancel()
        await asyncio.wait([connecting])
        assert connecting.cancelled()

    asyncio.run(stopped())
    assert world.calls.count("close") == 1


def test_who_ends_while_a_call_hangs_hangs_up() -> None:
    world = World("kvm1")

    async def ended() -> None:
        (member,) = (await opened(world)).members
        world.sites["kvm1"].read_seconds = 60
        with pytest.raises(Timeout):
            await member.call(lambda driver: driver.find_vms(Selection()), seconds=0.1)
        await member.close()

    asyncio.run(ended())
    assert world.calls.count("hang_up") == 1


def test_an_endpoint_is_not_called_before_it_is_open() -> None:
    with pytest.raises(ConnectionFailed, match="not connected"):
        asyncio.run(Endpoint("kvm1").call(lambda driver: driver.about()))


def test_what_goes_away_while_it_changes_is_not_waited_for() -> None:
    world = World("kvm1")
    machine = world.add("web1", state="running", changing_reads=9)

    async def wait() -> list[Found]:
        endpoints = await opened(world)
        found = await endpoints.find((Ref("name", "web1"),))
        world.machines.remove(machine)
        return await endpoints.settled(found, seconds=10)

    (one,) = asyncio.run(wait())
    assert (one.vm.state, one.vm.state_reason) == ("unknown", "it went away")


def test_what_is_changing_is_waited_for() -> None:
    world = World("kvm1")
    world.add("web1", state="running", changing_reads=2)

    async def wait(seconds: float) -> list[Found]:
        endpoints = await opened(world)
        return await endpoints.settled(await endpoints.find((Ref("name", "web1"),)), seconds=seconds)

    (one,) = asyncio.run(wait(10))
    assert one.vm.state == "running"
    world.machine("web1").changing_reads = 100
    with pytest.raises(Timeout, match="web1"):
        asyncio.run(wait(0.3))
