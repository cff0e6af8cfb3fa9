# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that refuse, vanish, hang or are not what they say: one clear error each, in time, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.bench import Module, assert_refused
from tests.integration.libvirt.bench import Bench
from tests.lab.client import Lab

Hypervisor = dict[str, Any]
SLACK_SECONDS = 10  # for starting Python on a busy machine, next to a deadline of the module itself
KEEPALIVE_SECONDS = 16

pytestmark = pytest.mark.usefixtures("alone")


def unreachable(lab: Lab) -> dict[str, tuple[Hypervisor, str, list[str], float]]:
    """Connections that must fail: how, with which words, and after how many seconds at most."""
    tls, pki, address = lab.connection("kvm1"), lab.facts["pki"], lab.facts["hosts"]["kvm1"]["address"]
    net = lab.facts["net"].rpartition(".")[0]
    silent, empty = f"{net}.254:16600", f"{net}.253"
    brief = {"connect_timeout_seconds": 2}
    without = {key: value for key, value in tls.items() if not key.startswith("client_")}
    rogue = {"client_cert": pki["rogue_cert"], "client_key": pki["rogue_key"]}
    ours = {key: value for key, value in tls.items() if key != "hosts"}
    plain = {"type": "libvirt", "validate_certs": False}

    def both(uri: str) -> Hypervisor:
        return tls | {"hosts": [*tls["hosts"], uri]}

    return {
        "refused": ({"name": "refused"}, "ConnectionFailed", [f"{net}.254", "16699", "refused"], 0),
        "black hole": ({"name": "black-hole"} | brief, "ConnectionFailed", [empty, "within 2 seconds"], 2),
        "half-dead": ({"name": "half-dead"} | brief, "ConnectionFailed", [silent, "within 2 seconds"], 2),
        "black hole by ssh": (
            plain | {"hosts": f"qemu+ssh://root@{empty}/system"} | brief,
            "ConnectionFailed",
            [empty],
            2,
        ),
        "half-dead by ssh": (
            plain | {"hosts": f"qemu+ssh://root@{silent}/system"} | brief,
            "ConnectionFailed",
            [silent],
            2,
        ),
        "half-dead by tls": (ours | {"hosts": f"qemu+tls://{silent}/system"} | brief, "ConnectionFailed", [silent], 2),
        "no such name": (ours | {"hosts": "qemu+tls://kvm1.invalid/system"}, "ConnectionFailed", ["kvm1.invalid"], 0),
        "no such CA": (tls | {"ca_path": "/nowhere.pem"}, "InvalidOption", ["ca_path", "/nowhere.pem"], 0),
        "another CA": (tls | {"ca_path": pki["other_ca"]}, "CertificateNotTrusted", [address, "ca_path"], 0),
        "no certificate of ours": (without, "AuthenticationFailed", [address, "client_cert"], 0),
        "a rogue's certificate": (tls | rogue, "AuthenticationFailed", [address, pki["rogue_cert"]], 0),
        "one of two refused": (both(f"qemu+tls://{net}.254:16699/system"), "ConnectionFailed", ["16699"], 0),
        "one of two a black hole": (both(f"qemu+tls://{empty}/system") | brief, "ConnectionFailed", [empty], 2),
    }


@pytest.fixture(scope="module")
def attempts(bench: Bench) -> Iterator[dict[str, Module]]:
    """Begin them all at once: most only wait."""
    bench.machines.bare("kvm1", "it-there")
    yield {
        case: bench.begin("vm_state", hypervisor=hypervisor, name="it-there", state="running")
        for case, (hypervisor, *_expected) in unreachable(bench.lab).items()
    }
    bench.machines.remove("kvm1", "it-there")


CASES = (
    "refused",
    "black hole",
    "half-dead",
    "black hole by ssh",
    "half-dead by ssh",
    "half-dead by tls",
    "no such name",
    "no such CA",
    "another CA",
    "no certificate of ours",
    "a rogue's certificate",
    "one of two refused",
    "one of two a black hole",
)


@pytest.mark.parametrize("case", CASES)
def test_no_connection(bench: Bench, attempts: dict[str, Module], case: str) -> None:
    _hypervisor, error, words, seconds = unreachable(bench.lab)[case]
    result = attempts[case].result()
    assert_refused(result, error, *words)
    assert attempts[case].seconds < seconds + SLACK_SECONDS
    assert bench.machines.state("kvm1", "it-there") == "shut off"
