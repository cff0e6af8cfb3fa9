# SPDX-License-Identifier: GPL-3.0-or-later
"""Every set of endpoints of a task: hosts that are known count once, and those that are lost come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.connection import Connection
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import ConnectionFailed
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.places import Places

from tests.unit.harness import connection_to
from tests.unit.memory import drivers_of
from tests.unit.world import World

T = TypeVar("T")


def west(world: World, *hosts: str, **keys: str) -> Connection:
    return connection_to(world, name="west", hosts=list(hosts), **keys)


def inside(world: World, work: Callable[[Places], Awaitable[T]]) -> T:
    """Work with places whose home has the hosts kvm1 and kvm2, and close them."""

    async def whole() -> T:
        places = await Places.open(connection_to(world, hosts=["kvm1", "kvm2"]), drivers_of(world))
        try:
            return await work(places)
        finally:
            await places.close()

    result = asyncio.run(whole())
    assert world.sessions == 0
    return result


def four() -> World:
    return World("kvm1", "kvm2", "west1", "west2")


def test_a_connection_is_opened_once() -> None:
    world = four()

    async def twice(places: Places) -> bool:
        return await places.at(west(world, "west1")) is await places.at(west(world, "west1"))

    assert inside(world, twice)
    assert world.calls.count("connect") == 3


def test_home_is_known() -> None:
    world = four()

    async def home(places: Places) -> bool:
        return await places.at(connection_to(world, hosts=["kvm1", "kvm2"])) is places.home

    assert inside(world, home)


def test_hosts_that_are_known_count_once_and_keep_their_label() -> None:
    world = four()
    world.sites["west2"].identity = "kvm2"

    async def labels(places: Places) -> list[tuple[str, str]]:
        members = (await places.at(west(world, "west1", "west2", "kvm1"))).members
        return [(member.host, places.label_of(member)) for member in members]

    assert inside(world, labels) == [("west1", "west"), ("kvm2", "memory"), ("kvm1", "memory")]


def test_an_endpoint_belongs_to_a_set_as_long_as_it_answers() -> None:
    world = four()

    async def sets(places: Places) -> tuple[bool, bool]:
        other = await places.at(west(world, "west1"))
        (lost, home), (member,) = places.home.members, other.members
        places.home.members = [home]
        with pytest.raises(ConnectionFailed, match="kvm1 does not answer any more"):
            places.endpoints_of(lost)
        places.home.members = [lost, home]
        return places.endpoints_of(home) is places.home, places.endpoints_of(member) is other

    assert inside(world, sets) == (True, True)


def test_a_connection_that_failed_is_not_tried_again() -> None:
    world = four()
    world.sites["west1"].down = True

    async def twice(places: Places) -> int:
        for _attempt in range(2):
            with pytest.raises(ConnectionFailed, match="west1 is down"):
                await places.at(west(world, "west1"))
        return world.calls.count("connect")

    assert inside(world, twice) == 3


def test_those_who_may_be_silent_are_failures() -> None:
    world = four()
    world.sites["west1"].down = True

    async def silent(places: Places) -> list[str]:
        await places.at(west(world, "west1", "west2", unreachable="warn"))
        return [str(error) for error in places.failures]

    assert inside(world, silent) == ["west1 is down"]


@pytest.mark.parametrize("host", ["kvm1", "west1"])
def test_a_lost_endpoint_is_connected_anew(host: str) -> None:
    world = four()

    async def lose(places: Places) -> list[str]:
        members = [*places.home.members, *(await places.at(west(world, "west1"))).members]
        (endpoint,) = [one for one in members if one.host == host]
        world.sites[host].restart()
        with pytest.raises(ConnectionFailed):
            await endpoint.call(lambda driver: driver.get_vms([]))
        assert await places.again(endpoint) is endpoint
        await endpoint.call(lambda driver: driver.get_vms([]))
        world.sites[host].restart(down=True)
        for _attempt in range(2):
            with pytest.raises(ConnectionFailed):
                await places.again(endpoint)
            with pytest.raises(ConnectionFailed, match="not connected"):
                await endpoint.call(lambda driver: driver.get_vms([]))
        world.sites[host].down = False
        await places.again(endpoint)
        return await endpoint.call(lambda driver: list(driver.get_vms([])))

    assert inside(world, lose) == []
