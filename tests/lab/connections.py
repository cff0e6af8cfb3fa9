# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells people and tests what there is: `.lab/libvirt.yml`, a connections file, and `.lab/lab.json`, the rest."""

import hashlib
import json
from typing import Any

import yaml

from tests.lab import pki, shared, ssh
from tests.lab.contents import POOLS, subnet
from tests.lab.files import write
from tests.lab.host import Host
from tests.lab.image import MIB, Images
from tests.lab.settings import (
    BLACK_HOLE_ADDRESS,
    CHECKOUT,
    HALF_DEAD_PORT,
    INSTANCE,
    NET,
    OUTPUT,
    REFUSED_PORT,
    ROOT_ADDRESS,
    RUNTIME,
)

CONNECTIONS, FACTS = OUTPUT / "libvirt.yml", OUTPUT / "lab.json"
Entry = dict[str, Any]


def tls(*hosts: Host) -> Entry:
    """Describe verified connections with a client certificate."""
    uris = [f"qemu+tls://{host.address}/system" for host in hosts]
    files = {"ca_path": pki.CA, "client_cert": pki.CLIENT_CERT, "client_key": pki.CLIENT_KEY}
    return {"type": "libvirt", "hosts": uris} | {key: str(path) for key, path in files.items()}


def plain(*uris: str) -> Entry:
    """Describe connections that verify nothing."""
    return {"type": "libvirt", "hosts": list(uris), "validate_certs": False}


def tcp(*places: str) -> Entry:
    """Describe plaintext connections to addresses, each with or without a port."""
    return plain(*(f"qemu+tcp://{place}/system" for place in places))


def entries(hosts: list[Host], *, with_ssh: bool) -> dict[str, Entry]:
    """List all named connections; the fleet's host has only its own."""
    lab = [host for host in hosts if host.name != "fleet"]
    found = {
        "lab": tls(*lab),
        "lab-tcp": tcp(*(host.address for host in lab)),
        "lab-unix": {"type": "libvirt", "hosts": [host.unix_uri for host in lab]},
        **{host.name: tls(host) for host in hosts},
        "lab-proxy": tcp(*(f"{ROOT_ADDRESS}:{host.proxy_port}" for host in lab)),
        **{f"{host.name}-proxy": tcp(f"{ROOT_ADDRESS}:{host.proxy_port}") for host in hosts},
        "black-hole": tcp(BLACK_HOLE_ADDRESS),
        "half-dead": tcp(f"{ROOT_ADDRESS}:{HALF_DEAD_PORT}"),
        "refused": tcp(f"{ROOT_ADDRESS}:{REFUSED_PORT}"),
    }
    if with_ssh:
        found["lab-ssh"] = plain(*(ssh.uri(host.address) for host in lab))
    return found


def facts(hosts: list[Host], images: Images) -> dict[str, Any]:
    """Collect paths and names for tests, as plain strings and numbers."""
    return {
        "instance": INSTANCE,
        "net": f"{NET}.0/24",
        "runtime": str(RUNTIME),
        "connections": str(CONNECTIONS),
        "hosts": {host.name: host_facts(host) for host in hosts},
        "pools": list(POOLS),
        "networks": ["default", "lan"],
        "guest": {
            "volume": images.guest.name,
            "path": str(images.guest),
            "sha256": hashlib.sha256(images.guest.read_bytes()).hexdigest(),
            "virtual_bytes": images.virtual_bytes,
            "memory_bytes": 128 * MIB,
            "uefi_memory_bytes": 192 * MIB,
            "deaf_volume": images.deaf.name,
            "deaf_path": str(images.deaf),
        },
        "pki": {
            "ca": str(pki.CA),
            "client_cert": str(pki.CLIENT_CERT),
            "client_key": str(pki.CLIENT_KEY),
            "rogue_cert": str(pki.ROGUE_CERT),
            "rogue_key": str(pki.ROGUE_KEY),
            "other_ca": str(pki.ROGUE_CA),
        },
    }


def host_facts(host: Host) -> dict[str, Any]:
    """Say where a host is to be found, and its folders as seen from outside."""
    return {
        "number": host.number,
        "address": host.address,
        "proxy": f"{ROOT_ADDRESS}:{host.proxy_port}",
        "proxy_control": str(host.proxy_control),
        "unix_uri": host.unix_uri,
        "unix_socket": str(host.socket),
        "pid_file": str(host.pid_file),
        "folder": str(host.folder),
        "pools": {
            name: {"path": f"/var/lib/libvirt/{folder}", "outside": str(host.folder / "lib" / folder)}
            for name, folder in POOLS.items()
        }
        | {"shared": {"path": "/var/lib/libvirt/shared", "outside": str(shared.MOUNT)}},
        "subnet": f"{subnet(host)}.0/24",
    }


def publish(hosts: list[Host], images: Images) -> None:
    """Write both files, readable by the owner alone."""
    with_ssh = ssh.CLIENT_KEY.exists()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    header = "# Written by tests/lab; gone with `lab down`.\n"
    write(CONNECTIONS, header + yaml.safe_dump({"hypervisors": entries(hosts, with_ssh=with_ssh)}, sort_keys=False))
    write(FACTS, json.dumps(facts(hosts, images), indent=2) + "\n")


def withdraw() -> None:
    """Remove this instance's files, and the folders if nothing else is in them."""
    for path in (CONNECTIONS, FACTS):
        path.unlink(missing_ok=True)
    for folder in (OUTPUT, CHECKOUT / ".lab"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
