# SPDX-License-Identifier: GPL-3.0-or-later
"""One running simulator."""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab.commands import LabError
from tests.lab.settings import INSTANCE
from tests.lab.vsphere.client import Control
from tests.lab.vsphere.govc import Govc
from tests.lab.vsphere.program import binary

USERNAME, VIEWER, PASSWORD = "administrator@vsphere.local", "viewer@vsphere.local", "secret-of-the-lab"
NET = f"127.77.{INSTANCE}"
PRIVATE_ADDRESS = f"{NET}.100"


@dataclass(frozen=True)
class Layout:
    """What a simulator is and has; counts are per datacenter, hosts per cluster, VMs per pool and standalone host.

    `name` decides the uuid of a vCenter or ESX host. Uuids of VMs are equal in all simulators of one layout, unless
    `seed` differs. `certificate` is valid, expired, foreign (of another authority) or elsewhere (for another name).
    `guest` is that of the VMs: "tools", "deaf" or none.
    """

    esx: bool = False
    name: str = "vcenter"
    seed: str = ""
    datacenters: int = 1
    clusters: int = 1
    hosts: int = 2
    standalone_hosts: int = 1
    pools: int = 0
    folders: int = 0
    datastores: int = 1
    local_datastores: bool = False
    vms: int = 2
    on: bool = False
    guest: str = ""
    certificate: str = "valid"
    idle: str = "0s"

    def argv(self) -> list[str]:
        """Write it as options of the program."""
        return [f"-{key.replace('_', '-')}={str(value).lower()}" for key, value in vars(self).items() if value != ""]


@dataclass(frozen=True)
class Place:
    """Where a simulator is to be: its address, the folder of its certificate authority, and its log; port 0 is any."""

    address: str
    pki: Path
    log: Path
    port: int = 0
    control_port: int = 0


HUNDREDS = Layout(datacenters=2, clusters=3, hosts=14, vms=153)  # 86 hosts, 1,224 VMs
THOUSANDS = Layout(datacenters=4, clusters=5, hosts=20, standalone_hosts=0, vms=500)  # 400 hosts, 10,000 VMs


class Simulator:
    """A simulator that ends with the `with` block, and with this process at the latest."""

    username, viewer, password = USERNAME, VIEWER, PASSWORD

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any], ca_path: Path) -> None:
        self.process = process
        self.address, self.port = str(ready["address"]), int(ready["port"])
        self.hosts, self.vms = int(ready["hosts"]), int(ready["vms"])
        self.control = Control(ready["control"])
        self.ca_path = ca_path
        self.folder: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def start(cls, layout: Layout | None = None, *, log: Path | None = None) -> Self:
        """Start a private one on a free port, with an authority of its own; `log` gets what it complains about."""
        folder = tempfile.TemporaryDirectory(prefix="crossvirt-lab-")
        pki = Path(folder.name)
        place = Place(PRIVATE_ADDRESS, pki, log or pki / "log")
        try:
            started = cls(*launch(layout or Layout(), place, attached=True), pki / "ca.pem")
        except LabError:
            folder.cleanup()
            raise
        started.folder = folder
        return started

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(timeout=10)
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()
        if self.folder:
            self.folder.cleanup()

    def connection(self, **changes: Any) -> dict[str, Any]:
        """Describe it as `hypervisor:` does; what is changed to None is left out."""
        keys = {**entry(self.address, self.port, self.ca_path), **changes}
        return {key: value for key, value in keys.items() if value is not None}

    @property
    def govc(self) -> Govc:
        """A witness, and somebody else who changes things."""
        return Govc(self.connection())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def entry(address: str, port: int, ca_path: Path) -> dict[str, Any]:
    """Describe a verified connection."""
    login = {"username": USERNAME, "password": PASSWORD}
    return {"type": "vsphere", "hosts": [address], "port": port, "ca_path": str(ca_path), **login}


def launch(layout: Layout, place: Place, *, attached: bool) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start the program and wait until it serves; an attached one ends with this process."""
    places = [
        f"-listen={place.address}:{place.port}",
        f"-control={place.address}:{place.control_port}",
        f"-pki={place.pki}",
    ]
    users = [f"-user={USERNAME}", f"-viewer={VIEWER}", f"-password={PASSWORD}"]
    with place.log.open("a") as errors:
        process = subprocess.Popen(
            [binary("simulator"), *layout.argv(), *places, *users, f"-attached={str(attached).lower()}"],
            env={**os.environ, "TMPDIR": str(place.pki)},  # whoever ends it clears up after a crash, too
            stdin=subprocess.PIPE if attached else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    assert process.stdout
    ready = process.stdout.readline()
    if not ready:
        process.communicate()
        raise LabError(f"the simulator did not start: {place.log.read_text().strip()}")
    return process, json.loads(ready)
