# SPDX-License-Identifier: GPL-3.0-or-later
"""The `hypervisor` option: where its keys come from, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.connection import SECRETS, settle
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    ConnectionFailed,
    CrossvirtError,
    InvalidOption,
    NotFound,
)

LIBVIRT = {"type": "libvirt", "hosts": ["qemu+tls://kvm1/system"]}
VSPHERE = {"type": "vsphere", "hosts": ["vc1"]}
Environ = dict[str, str]


def in_file(folder: Path, content: Any, mode: int = 0o600) -> Environ:
    """Write a connections file and return the environment that names it."""
    path = folder / "connections.yml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    path.chmod(mode)
    return {"CROSSVIRT_CONNECTIONS": str(path)}


def entries(**named: dict[str, Any]) -> dict[str, Any]:
    return {"hypervisors": named}


def test_defaults_fill_what_nobody_gave() -> None:
    one = settle(LIBVIRT, {})
    assert (one.type, one.hosts, one.label, one.named) == (
        "libvirt",
        ("qemu+tls://kvm1/system",),
        "libvirt qemu+tls://kvm1/system",
        False,
    )
    assert one.settings == {"validate_certs": True, "connect_timeout_seconds": 10.0, "unreachable": "fail"}


def test_none_is_as_good_as_not_given() -> None:
    assert settle({**LIBVIRT, "username": None, "validate_certs": None}, {}) == settle(LIBVIRT, {})


def test_a_label_is_only_a_label(tmp_path: Path) -> None:
    environ = in_file(tmp_path, entries(dc1=VSPHERE)) | {"CROSSVIRT_LIBVIRT_USERNAME": "other"}
    one = settle({**LIBVIRT, "name": "dc1"}, environ)
    assert (one.type, one.label, one.named) == ("libvirt", "dc1", False)
    assert "username" not in one.settings  # the environment is for connections without any name


def test_a_name_is_an_entry_of_the_file(tmp_path: Path) -> None:
    environ = in_file(tmp_path, entries(dc1={**VSPHERE, "username": "me", "unreachable": "warn"}))
    one = settle({"name": "dc1"}, environ | {"CROSSVIRT_VSPHERE_PASSWORD": "x", "VMWARE_PASSWORD": "y"})
    assert (one.type, one.hosts, one.label, one.named) == ("vsphere", ("vc1",), "dc1", True)
    assert one.settings["unreachable"] == "warn"
    assert "password" not in one.settings
    assert one.reference() == "dc1"


def test_beside_a_name_two_keys_may_stand_and_win(tmp_path: Path) -> None:
    environ = in_file(tmp_path, entries(dc1={**VSPHERE, "connect_timeout_seconds": 3}))
    one = settle({"name": "dc1", "unreachable": "warn", "connect_timeout_seconds": 5}, environ)
    assert (one.settings["unreachable"], one.settings["connect_timeout_seconds"]) == ("warn", 5.0)


@pytest.mark.parametrize("key", ["hosts", "username", "password", "validate_certs", "ca_path"])
def test_nothing_else_may_stand_beside_a_name(tmp_path: Path, key: str) -> None:
    environ = in_file(tmp_path, entries(dc1=VSPHERE))
    with pytest.raises(InvalidOption, match=key):
        settle({"name": "dc1", key: ["elsewhere"] if key == "hosts" else "x"}, environ)


def test_the_environment_fills_what_is_left_out() -> None:
    environ = {
        "CROSSVIRT_TYPE": "libvirt",
        "CROSSVIRT_LIBVIRT_HOSTS": "qemu+tcp://a/system, qemu+tcp://b/system",
        "CROSSVIRT_LIBVIRT_VALIDATE_CERTS": "no",
        "CROSSVIRT_LIBVIRT_CONNECT_TIMEOUT_SECONDS": "2.5",
        "CROSSVIRT_LIBVIRT_USERNAME": "env",
        "CROSSVIRT_VSPHERE_PASSWORD": "of another type",
        "CROSSVIRT_LIBVIRT_PORT": "a key that libvirt does not know",
    }
    one = settle(None, environ)
    assert one.hosts == ("qemu+tcp://a/system", "qemu+tcp://b/system")
    assert one.settings == {
        "validate_certs": False,
        "connect_timeout_seconds": 2.5,
        "unreachable": "fail",
        "username": "env",
    }
    assert settle({"username": "task"}, environ).settings["username"] == "task"
    assert settle({"hosts": ["qemu:///system"]}, environ).hosts == ("qemu:///system",)
    other = settle(VSPHERE, environ)
    assert (other.type, other.settings["password"]) == ("vsphere", "of another type")
    assert "username" not in other.settings


def test_other_peoples_variables_serve_vsphere_only() -> None:
    environ = {"VMWARE_HOST": "vc1", "VMWARE_USER": "u", "VMWARE_PASSWORD": "p", "VMWARE_VALIDATE_CERTS": "no"}
    one = settle({"type": "vsphere"}, environ)
    assert (one.hosts, one.settings["username"], one.settings["password"]) == (("vc1",), "u", "p")
    assert one.settings["validate_certs"] is True
    ours = settle({"type": "vsphere"}, environ | {"CROSSVIRT_VSPHERE_HOSTS": "vc2", "CROSSVIRT_VSPHERE_PASSWORD": "q"})
    assert (ours.hosts, ours.settings["username"], ours.settings["password"]) == (("vc2",), "u", "q")
    xen = settle({"type": "xenserver", "hosts": ["x1"]}, environ)
    assert not {"username", "password"} & set(xen.settings)


def test_a_password_of_the_task_is_not_joined_by_one_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\nsecond line\n")
    one = settle({**VSPHERE, "password_file": str(tmp_path / "secret")}, {"VMWARE_PASSWORD": "p"})
    assert one.secrets == {"from the file"}


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_password_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secret"
    if content:
        path.write_bytes(content)
    with pytest.raises(InvalidOption, match=str(path)):
        settle({**VSPHERE, "password_file": str(path)}, {})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"type": "kvm"}, "type"),
        ({}, "type"),
        ({**LIBVIRT, "port": 1}, "port"),
        ({**LIBVIRT, "pasword": "x"}, "pasword"),
        ({**VSPHERE, "client_cert": "x"}, "client_cert"),
        ({"type": "libvirt"}, "hosts"),
        ({**LIBVIRT, "hosts": []}, "hosts"),
        ({**LIBVIRT, "hosts": [""]}, "hosts"),
        ({**LIBVIRT, "hosts": ["a", "a"]}, "twice"),
        ({**LIBVIRT, "hosts": {"a": 1}}, "hosts"),
        ({**LIBVIRT, "hosts": ["qemu+tcp://kvm1/system"]}, "not encrypted"),
        ({**LIBVIRT, "hosts": ["QEMU+TCP://kvm1/system"]}, "not encrypted"),
        ({**LIBVIRT, "hosts": ["test+tcp://kvm1/default"]}, "not encrypted"),
        ({"type": "hyperv", "hosts": ["http://hv1"]}, "not encrypted"),
        ({**LIBVIRT, "hosts": ["qemu+ssh://me:geheim@kvm1/system"]}, "secret"),
        ({**LIBVIRT, "hosts": ["qemu+tls://kvm1/system?password=geheim"]}, "secret"),
        ({**LIBVIRT, "validate_certs": "perhaps"}, "validate_certs"),
        ({**LIBVIRT, "unreachable": "ignore"}, "unreachable"),
        ({**LIBVIRT, "connect_timeout_seconds": "soon"}, "connect_timeout_seconds"),
        ({**LIBVIRT, "connect_timeout_seconds": 0}, "connect_timeout_seconds"),
        ({**VSPHERE, "port": True}, "port"),
        ({**VSPHERE, "password": "p", "password_file": "/f"}, "not both"),
        ({**VSPHERE, "password": ["p"]}, "password"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOption, match=said) as caught:
        settle(keys, {})
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    ["qemu:///system", "qemu+ssh://me@kvm1/system", "qemu+tls://[2001:db8::1]/system", "test:///default", "kvm1:16514"],
)
def test_hosts_that_are_fine(host: str) -> None:
    assert settle({**LIBVIRT, "hosts": host}, {}).hosts == (host,)


def test_plaintext_where_it_is_meant() -> None:
    assert settle({**LIBVIRT, "hosts": ["qemu+tcp://kvm1/system"], "validate_certs": False}, {}).hosts


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (entries(other=VSPHERE), NotFound, "other"),
        (entries(dc1={**VSPHERE, "name": "x"}), InvalidOption, "name"),
        (entries(dc1={**VSPHERE, "colour": "x"}), InvalidOption, "colour"),
        (entries(dc1={"hosts": ["vc1"]}), InvalidOption, "type"),
        (entries(dc1={**VSPHERE, "validate_certs": "perhaps"}), InvalidOption, "validate_certs"),
        (entries(dc1="text"), ConnectionFailed, "hypervisors"),  # type: ignore[arg-type]
        ({"dc1": VSPHERE}, ConnectionFailed, "hypervisors"),
        ("", ConnectionFailed, "hypervisors"),
        ("hypervisors: {dc1: {password: !vault geheim}}", ConnectionFailed, "vault"),
        ("hypervisors:\n  dc1: {password: {{ geheim }}}", ConnectionFailed, "plain YAML|must be|hypervisors"),
        ("hypervisors: {dc1: [geheim", ConnectionFailed, "line"),
    ],
)
def test_a_bad_file_is_told(tmp_path: Path, content: Any, error: type[CrossvirtError], said: str) -> None:
    environ = in_file(tmp_path, content)
    with pytest.raises(error, match=said) as caught:
        settle({"name": "dc1"}, environ)
    assert "geheim" not in str(caught.value)


def test_templates_are_no_values(tmp_path: Path) -> None:
    environ = in_file(tmp_path, entries(dc1={**VSPHERE, "password": "{{ lookup('env', 'HOME') }}"}))
    assert settle({"name": "dc1"}, environ).secrets == {"{{ lookup('env', 'HOME') }}"}


def test_policy_is_reserved_and_harmless(tmp_path: Path) -> None:
    environ = in_file(tmp_path, {**entries(dc1=VSPHERE), "policy": {"anything": 1}})
    assert settle({"name": "dc1"}, environ).type == "vsphere"


@pytest.mark.parametrize("mode", [0o604, 0o644])
@pytest.mark.parametrize("secret", SECRETS)
def test_a_file_with_secrets_that_everybody_reads_is_refused(tmp_path: Path, mode: int, secret: str) -> None:
    environ = in_file(tmp_path, entries(dc1=VSPHERE, dc2={**VSPHERE, secret: "geheim"}), mode)
    with pytest.raises(ConnectionFailed, match="chmod 600") as caught:
        settle({"name": "dc1"}, environ)
    assert "geheim" not in str(caught.value)


def test_a_file_without_secrets_may_be_read_by_everybody(tmp_path: Path) -> None:
    assert settle({"name": "dc1"}, in_file(tmp_path, entries(dc1=VSPHERE), 0o644)).hosts == ("vc1",)


def test_the_usual_place_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConnectionFailed, match=r"\.config/crossvirt/connections\.yml"):
        settle({"name": "dc1"}, {})
    (tmp_path / ".config" / "crossvirt").mkdir(parents=True)
    in_file(tmp_path / ".config" / "crossvirt", entries(dc1=VSPHERE))
    assert settle({"name": "dc1"}, {}).label == "dc1"


def test_paths_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settle({**LIBVIRT, "ca_path": "~/ca.pem"}, {}).settings["ca_path"] == str(tmp_path / "ca.pem")


def test_a_reference_holds_no_secret_and_leads_back() -> None:
    one = settle({**VSPHERE, "username": "me", "password": "geheim", "token": "geheim2", "validate_certs": False}, {})
    assert one.reference() == {"type": "vsphere", "hosts": ["vc1"], "username": "me", "validate_certs": False}
    assert one.secrets == {"geheim", "geheim2"}
    assert "geheim" not in repr(one)
    assert settle(one.reference(), {}).hosts == one.hosts


@pytest.mark.parametrize(
    ("task", "environ", "expected"),
    [
        ({}, {"CROSSVIRT_VSPHERE_TOKEN": "t", "VMWARE_USER": "u", "VMWARE_PASSWORD": "p"}, {"token": "t"}),
        ({"token": "t"}, {"VMWARE_USER": "u", "VMWARE_PASSWORD": "p"}, {"token": "t"}),
        ({"username": "me"}, {"CROSSVIRT_VSPHERE_TOKEN": "t"}, {"username": "me"}),
        ({"password": "mine"}, {"VMWARE_USER": "u", "VMWARE_PASSWORD": "p"}, {"username": "u", "password": "mine"}),
        ({}, {"CROSSVIRT_VSPHERE_USERNAME": "u", "VMWARE_PASSWORD": "p"}, {"username": "u", "password": "p"}),
    ],
)
def test_of_two_ways_to_log_in_the_stronger_source_decides(
    task: dict[str, Any], environ: dict[str, str], expected: dict[str, str]
) -> None:
    settings = settle({"type": "vsphere", "hosts": ["vc"], **task}, environ).settings
    assert {key: settings[key] for key in ("username", "password", "token") if key in settings} == expected


def test_a_password_file_of_ours_is_stronger_than_a_password_of_awx(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the file\n")
    environ = {"CROSSVIRT_VSPHERE_PASSWORD_FILE": str(tmp_path / "secret"), "VMWARE_PASSWORD": "from awx"}
    one = settle({"type": "vsphere", "hosts": ["vc"]}, environ)
    assert one.secrets == {"of the file"}
