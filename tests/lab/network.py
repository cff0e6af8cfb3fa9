# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's network: a bridge in the root namespace, DHCP for guests on it, one network namespace per host."""

from pathlib import Path

from tests.lab.commands import run
from tests.lab.settings import BLACK_HOLE_ADDRESS, BRIDGE, NET, PREFIX, ROOT_ADDRESS, RUNTIME


def lead_nowhere(net: str = NET) -> None:
    """Keep packets to a lab that is down from leaving by the default route to strangers. Stays after `down`."""
    run("ip", "route", "replace", "unreachable", f"{net}.0/24", "metric", "9999")


def create_lan() -> None:
    """Create the bridge, its DHCP server, and an address that takes packets and never answers."""
    create_bridge(BRIDGE, ROOT_ADDRESS)
    # A neighbour that does not exist: no ARP can fail, so packets go into the dark and a connection attempt hangs.
    run(
        "ip",
        "neighbour",
        "replace",
        BLACK_HOLE_ADDRESS,
        "lladdr",
        "02:00:00:00:00:01",
        "dev",
        BRIDGE,
        "nud",
        "permanent",
    )
    serve_dhcp(BRIDGE, NET, RUNTIME)


def create_bridge(name: str, address: str) -> None:
    """Create a bridge with an address in the root namespace."""
    # A bridge takes the address of a port that joins, and then forgets its neighbours, unless it has one of its own.
    run("ip", "link", "add", name, "address", "02:00:00:00:00:fe", "type", "bridge")
    run("ip", "address", "add", f"{address}/24", "dev", name)
    run("ip", "link", "set", name, "up")


def serve_dhcp(bridge: str, net: str, folder: Path) -> None:
    """Start a DHCP server for guests, with its files in a folder."""
    run(
        "dnsmasq",
        "--conf-file=/dev/null",
        "--port=0",
        f"--interface={bridge}",
        "--except-interface=lo",
        "--bind-interfaces",
        "--no-ping",
        f"--dhcp-range={net}.100,{net}.199,255.255.255.0,1h",
        f"--dhcp-leasefile={folder}/dnsmasq.leases",
        f"--pid-file={folder}/dnsmasq.pid",
    )


def namespace(name: str) -> str:
    """Name a host's network namespace and its end of the cable in the root namespace (15 characters at most)."""
    return f"{PREFIX}{name}"


def create_host(name: str, address: str) -> None:
    """Create a namespace whose eth0 is in a bridge `br0`, so that the guests on br0 are neighbours of the host."""
    space = namespace(name)
    run("ip", "netns", "add", space)
    run("ip", "link", "add", space, "type", "veth", "peer", "name", "eth0", "netns", space)
    run("ip", "link", "set", space, "master", BRIDGE, "up")
    # Else one cable in a hundred has a higher address than the guests' ports, and each guest that comes changes br0's.
    mac = "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))
    for command in (
        f"link add br0 address {mac} type bridge",
        "link set eth0 master br0 up",
        "link set br0 up",
        "link set lo up",
        f"address add {address}/24 dev br0",
        f"route add default via {ROOT_ADDRESS}",
    ):
        run("ip", "-n", space, *command.split())


def cut(name: str) -> None:
    """Pull a host's cable: whoever talks to it, or to its guests on `lan`, waits in vain."""
    run("ip", "link", "set", namespace(name), "down")


def heal(name: str) -> None:
    """Plug it in again."""
    run("ip", "link", "set", namespace(name), "up")


def namespaces() -> list[str]:
    """List this instance's namespaces, whoever left them."""
    return [
        line.split()[0]
        for line in run("ip", "netns", "list").splitlines()
        if line.startswith((f"{PREFIX}kvm", f"{PREFIX}fleet"))
    ]


def processes(space: str) -> list[int]:
    """List what runs in a namespace: libvirtd, QEMU (which outlives it), dnsmasq, sshd."""
    return [int(pid) for pid in run("ip", "netns", "pids", space).split()]


def remove_namespace(space: str) -> None:
    """Remove a namespace and its cable, also a half-made one."""
    run("ip", "netns", "delete", space)
    run("ip", "link", "delete", space, check=False)


def remove_bridge(name: str = BRIDGE) -> None:
    """Remove the bridge, if there is one."""
    run("ip", "link", "delete", name, check=False)
