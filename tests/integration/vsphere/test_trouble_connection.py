# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may be talked to, and who may talk: certificates, accounts, tokens, proxies, and hosts that are not there."""

from __future__ import annotations

import hashlib
import ssl
from typing import Any

import pytest

from tests.integration.bench import assert_refused
from tests.integration.vsphere.bench import HARD, Bench
from tests.integration.vsphere.proxy import proxy
from tests.lab.vsphere.server import Layout, Simulator

VM = "DC0_H0_VM0"
STOP: dict[str, Any] = {"name": VM, "state": "stopped", "shutdown": HARD}
TOKEN = {"username": None, "password": None}  # is what a token stands for


def fingerprint(sim: Simulator, digest: str) -> str:
    """Return it as people copy it, with colons."""
    certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((sim.address, sim.port)))
    return hashlib.new(digest, certificate).digest().hex(":").upper()


REFUSED: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "wrong password": ({"password": "wrong"}, "AuthenticationFailed", ["InvalidLogin"]),
    "wrong user": ({"username": "nobody@vsphere.local"}, "AuthenticationFailed", ["InvalidLogin"]),
    "no password": ({"password": None}, "InvalidOption", ["password"]),
    "no such token": (TOKEN | {"token": "no-such"}, "AuthenticationFailed", ["hypervisor.token is not open"]),
    "token and password": ({"token": "as-well"}, "InvalidOption", ["token", "password"]),
    "system's authorities": ({"ca_path": None}, "CertificateNotTrusted", ["ca_path", "thumbprint"]),
    "no such file": ({"ca_path": "/nowhere.pem"}, "InvalidOption", ["ca_path", "/nowhere.pem"]),
    "wrong thumbprint": ({"ca_path": None, "thumbprint": "0" * 64}, "CertificateNotTrusted", ["thumbprint", "sha256"]),
    "no thumbprint": ({"ca_path": None, "thumbprint": "abc"}, "InvalidOption", ["thumbprint"]),
    "wrong port": ({"port": 9}, "ConnectionFailed", ["refused"]),
    "dead host": ({"hosts": "127.77.255.254"}, "ConnectionFailed", ["127.77.255.254", "refused"]),
    "no such host": ({"hosts": "vcenter.invalid"}, "ConnectionFailed", ["vcenter.invalid"]),
    "a URL": ({"hosts": "https://vcenter.invalid/sdk"}, "InvalidOption", ["hosts", "https://vcenter.invalid/sdk"]),
    "dead proxy": ({"proxy": "127.0.0.1:9"}, "ConnectionFailed", ["refused"]),
    "no proxy": ({"proxy": "127.0.0.1"}, "InvalidOption", ["proxy"]),
}


def test_no_connection(bench: Bench) -> None:
    """All are begun at once: most only wait for a processor."""
    before = bench.picture()
    begun = {
        case: bench.begin("vm_state", hypervisor=bench.sim.connection(**changes), **STOP)
        for case, (changes, *_expected) in REFUSED.items()
    }
    results = {case: process.result() for case, process in begun.items()}
    for case, (_changes, error, words) in REFUSED.items():
        assert_refused(results[case], error, *words)
    assert bench.picture() == before


@pytest.mark.parametrize(
    ("layout", "word"),
    [
        (Layout(vms=1, certificate="expired"), "expired"),
        (Layout(vms=1, certificate="foreign"), "unable to get local issuer"),
        (Layout(vms=1, certificate="elsewhere"), "IP address mismatch"),
    ],
    ids=["expired", "foreign", "elsewhere"],
)
def test_a_certificate_that_proves_nothing(bench: Bench, word: str) -> None:
    assert_refused(bench.run("vm_info"), "CertificateNotTrusted", bench.sim.address, word, "ca_path")
    given = bench.sim.connection(ca_path=None, validate_certs=False)
    assert "error" not in bench.run("vm_info", hypervisor=given)


def test_a_certificate_that_is_pinned(bench: Bench) -> None:
    for digest in ("sha1", "sha256", "sha512"):
        given = bench.sim.connection(ca_path=None, thumbprint=fingerprint(bench.sim, digest))
        assert "error" not in bench.run("vm_state", hypervisor=given, **STOP)


def test_a_token_is_used_and_left_open(bench: Bench) -> None:
    with bench.witness.connected() as content:
        token = content.rootFolder._stub.GetSessionId()  # noqa: SLF001 - as pyvmomi's own samples do
        given = bench.sim.connection(**TOKEN, token=token)
        bench.control.reset()
        assert "error" not in bench.run("vm_state", hypervisor=given, **STOP)
        assert (bench.called("Login"), bench.called("Logout"), len(bench.control.sessions())) == (0, 0, 1)
        bench.control.delays(RetrievePropertiesEx=0.5)
        process = bench.begin("vm_info", hypervisor=given)
        bench.wait_for_call("RetrievePropertiesEx")
        bench.wait_for_call("CreateContainerView")
        bench.control.reset()
        bench.wait_for_call("RetrievePropertiesEx")
        bench.control.end_sessions()
        result = process.result()
        assert (result["error"], bench.called("Login")) == ("AuthenticationFailed", 0)
        assert "session of hypervisor.token has expired" in result["msg"]
        bench.control.delays()
    again = bench.run("vm_info", hypervisor=given)
    assert (again["error"], "not open any more" in again["msg"]) == ("AuthenticationFailed", True)
    assert token not in str(result) + str(again)


def test_all_goes_through_the_proxy(bench: Bench) -> None:
    with proxy() as (address, asked):
        given = bench.sim.connection(proxy=address)
        assert "error" not in bench.run("vm_state", hypervisor=given, **STOP)
        assert "error" not in bench.run("vm_info", hypervisor=given, name=VM, gather=["labels"])
    assert set(asked) == {f"{bench.sim.address}:{bench.sim.port}"}
    assert bench.control.calls().rest  # tags go the same way
    assert bench.control.calls().connections == len(asked)
