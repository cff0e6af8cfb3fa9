# SPDX-License-Identifier: GPL-3.0-or-later
"""What a target host must be and have for a VM to come: processor, machine type, networks, memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from ...errors import CapacityExceeded, CrossvirtError, InvalidState, NotFound, Unsupported
from .convert import network_of
from .departures import LibvirtDeparture
from .maintenance import closed
from .room import UNKNOWN_HERE, free_memory
from .session import Session
from .target_xml import BRIDGE, NETWORKS, Plug

INCOMPATIBLE = 0  # virCPUCompareResult
INVALID_ARGUMENT, SYSTEM_ERROR = 8, 38


class Surroundings:
    """What one host offers to VMs that come, asked at most once."""

    def __init__(self, session: Session) -> None:
        self._session, self._lib = session, session.libvirt
        reason = closed(session)
        self.closed = [InvalidState(reason)] if reason else []
        with session.translated("asking for networks, VMs and memory"):
            self.networks = {net.name(): bool(net.isActive()) for net in self._listed(session.conn.listAllNetworks)}
            self.interfaces = {one.name() for one in self._listed(session.conn.listAllInterfaces)}
            self.domains = {domain.UUIDString(): domain for domain in session.conn.listAllDomains()}
            self.names = {domain.name(): uuid for uuid, domain in self.domains.items()}
            self.free_bytes = free_memory(session)
        self._emulators: dict[tuple[str, ...], str | CrossvirtError] = {}

    def _listed(self, call: Any) -> list[Any]:
        try:
            return list(call(0))
        except self._lib.libvirtError as error:
            if error.get_error_code() not in UNKNOWN_HERE:
                raise
            return []

    def emulator(self, definition: ET.Element) -> str | CrossvirtError:
        """Return the program that runs such a VM here: the same as at its source, where that is here, too.

        A VM that has none, as Xen's PVH, gets none.
        """
        kind = definition.find("os/type")
        words = {"arch": "", "machine": ""} | (dict(kind.attrib) if kind is not None else {})
        wanted = definition.findtext("devices/emulator")
        key = (str(wanted), words["arch"], words["machine"], definition.get("type", ""))
        if key not in self._emulators:
            self._emulators[key] = self._ask_for_emulator(wanted, words["arch"], words["machine"], key[3])
        return self._emulators[key]

    def _ask_for_emulator(self, wanted: str | None, arch: str, machine: str, kind: str) -> str | CrossvirtError:
        for program in dict.fromkeys((wanted, None)):
            try:
                said = self._session.conn.getDomainCapabilities(program, arch or None, machine or None, kind, 0)
                return (wanted and ET.fromstring(said).findtext("path")) or ""
            except self._lib.libvirtError as error:
                if error.get_error_code() in UNKNOWN_HERE:
                    return wanted or ""
                last = error
        return Unsupported(
            f"{self._session.host} cannot run a VM of type {kind} with machine type {machine} ({arch}): "
            f"{last.get_error_message()}"
        )

    def misfit(self, departure: LibvirtDeparture, emulator: str) -> CrossvirtError | None:
        """Return why the VM's processor does not fit here, or None; libvirt is asked as it would ask itself."""
        definition = departure.definition
        cpu, kind = definition.find("cpu"), definition.find("os/type")
        if cpu is None or cpu.get("check") == "none" or self._session.kind != "QEMU" or kind is None:
            return None
        conn, name = self._session.conn, departure.vm.name
        try:
            if cpu.get("mode") in ("host-passthrough", "maximum"):
                theirs = departure.session.capabilities.find("host/cpu")
                fits = (
                    theirs is None
                    or definition.get("type") != "kvm"
                    or conn.compareCPU(ET.tostring(theirs, encoding="unicode"), 0)
                )
            else:
                fits = conn.compareHypervisorCPU(
                    emulator or None,
                    kind.get("arch"),
                    kind.get("machine"),
                    definition.get("type"),
                    ET.tostring(cpu, encoding="unicode"),
                    0,
                )
        except self._lib.libvirtError as error:
            if error.get_error_code() in UNKNOWN_HERE:
                return None
            raise
        if fits == INCOMPATIBLE:
            model = cpu.findtext("model") or cpu.get("mode")
            return Unsupported(f"the CPU of {self._session.host} lacks features that {name} uses (model {model})")
        return None

    def plugs(
        self, departure: LibvirtDeparture, network_map: Mapping[str, str]
    ) -> Iterator[tuple[str, Plug | CrossvirtError]]:
        """Return what the VM's NICs are plugged into at the target, by what they are in now."""
        for nic in departure.definition.iterfind("devices/interface"):
            old, kind = network_of(nic), nic.get("type", "")
            if nic.find("source[@network]") is not None:  # Xen's driver shows the bridge that the network leads to
                kind = NETWORKS
            if old is not None and (kind in (NETWORKS, BRIDGE) or old in network_map):
                yield old, self._plug(kind, old, network_map.get(old, old))

    def _plug(self, kind: str, old: str, new: str) -> Plug | CrossvirtError:
        host = self._session.host
        if kind != BRIDGE or (new != old and new in self.networks):
            if new not in self.networks:
                known = ", ".join(sorted(self.networks)) or "none"
                return NotFound(
                    f"{host} has no network {new!r}; there are {known}, and target.network_map maps to them"
                )
            if not self.networks[new]:
                return InvalidState(f"network {new!r} of {host} is not active")
            return Plug(NETWORKS, new)
        if self.interfaces and new not in self.interfaces:
            return NotFound(f"{host} has no bridge {new!r}; target.network_map names another")
        return Plug(BRIDGE, new)

    def too_little_memory(self, departure: LibvirtDeparture) -> CrossvirtError | None:
        """Return why there is no room for what a running VM keeps in memory; what comes takes its share."""
        needed = departure.vm.memory_bytes or 0
        if not departure.running or self.free_bytes is None:
            return None
        if needed > self.free_bytes:
            return CapacityExceeded(
                f"{departure.vm.name} needs {needed} bytes of memory, and {self._session.host} has {self.free_bytes}"
            )
        self.free_bytes -= needed
        return None
