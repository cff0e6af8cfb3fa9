# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated vCenters, or a host without one: pyvmomi makes VMs and is the witness, the simulator counts the calls."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.connection import settle
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.registry import driver_class

from tests.conformance.backends.vsphere_api import STATES, Witness, first_disk, snapshot_paths
from tests.conformance.bed import PREFIX, Bed, Start
from tests.lab.vsphere.server import Layout, Simulator

IMPOSSIBLE = {
    "paused": "vSphere has no VMs that are paused",
    "crashed": "vSphere has no VMs that crashed and still hold their resources",
}
KEPT = 2  # VMs of one test, beside the one that is made: those of tests before would only be read each time


class VsphereBed(Bed):
    """Two vCenters; one has a cluster, the other a host that stands alone."""

    name = "vsphere"
    column = "vSphere vCenter"
    played_by = "govmomi's simulator with additions"
    layouts: ClassVar[tuple[Layout, ...]] = (
        Layout(vms=0, standalone_hosts=0, datastores=2),
        Layout(vms=0, name="vcenter2", clusters=0),
    )

    def __init__(self) -> None:
        witnesses = [Witness(Simulator.start(layout)) for layout in self.layouts]
        self.witnesses = {f"{one.simulator.address}:{one.simulator.port}": one for one in witnesses}
        self.hosts = tuple(self.witnesses)
        self.folder = tempfile.TemporaryDirectory()
        self.ca_path = Path(self.folder.name) / "ca.pem"
        self.ca_path.write_text("".join(one.simulator.ca_path.read_text() for one in witnesses))
        self._numbers = count(1)
        self._made: list[str] = []
        self.prepare()

    def prepare(self) -> None:
        """Do what an administrator has to."""
        for witness in self.witnesses.values():
            witness.define_labels()

    def hypervisor(self, host: str | None = None) -> dict[str, Any]:
        first = self.witnesses[self.hosts[0]].simulator
        hosts = [host] if host else list(self.hosts)
        return first.connection(hosts=hosts, port=None, ca_path=str(self.ca_path))

    def connect(self, host: str) -> Driver:
        return driver_class("vsphere").connect(settle(self.hypervisor(host), {}).settings, host)

    def vm(self, start: Start, host: str | None = None) -> str:
        if start.state in IMPOSSIBLE:
            pytest.skip(IMPOSSIBLE[start.state])
        for old in self._made[:-KEPT]:
            self.forget(old)
        self._made = [*self._made[-KEPT:], f"{PREFIX}{next(self._numbers)}"]
        self.witnesses[host or self.hosts[0]].make(self._made[-1], start)
        return self._made[-1]

    def sightings(self, vm: str) -> dict[str, str]:
        found = [one.find(vm) for one in self.witnesses.values()]
        return {one.runtime.host.name: STATES[one.runtime.powerState] for one in found if one}

    def exists(self, vm: str) -> bool:
        return any(one.find(vm) for one in self.witnesses.values())

    def state(self, vm: str) -> str:
        return STATES[self._found(vm)[1].runtime.powerState]

    def snapshots(self, vm: str) -> list[list[str]]:
        return snapshot_paths(self._found(vm)[1])

    def _found(self, vm: str) -> tuple[Witness, Any]:
        return next((one, found) for one in self.witnesses.values() if (found := one.find(vm)))

    def write(self, vm: str, text: str) -> None:
        if self.snapshots(vm):
            pytest.skip("the simulator's snapshots hold no content")
        witness, found = self._found(vm)
        witness.content(first_disk(found), text.encode())

    def content(self, vm: str) -> str:
        witness, found = self._found(vm)
        return sha256(witness.content(first_disk(found))).hexdigest()

    def content_of_image(self) -> str:
        words = self.words()
        return sha256(self.witnesses[self.hosts[0]].content(f"[{words['storage']}] {words['volume']}")).hexdigest()

    def words(self) -> dict[str, str]:
        names = {"storage": "LocalDS_0", "volume": "images/guest.vmdk", "network": "VM Network"}
        return {"host": self.witnesses[self.hosts[0]].host.name, **names}

    def road(self) -> dict[str, str]:
        hosts = [host.name for host in self.witnesses[self.hosts[0]].place.host]
        return {"target": hosts[1], "fast": "LocalDS_1", "lan": "DC0_DVPG0"} if len(hosts) > 1 else super().road()

    def in_maintenance(self, host: str) -> bool:
        hosts = [one for witness in self.witnesses.values() for one in witness.place.host if one.name == host]
        return all(one.runtime.inMaintenanceMode for one in hosts)

    def volumes(self) -> set[str]:
        return {name for one in self.witnesses.values() for name in one.volumes()}

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        controls = [one.simulator.control for one in self.witnesses.values()]
        for control in controls:
            control.reset()
        writes: list[str] = []
        yield writes
        for control in controls:
            writes += sorted(control.writes())

    def forget(self, vm: str) -> None:
        for witness in self.witnesses.values():
            if found := witness.find(vm):
                witness.remove(found)

    def close(self) -> None:
        for witness in self.witnesses.values():
            witness.close()
        self.folder.cleanup()


class EsxBed(VsphereBed):
    """A host without vCenter."""

    name = "vsphere-esx"
    column = "vSphere ESXi"
    layouts = (Layout(esx=True, vms=0),)
    labels: ClassVar = {}

    def prepare(self) -> None:
        pass
