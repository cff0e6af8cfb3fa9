# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, variables and groups of hosts, from documents."""

from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import InvalidOption
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.listing import (
    best_address,
    check_hostnames,
    hosts_of,
    names_of,
    variables_of,
)


def vm(name: str, uuid: str = "11111111-aaaa", host: str = "kvm1", **more: Any) -> dict[str, Any]:
    facts = {"name": name, "uuid": uuid, "host": host, "type": "libvirt", "state": "running", "cluster": None}
    return facts | more


def guest(*addresses: str, **more: Any) -> dict[str, Any]:
    return {"reachable": True, "addresses": [{"address": one} for one in addresses], **more}


@pytest.mark.parametrize(
    ("vms", "names"),
    [
        ([vm("web1"), vm("web2", "2")], ["web1", "web2"]),
        ([vm("web", "11111111-a"), vm("web", "22222222-b")], ["web_11111111", "web_22222222"]),
        (
            [vm("web", "11111111-a"), vm("web", host="kvm2", uuid="11111111-a")],
            ["web_11111111_kvm1", "web_11111111_kvm2"],
        ),
        ([vm("web", "11111111-a"), vm("web", "11111111-b")], ["web_11111111-a_kvm1", "web_11111111-b_kvm1"]),
        (
            [vm("web", "11111111-a"), vm("web", "22222222-b"), vm("web_11111111", "33333333-c")],
            ["web_11111111_kvm1", "web_22222222", "web_11111111_33333333"],
        ),
        ([vm("web 1", "11111111-a"), vm("web,1", "22222222-b")], ["web_1_11111111", "web_1_22222222"]),
    ],
    ids=["distinct", "same name", "same uuid", "same digits", "a suffix is somebody's name", "alike once made safe"],
)
def test_all_that_clash_are_told_apart(vms: list[dict[str, Any]], names: list[str]) -> None:
    assert names_of(vms, ["name"]) == names
    assert names_of(vms[::-1], ["name"]) == names[::-1]


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("web1.example.com", "web1.example.com"),
        ("größe-東京_1", "größe-東京_1"),
        ("all", "all_11111111"),
        ("localhost", "localhost_11111111"),
        ("crossvirt_libvirt", "crossvirt_libvirt_11111111"),
        ("dbservers", "dbservers_11111111"),
        ("-oProxyCommand=id", "_oProxyCommand_id"),
        ("../../etc", "_._.._etc"),
        ("my vm", "my_vm"),
        ("a,b:c&d!e[1]*?~@", "a_b_c_d_e_1_____"),
        ("{{ 6 * 7 }}", "___6___7___"),
        ("tab\tnew\nline\0", "tab_new_line_"),
        ('it\'s "so"', "it_s__so_"),
        ("", "11111111-aaaa"),
    ],
)
def test_names_mean_nothing_else_to_ansible(name: str, host: str) -> None:
    (listed,) = hosts_of([("kvm", [vm(name)])], ["name"], {"dbservers"}, str)
    assert listed.name == host
    assert listed.variables["crossvirt_name"] == name


def test_the_first_key_with_a_text_names_the_host() -> None:
    named, silent, nameless = (
        vm("a", "1", guest=guest(hostname="alpha")),
        vm("b", "2", guest=guest()),
        vm("c", "3", labels={}),
    )
    assert names_of([named, silent, nameless], ["guest.hostname", "labels", "uuid"]) == ["alpha", "2", "3"]
    assert names_of([silent], ["guest.hostname"]) == ["b"]


def test_a_key_that_is_not_read_names_nothing() -> None:
    check_hostnames(["guest.hostname", "name"], ["name", "guest"])
    with pytest.raises(InvalidOption, match=r"'guest.hostname'"):
        check_hostnames(["guest.hostname"], ["name", "uuid"])


@pytest.mark.parametrize(
    ("addresses", "best"),
    [
        ((), None),
        (("127.0.0.1", "::1", "fe80::1", "169.254.3.4", "::", "224.0.0.1"), None),
        (("fe80::1", "2001:db8::5", "192.0.2.9", "192.0.2.1"), "192.0.2.9"),
        (("fe80::1", "fd00::7", "2001:db8::5"), "fd00::7"),
    ],
)
def test_the_address_to_reach_a_guest(addresses: tuple[str, ...], best: str | None) -> None:
    assert best_address(addresses) == best


def test_a_guest_cannot_pass_off_anything_else_as_an_address() -> None:
    lies = guest("-oProxyCommand=id", "2001:db8::1%-oProxyCommand=id", "{{ 6 * 7 }}", "192.0.2.1;id", "", "192.0.2.7")
    variables = variables_of(vm("a", guest=lies), "kvm")
    assert variables["crossvirt_addresses"] == ["192.0.2.7"]
    assert variables["ansible_host"] == "192.0.2.7"
    assert "ansible_host" not in variables_of(vm("a", guest=guest("-x")), "kvm")


def test_without_the_guest_nothing_is_said_of_addresses() -> None:
    variables = variables_of(vm("a", "u1"), {"type": "libvirt", "hosts": ["h"]})
    assert not {"ansible_host", "crossvirt_addresses"} & set(variables)
    assert variables["crossvirt_hypervisor"] == {"type": "libvirt", "hosts": ["h"]}
    assert variables["crossvirt_ref"] == {"uuid": "u1"}


def test_groups_are_made_safe_and_a_vm_counts_once() -> None:
    twin = vm("a", "1", host="kvm-1", cluster="c 1", state="stopped")
    hosts = hosts_of(
        [("one", [twin]), ("two", [twin, vm("b", "2")])], ["name"], (), lambda name: name.replace("-", "_")
    )
    assert [(host.name, host.variables["crossvirt_hypervisor"]) for host in hosts] == [("a", "one"), ("b", "two")]
    assert hosts[0].groups == (
        "crossvirt_libvirt",
        "crossvirt_state_stopped",
        "crossvirt_host_kvm_1",
        "crossvirt_cluster_c 1",
    )
    assert hosts[1].groups == ("crossvirt_libvirt", "crossvirt_state_running", "crossvirt_host_kvm1")
