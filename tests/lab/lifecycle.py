# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing the lab up and down."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.lab import connections, contents, fleet, image, network, pki, servers, shared, ssh
from tests.lab.commands import LabError
from tests.lab.host import Host, hosts_up
from tests.lab.processes import command_line, end
from tests.lab.settings import FLEET_NUMBER, HALF_DEAD_PORT, ROOT_ADDRESS, RUNTIME


def up(count: int, *, with_ssh: bool) -> None:
    """Start a fresh lab, whatever an earlier one left behind."""
    network.lead_nowhere()
    images = image.images()
    down()
    RUNTIME.mkdir(mode=0o755, parents=True)
    network.create_lan()
    shared.mount()
    servers.start("half-dead", "half_dead", ROOT_ADDRESS, str(HALF_DEAD_PORT))
    pki.create()
    if with_ssh:
        ssh.create()
    hosts = [Host(f"kvm{number}", number) for number in range(1, count + 1)]
    for host in hosts:  # one after the other: the first fills the cache of capabilities
        host.start()
        host.start_proxy()
        contents.furnish(host, images)
        if with_ssh:
            host.start_sshd(ssh.CONFIG)
    connections.publish(hosts, images)


def start_fleet(count: int) -> None:
    """Add the host `fleet` with so many stopped domains, in place of an earlier one."""
    if not hosts_up():
        raise LabError("there is no lab: run `up` first")
    host = Host("fleet", FLEET_NUMBER)
    remove_fleet(host)
    host.start(fleet.domains(count))
    host.start_proxy()
    images = image.images()
    contents.furnish(host, images)
    connections.publish(hosts_up(), images)


def remove_fleet(host: Host) -> None:
    """End an earlier fleet's host, if there is one."""
    space = network.namespace(host.name)
    pid_file = RUNTIME / f"proxy-{host.name}.pid"
    if space in network.namespaces():
        end([*network.processes(space), *server_pids([pid_file])])
        network.remove_namespace(space)
    for path in (pid_file, host.proxy_control):
        path.unlink(missing_ok=True)
    if host.folder.exists():
        shutil.rmtree(host.folder)


def down() -> None:
    """End everything of this instance and remove what it wrote, also after a crash."""
    connections.withdraw()
    end(
        server_pids(RUNTIME.glob("*.pid")) + [pid for space in network.namespaces() for pid in network.processes(space)]
    )
    for space in network.namespaces():
        network.remove_namespace(space)
    network.remove_bridge()
    shared.unmount()
    if RUNTIME.exists():
        shutil.rmtree(RUNTIME)


def server_pids(pid_files: Iterable[Path], folder: Path = RUNTIME) -> list[int]:
    """List the lab's own servers in the root namespace, as far as they still run; its folder is in their orders."""
    pids = [int(path.read_text()) for path in pid_files if path.exists()]
    return [pid for pid in pids if str(folder) in command_line(pid)]
