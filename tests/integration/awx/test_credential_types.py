# SPDX-License-Identifier: GPL-3.0-or-later
"""The credential types of the pattern: AWX takes them, and what they write is a connections file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.awx.credential import PATTERN, CredentialType

NAMES = sorted(path.stem for path in (PATTERN / "credential_types").iterdir())
LIBVIRT = {
    "name": 'kvm: "new"',
    "type": "libvirt",
    "hosts": "qemu+tls://kvm1/system\nqemu+tls://kvm2/system\n",
    "ca": "the authority",
    "cert": "the certificate",
    "key": "the key",
}
VSPHERE = {"name": "dc1", "type": "vsphere", "hosts": "vc", "username": "admin@vsphere.local", "port": "8443"}
AWKWARD = "it's: \"#{{ nothing }}\\ <&>"


@pytest.mark.parametrize("name", NAMES)
def test_awx_would_take_it(name: str) -> None:
    CredentialType.read(name).check()


def written(tmp_path: Path, **inputs: Any) -> dict[str, Any]:
    """Return the entries of the file that a credential of one hypervisor writes."""
    env = CredentialType.read("hypervisor").inject(inputs, tmp_path)
    entries: dict[str, Any] = yaml.safe_load(Path(env["CROSSVIRT_CONNECTIONS"]).read_text())["hypervisors"]
    return entries


def test_files_of_tls_are_named(tmp_path: Path) -> None:
    entry = written(tmp_path, **LIBVIRT)['kvm: "new"']
    assert entry["hosts"] == ["qemu+tls://kvm1/system", "qemu+tls://kvm2/system"]
    files = {key: Path(entry[key]).read_text() for key in ("ca_path", "client_cert", "client_key")}
    assert files == {"ca_path": "the authority", "client_cert": "the certificate", "client_key": "the key"}
    assert set(entry) == {*files, "type", "hosts", "validate_certs"}
    assert entry["validate_certs"] is True


def test_a_password_is_what_was_typed(tmp_path: Path) -> None:
    entry = written(tmp_path, **VSPHERE, password=AWKWARD, plaintext=True)["dc1"]
    assert entry == {
        "type": "vsphere",
        "hosts": ["vc"],
        "port": 8443,
        "username": "admin@vsphere.local",
        "password": AWKWARD,
        "validate_certs": False,
    }


def test_a_whole_file_is_what_was_typed(tmp_path: Path) -> None:
    text = yaml.safe_dump({"hypervisors": {"dc1": {"password": AWKWARD}}})
    env = CredentialType.read("connections").inject({"connections": text}, tmp_path)
    assert yaml.safe_load(Path(env["CROSSVIRT_CONNECTIONS"]).read_text()) == yaml.safe_load(text)


def test_secrets_are_marked() -> None:
    fields = CredentialType.read("hypervisor").fields
    assert {name for name, field in fields.items() if field.get("secret")} == {"password", "token", "key"}
    assert CredentialType.read("connections").fields["connections"]["secret"] is True
