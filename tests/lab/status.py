# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what the lab is made of, for people."""

from tests.lab.commands import run
from tests.lab.connections import CONNECTIONS
from tests.lab.host import Host, hosts_up
from tests.lab.settings import INSTANCE, NET

MOST_NAMES = 8


def table() -> str:
    """One line per host: where it is, whether libvirtd answers, how many VMs there are and which of them run."""
    hosts = hosts_up()
    if not hosts:
        return f"lab {INSTANCE} is down"
    lines = [("HOST", "LIBVIRTD", "URI", "VMS", "RUNNING"), *(row(host) for host in hosts)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([f"lab {INSTANCE}, {NET}.0/24, connections in {CONNECTIONS}", *rows])


def row(host: Host) -> tuple[str, ...]:
    """Cells of a host."""
    uri = f"qemu+tls://{host.address}/system"
    if not host.answers():
        return host.name, "down", uri, "", ""
    running = names(host, "--state-running")
    shown = " ".join(running[:MOST_NAMES]) + (" ..." if len(running) > MOST_NAMES else "")
    return host.name, "up", uri, str(len(names(host, "--all"))), shown


def names(host: Host, which: str) -> list[str]:
    """VMs as virsh lists them."""
    return run("virsh", "-c", host.unix_uri, "list", "--name", which).split()
