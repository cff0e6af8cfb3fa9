# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells people and tests what there is: `.lab/xen.yml`, a connections file, and `.lab/xen.json`, the rest."""

import json
from typing import Any

import yaml

from tests.lab import pki
from tests.lab.connections import Entry, plain
from tests.lab.files import write
from tests.lab.image import MIB, Images
from tests.lab.settings import CHECKOUT, INSTANCE, OUTPUT
from tests.lab.xen.contents import FOLDERS, SHARED
from tests.lab.xen.host import HOSTS, SSH_KEY, XenHost
from tests.lab.xen.own_disk import PKI
from tests.lab.xen.settings import CONNECTIONS, FACTS, NET, ROOT_ADDRESS, RUNTIME


def tls(*hosts: XenHost) -> Entry:
    """Describe verified connections with a client certificate."""
    uris = [f"xen+tls://{host.address}/system" for host in hosts]
    files = {"ca_path": pki.CA, "client_cert": pki.CLIENT_CERT, "client_key": pki.CLIENT_KEY}
    return {"type": "libvirt", "hosts": uris} | {key: str(PKI / path.name) for key, path in files.items()}


def by_proxy(*hosts: XenHost) -> Entry:
    """Describe connections through the counting proxies."""
    return plain(*(f"xen+tcp://{ROOT_ADDRESS}:{host.proxy_port}/system" for host in hosts))


def over_ssh(*hosts: XenHost) -> Entry:
    """Describe connections over ssh with the lab's key."""
    ask_nobody = f"keyfile={SSH_KEY}&no_verify=1&sshauth=privkey"
    return plain(*(f"xen+ssh://root@{host.address}/system?{ask_nobody}" for host in hosts))


def entries() -> dict[str, Entry]:
    """List all named connections."""
    return {
        "lab": tls(*HOSTS),
        "lab-tcp": plain(*(host.uri for host in HOSTS)),
        "lab-ssh": over_ssh(*HOSTS),
        "lab-proxy": by_proxy(*HOSTS),
        **{host.name: tls(host) for host in HOSTS},
        **{f"{host.name}-proxy": by_proxy(host) for host in HOSTS},
    }


def facts(images: Images) -> dict[str, Any]:
    """Collect what tests need beside the connections."""
    return {
        "instance": INSTANCE,
        "net": f"{NET}.0/24",
        "runtime": str(RUNTIME),
        "connections": str(CONNECTIONS),
        "pools": [*FOLDERS, SHARED],
        "networks": ["default", "lan"],
        "guest": {
            "volume": f"{images.guest.stem}.raw",
            "deaf_volume": f"{images.deaf.stem}.raw",
            "virtual_bytes": images.virtual_bytes,
            "memory_bytes": 128 * MIB,
        },
    }


def publish(images: Images) -> None:
    """Write both files, readable by the owner alone."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    header = "# Written by tests/lab; gone with `lab down xen`.\n"
    write(CONNECTIONS, header + yaml.safe_dump({"hypervisors": entries()}, sort_keys=False))
    write(FACTS, json.dumps(facts(images), indent=2) + "\n")


def withdraw() -> None:
    """Remove this instance's files, and the folders if nothing else is in them."""
    for path in (CONNECTIONS, FACTS):
        path.unlink(missing_ok=True)
    for folder in (OUTPUT, CHECKOUT / ".lab"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
