# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding and reading VMs: what matches, which parts, whose identity."""

from __future__ import annotations

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import (
    PLANNING_ONLY,
    About,
    Host,
    Network,
    Part,
    Ref,
    Selection,
    Storage,
)

from tests.conformance.bed import Bed, Start
from tests.lab.commands import wait_until

NOBODY = "00000000-0000-4000-8000-00000000dead"


def test_a_vm_is_found_by_each_key(bed: Bed, driver: Driver) -> None:
    name = bed.vm(Start())
    (vm,) = driver.find_vms((Ref("name", name),))
    assert vm.name == name
    for ref in (Ref("uuid", vm.uuid), Ref("uuid", vm.uuid.upper()), Ref("id", vm.id)):
        assert driver.find_vms((ref,)) == [vm]
    assert driver.find_vms((Ref("name", name), Ref("uuid", vm.uuid))) == [vm]
    assert driver.find_vms((Ref("name", name.upper()),)) == []
    assert driver.find_vms((Ref("uuid", NOBODY),)) == []


def test_a_selection_finds_those_of_which_all_holds(bed: Bed, driver: Driver) -> None:
    name = bed.vm(Start("running"))
    (vm,) = driver.find_vms((Ref("name", name),))
    assert vm in driver.find_vms(Selection(name=f"{name[:3]}*", state="running", host=vm.host))
    assert vm in driver.find_vms(Selection())
    for other in (
        Selection(name=name, state="stopped"),
        Selection(name=name, host="elsewhere"),
        Selection(name=name, labels={"no": ["such"]}),
    ):
        assert driver.find_vms(other) == []


def test_only_those_that_are_there_are_got(bed: Bed, driver: Driver) -> None:
    name = bed.vm(Start())
    (vm,) = driver.find_vms((Ref("name", name),))
    assert driver.get_vms([vm.id, NOBODY]) == {vm.id: vm}
    assert driver.get_vms([]) == {}


IN_OTHER_PARTS = (Part.DISK_USERS, Part.PLACE)


@pytest.mark.parametrize("part", [part for part in Part if part not in IN_OTHER_PARTS])
def test_a_part_is_there_when_it_was_gathered(bed: Bed, driver: Driver, part: Part) -> None:
    name = bed.vm(Start("running", "guest"))
    (bare,) = driver.find_vms((Ref("name", name),))
    (full,) = driver.find_vms((Ref("name", name),), [part])
    assert getattr(bare, part) is None
    assert getattr(full, part) is not None
    for other in set(Part) - {part, *PLANNING_ONLY}:
        assert getattr(full, other) is None

    def agree() -> bool:  # not at once: a guest that has just booted gets its addresses meanwhile
        (found,) = driver.find_vms((Ref("name", name),), [part])
        return driver.get_vms([bare.id], [part])[bare.id] == found

    wait_until(agree, f"the same {part} by name and by id", bed.patience_seconds)


def test_disks_tell_their_users_only_when_asked(bed: Bed, driver: Driver) -> None:
    ref = Ref("name", bed.vm(Start()))
    (without,), (with_users,) = (
        driver.find_vms((ref,), parts) for parts in ([Part.DISKS], [Part.DISKS, Part.DISK_USERS])
    )
    assert [disk.users for disk in without.disks or ()] == [None]
    assert [disk.users for disk in with_users.disks or ()] == [()]


def test_sizes_are_in_bytes(bed: Bed, driver: Driver) -> None:
    name = bed.vm(Start())
    (vm,) = driver.find_vms((Ref("name", name),), [Part.DISKS])
    assert vm.cpus
    assert vm.memory_bytes
    assert vm.memory_bytes % (1024 * 1024) == 0
    assert vm.disks
    assert vm.disks[0].size_bytes
    assert vm.disks[0].size_bytes >= 1024 * 1024


def test_one_identity_for_all_ways_to_the_same_vms(bed: Bed, driver: Driver) -> None:
    again = bed.connect(bed.hosts[0])
    assert again.identity == driver.identity
    again.close()
    again.close()  # harmless
    others = [bed.connect(host) for host in bed.hosts[1:]]
    assert len({driver.identity, *(one.identity for one in others)}) == len(bed.hosts)
    for one in others:
        one.close()


def test_the_endpoint_describes_itself(bed: Bed, driver: Driver) -> None:
    about, hosts = driver.about(), driver.list_hosts()
    assert isinstance(about, About)
    assert about.host == driver.host
    assert [type(host) for host in hosts] == [Host] * len(hosts)
    assert bed.words()["host"] in [host.name for host in hosts]
    assert {type(one) for one in driver.list_storage()} == {Storage}
    assert {type(one) for one in driver.list_networks()} == {Network}
    assert all(one.capacity_bytes >= one.free_bytes >= 0 for one in driver.list_storage())


def test_vms_of_all_hosts_are_one_set(bed: Bed) -> None:
    names = [bed.vm(Start(), host) for host in bed.hosts]
    result = bed.run("vm_info", {"vms": names[::-1]})
    assert [vm["name"] for vm in result["vms"]] == names[::-1]
    assert len({vm["host"] for vm in result["vms"]}) == len(bed.hosts)
