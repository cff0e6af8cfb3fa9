# SPDX-License-Identifier: GPL-3.0-or-later
"""What a vSphere session decides without a server: addresses, TLS, credentials, and faults in our words."""

import re
import ssl
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import errors
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere import faults, transport
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.rights import NEEDED
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.session import Session
from pyVmomi import vim, vmodl

SETTINGS: dict[str, Any] = {"validate_certs": True, "connect_timeout_seconds": 1.0}


def fault_of(kind: Any, **facts: Any) -> Any:
    """Return a fault with its facts; pyvmomi's types know faults without any."""
    return kind(**facts)


@pytest.mark.parametrize(
    ("host", "settings", "expected"),
    [
        ("vcenter.example.com", {}, ("vcenter.example.com", 443)),
        ("vcenter.example.com", {"port": 8443}, ("vcenter.example.com", 8443)),
        ("vcenter.example.com:8443", {"port": 443}, ("vcenter.example.com", 8443)),
        ("192.0.2.7", {}, ("192.0.2.7", 443)),
        ("2001:db8::7", {}, ("2001:db8::7", 443)),
        ("[2001:db8::7]:8443", {}, ("2001:db8::7", 8443)),
    ],
)
def test_hosts_are_names_or_addresses(host: str, settings: dict[str, Any], expected: tuple[str, int]) -> None:
    address = transport.address_from(settings, host)
    assert (address.host, address.port) == expected


@pytest.mark.parametrize("host", ["https://vcenter", "vcenter/sdk", "root@vcenter", "a b", "vcenter:port", ":443"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(errors.InvalidOption, match="hosts"):
        transport.address_from({}, host)


def test_a_proxy_needs_its_port() -> None:
    assert transport.address_from({"proxy": "proxy:3128"}, "vc").proxy == ("proxy", 3128)
    with pytest.raises(errors.InvalidOption, match="proxy"):
        transport.address_from({"proxy": "proxy"}, "vc")


def test_certificates_are_verified_unless_told_otherwise() -> None:
    assert transport.context_from(SETTINGS).verify_mode is ssl.CERT_REQUIRED
    assert transport.context_from(SETTINGS).check_hostname
    assert transport.context_from({**SETTINGS, "validate_certs": False}).verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ca_path": "/nowhere/ca.pem"}, "ca_path"),
        ({"ca_path": "/etc/hostname"}, "ca_path"),
        ({"thumbprint": "ab" * 20, "ca_path": "/etc/ca.pem"}, "not both"),
        ({"thumbprint": "ab:cd"}, "thumbprint"),
        ({"thumbprint": "zz" * 20}, "thumbprint"),
        ({"token": "x", "username": "u"}, "not both"),
        ({"token": ""}, "username and password"),
        ({"username": "u"}, "needs password"),
    ],
)
def test_contradictions_are_refused_before_anything_is_sent(settings: dict[str, Any], said: str) -> None:
    login = {} if {"token", "username"} & set(settings) else {"username": "u", "password": "p"}
    with pytest.raises(errors.InvalidOption, match=said):
        Session({**SETTINGS, **login, **settings}, "127.0.0.1:1")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (vim.fault.InvalidPowerState(), errors.InvalidState),
        (vim.fault.TaskInProgress(), errors.Busy),
        (vim.fault.DuplicateName(), errors.AlreadyExists),
        (vim.fault.InvalidLogin(), errors.AuthenticationFailed),
        (vim.fault.NoDiskSpace(), errors.CapacityExceeded),
        (vim.fault.InsufficientResourcesFault(), errors.CapacityExceeded),
        (vim.fault.ToolsUnavailable(), errors.InvalidState),
        (vmodl.fault.ManagedObjectNotFound(), errors.NotFound),
        (vmodl.fault.NotSupported(), errors.Unsupported),
        (vmodl.fault.RequestCanceled(), errors.Cancelled),
        (fault_of(vmodl.fault.SystemError, reason="the disk is on fire"), errors.BackendError),
    ],
    ids=lambda value: type(value).__name__.rpartition(".")[2] if isinstance(value, Exception) else "",
)
def test_faults_have_our_class(fault: Any, expected: type[errors.CrossvirtError]) -> None:
    error = faults.ours(fault, "vc1", "starting web1")
    assert error.__class__ is expected
    assert str(error).startswith("vc1: starting web1: ")
    assert faults.name_of(fault) in str(error)


def test_a_missing_right_is_named_with_its_object() -> None:
    place = vim.VirtualMachine("vm-42", None)
    fault = fault_of(vim.fault.NoPermission, privilegeId="VirtualMachine.Interact.PowerOn", object=place)
    error = faults.ours(fault, "vc1", "starting web1")
    assert isinstance(error, errors.PermissionDenied)
    assert "VirtualMachine.Interact.PowerOn on vm-42" in str(error)


def test_the_code_of_what_is_unforeseen_is_kept() -> None:
    error = faults.ours(fault_of(vmodl.fault.SystemError, reason="the disk is on fire"), "vc1", "starting web1")
    assert error.facts == {"code": "SystemError"}
    assert "the disk is on fire" in str(error)


PAGE = (Path(__file__).parents[2] / "docs/vsphere.md").read_text()
RIGHTS = re.findall(r"^\| `(\w+)` \| (.*) \| `([A-Z][\w.]+)` \| (SDK|documentation) \|$", PAGE, re.MULTILINE)
DECLARED: dict[str, list[tuple[Any, str]]] = {  # what pyvmomi says of the calls that the driver makes for a use
    "start, resume": [(vim.VirtualMachine, "PowerOn")],
    "stop, shutdown, discard_state": [(vim.VirtualMachine, "PowerOff"), (vim.VirtualMachine, "ShutdownGuest")],
    "suspend": [(vim.VirtualMachine, "Suspend")],
    "reset": [(vim.VirtualMachine, "Reset")],
    "create_snapshot": [(vim.VirtualMachine, "CreateSnapshot")],
    "revert_snapshot": [(vim.vm.Snapshot, "Revert")],
    "delete_snapshot": [(vim.vm.Snapshot, "Remove")],
    "create": [(vim.Folder, "CreateVm")],
    "create, clone": [(vim.Folder, "CreateVm")],
    "migrate of any other": [(vim.VirtualMachine, "Relocate")],
    "enter_maintenance, exit_maintenance": [
        (vim.HostSystem, "EnterMaintenanceMode"),
        (vim.HostSystem, "ExitMaintenanceMode"),
    ],
    "labels that are custom attributes": [(vim.CustomFieldsManager, "SetField")],
}


def test_the_page_shows_every_privilege_and_what_needs_it() -> None:
    assert [(use, right) for _module, use, right, _source in RIGHTS] == list(NEEDED)


@pytest.mark.parametrize(("use", "right"), [(use, right) for _module, use, right, source in RIGHTS if source == "SDK"])
def test_privileges_are_those_that_the_sdk_declares(use: str, right: str) -> None:
    for kind, name in DECLARED[use]:
        method: Any = kind._GetMethodInfo(name)  # noqa: SLF001
        assert right in {method.privId, *(one.privId for one in method.params)}
