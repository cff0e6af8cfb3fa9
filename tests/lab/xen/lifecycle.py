# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing the Xen lab up and down."""

import shutil

import libvirt

from tests.lab import image, pki, ssh
from tests.lab import network as lan
from tests.lab.lifecycle import server_pids
from tests.lab.processes import end
from tests.lab.xen import connections, contents, network, own_disk
from tests.lab.xen.dom0 import dom0
from tests.lab.xen.host import HOSTS, SHARED_DISK, SSH_KEY
from tests.lab.xen.settings import CONNECTIONS, NET, RUNTIME

SHARED_BYTES = 512 * image.MIB


def up() -> None:
    """Start a fresh lab, whatever an earlier one left behind; hosts start side by side."""
    lan.lead_nowhere(NET)
    parts, images = dom0(), image.images()
    down()
    RUNTIME.mkdir(mode=0o755)
    network.create()
    pki.create(own_disk.PKI)
    own_disk.SSH.mkdir(mode=0o700)
    for key in (SSH_KEY, own_disk.SSH / "host_key"):
        ssh.new_key(key)
    with SHARED_DISK.open("wb") as file:
        file.truncate(SHARED_BYTES)
    for host in HOSTS:
        host.start(parts, [images.guest, images.deaf])
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    for host in HOSTS:
        host.wait()
    contents.share(HOSTS)
    for host in HOSTS:
        host.start_proxy()
        contents.furnish(host)
    connections.publish(images)


def down() -> None:
    """End everything of this instance and remove what it wrote, also after a crash."""
    connections.withdraw()
    for host in HOSTS:
        host.hang_up()
    end(server_pids([path for pattern in ("*.pid", "*/*.pid") for path in RUNTIME.glob(pattern)], RUNTIME))
    network.remove([host.name for host in HOSTS])
    if RUNTIME.exists():
        shutil.rmtree(RUNTIME)


def table() -> str:
    """One line per host: where it is, and whether libvirtd answers."""
    rows = [
        f"{host.name:8} {'up' if host.runs() and host.answers() else 'down':5} xen+tls://{host.address}/system"
        for host in HOSTS
    ]
    return "\n".join([f"Xen lab, {NET}.0/24, connections in {CONNECTIONS}", *rows])
