# SPDX-License-Identifier: GPL-3.0-or-later
"""The Xen lab's network: a bridge in the root namespace with DHCP for guests, and one tap per host."""

from tests.lab import network
from tests.lab.commands import run
from tests.lab.xen.settings import BRIDGE, NET, PREFIX, ROOT_ADDRESS, RUNTIME


def create() -> None:
    """Create the bridge and its DHCP server."""
    network.create_bridge(BRIDGE, ROOT_ADDRESS)
    network.serve_dhcp(BRIDGE, NET, RUNTIME)


def tap(host: str) -> str:
    """Name a host's end of its cable in the root namespace (15 characters at most)."""
    return f"{PREFIX}{host}"


def plug_in(host: str) -> None:
    """Make a host's cable."""
    run("ip", "tuntap", "add", tap(host), "mode", "tap")
    run("ip", "link", "set", tap(host), "master", BRIDGE, "up")


def cut(host: str) -> None:
    """Pull a host's cable: whoever talks to it, or to its guests on `lan`, waits in vain."""
    run("ip", "link", "set", tap(host), "down")


def heal(host: str) -> None:
    """Plug it in again."""
    run("ip", "link", "set", tap(host), "up")


def remove(hosts: list[str]) -> None:
    """Remove all of it, as far as it is there."""
    for host in hosts:
        run("ip", "link", "delete", tap(host), check=False)
    network.remove_bridge(BRIDGE)
