# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading VMs: a fleet in three calls, whatever its size; more only for the parts that libvirt has per VM alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree as ET

from ...errors import ConnectionFailed
from ...model import Guest, Part, PowerState, Progress, Vm
from ...support.workers import side_by_side, start
from . import convert, maintenance, snapshot_kinds, snapshots
from .disk_reading import DiskReader
from .job_progress import UNSUPPORTED_HERE, being_copied, has_job, progress_from, progress_of_copies
from .removal import belongings
from .session import NO_DOMAIN, NO_SUPPORT, WRONG_STATE, Session

FROM_XML = {*Part} - {Part.SNAPSHOTS, Part.DISK_USERS, Part.PLACE}
STATISTICS_SECONDS = 10  # a host with 24 running VMs answers in a quarter of a second
AGENT_SECONDS = 5
AT_ONCE = 8  # calls per VM that are under way at a time on one connection


@dataclass(frozen=True, slots=True)
class Row:
    """One domain with what the fleet's calls say of it."""

    domain: Any
    vm: Vm


class Reader:
    """Reads VMs of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._libvirt = session.libvirt
        self._hangs = False

    def rows(self) -> list[Row]:
        """Return every VM with its base fields."""
        lib, conn = self._libvirt, self._session.conn
        with self._session.translated("listing VMs"):
            statistics = self._statistics()
            saved = {domain.UUIDString() for domain in conn.listAllDomains(lib.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)}
            transient = {domain.UUIDString() for domain in conn.listAllDomains(lib.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)}
            rows = [
                self._row(domain, numbers, saved=uuid in saved, transient=uuid in transient)
                for domain, numbers in statistics
                for uuid in [domain.UUIDString()]
            ]
            return [row for row in rows if row]

    def gathered(self, rows: Sequence[Row], parts: Collection[Part]) -> list[Vm]:
        """Return the VMs with their parts; one that goes away meanwhile is left out."""
        if not parts:
            return [row.vm for row in rows]
        domains = [row.domain for row in rows]
        disks = DiskReader(self._session, domains, parts) if Part.DISKS in parts else None
        if disks:
            disks.prepare()
        vms = side_by_side(lambda row: self._with_parts(row, parts, disks), rows, AT_ONCE)
        closed = maintenance.closed(self._session) if Part.PLACE in parts else None
        return [
            replace(vm, limits=(vm.limits or {}) | maintenance.limits(closed, vm)) if closed else vm for vm in vms if vm
        ]

    def _statistics(self) -> list[tuple[Any, dict[str, Any]]]:
        """Ask for all at once; what that leaves out is asked per VM."""
        rows = self._at_once() or [(domain, {}) for domain in self._domains()]
        full = [
            (domain, numbers if "balloon.maximum" in numbers else self._numbers(domain)) for domain, numbers in rows
        ]
        return [(domain, numbers) for domain, numbers in full if numbers]

    def _domains(self) -> list[Any]:
        """List the VMs beside a call that may still hang; raises ConnectionFailed.

        When keepalive finds the host gone, libvirt 9.0 ends the first of two waiting calls, and never the second.
        """
        asked: Future[list[Any]] = Future()
        start(asked, self._session.conn.listAllDomains)
        try:
            return asked.result(STATISTICS_SECONDS)
        except TimeoutError as error:
            raise ConnectionFailed(f"{self._session.uri} does not answer any more") from error

    def _at_once(self) -> list[tuple[Any, dict[str, Any]]]:
        """Return all VMs' statistics in one call; nothing where the driver cannot, or where a VM's process hangs.

        The call asks each running VM's monitor for its CPUs. One that does not answer would hold it up for good.
        """
        if self._hangs:
            return []
        lib, conn = self._libvirt, self._session.conn
        groups = lib.VIR_DOMAIN_STATS_STATE | lib.VIR_DOMAIN_STATS_BALLOON | lib.VIR_DOMAIN_STATS_VCPU
        asked: Future[list[tuple[Any, dict[str, Any]]]] = Future()
        start(asked, lambda: conn.getAllDomainStats(groups, lib.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT))
        try:
            return asked.result(STATISTICS_SECONDS)
        except TimeoutError:
            self._hangs = True
            return []
        except lib.libvirtError as error:
            if error.get_error_code() == NO_SUPPORT:
                return []
            raise

    def _numbers(self, domain: Any) -> dict[str, Any]:
        try:
            state, reason = domain.state()
            _same, maximum_kib, _now, cpus, _time = domain.info()
        except self._libvirt.libvirtError as error:
            if error.get_error_code() == NO_DOMAIN:  # gone since it was listed
                return {}
            raise
        return {"state.state": state, "state.reason": reason, "balloon.maximum": maximum_kib, "vcpu.current": cpus}

    def _row(self, domain: Any, numbers: dict[str, Any], *, saved: bool, transient: bool) -> Row | None:
        """Return a VM, or None for one that is gone since it was listed."""
        try:
            return Row(domain, self._vm(domain, numbers, saved=saved, transient=transient))
        except self._libvirt.libvirtError as error:
            if error.get_error_code() != NO_DOMAIN:
                raise
            return None

    def _vm(self, domain: Any, numbers: dict[str, Any], *, saved: bool, transient: bool) -> Vm:
        state, reason = numbers["state.state"], numbers["state.reason"]
        job = convert.needs_job(state, reason) and has_job(self._libvirt, domain)
        uuid = domain.UUIDString()
        return Vm(
            name=domain.name(),
            id=uuid,
            uuid=uuid,
            state=convert.power_state(state, reason, saved=saved, job=job),
            state_reason=convert.state_reason(state, reason),
            host=self._session.host,
            transient=transient,
            cpus=numbers.get("vcpu.current"),
            memory_bytes=numbers["balloon.maximum"] * convert.KIB,
        )

    def _with_parts(self, row: Row, parts: Collection[Part], disks: DiskReader | None) -> Vm | None:
        lib, vm = self._libvirt, row.vm
        try:
            with_xml = ET.fromstring(row.domain.XMLDesc()) if FROM_XML & set(parts) else None
            changes: dict[str, Any] = {}
            if with_xml is not None:
                changes |= {part.value: read(with_xml) for part, read in READERS.items() if part in parts}
                if Part.GUEST in parts:
                    changes["guest"] = self._guest(row.domain, vm, with_xml)
                if Part.BELONGINGS in parts:
                    changes["belongings"] = belongings(lib, row.domain, with_xml)
                if disks:
                    changes["disks"] = disks.disks(vm.uuid, with_xml)
            if Part.PROGRESS in parts:
                changes |= self._progress(row.domain, vm, with_xml)
            if Part.SNAPSHOTS in parts:
                changes["snapshots"], ruled_out = snapshots.read(self._session, row.domain, vm)
                if Part.LIMITS in parts:
                    changes["limits"] |= ruled_out
            return replace(vm, **changes)
        except lib.libvirtError as error:
            if error.get_error_code() == NO_DOMAIN:
                return None
            raise self._session.ours(error, f"reading {vm.name}") from error

    def _progress(self, domain: Any, vm: Vm, definition: ET.Element | None) -> dict[str, Any]:
        """Ask for the job of a VM that has a process: while there is one, somebody is changing it."""
        at_rest = {"progress": Progress()}
        if definition is None or vm.state in (PowerState.STOPPED, PowerState.SUSPENDED):
            return at_rest
        try:
            copies = [domain.blockJobInfo(dev, 0) or {} for dev in being_copied(definition)]
            progress = progress_from(domain.jobStats(0)) or progress_of_copies(copies)
        except self._libvirt.libvirtError as error:
            if error.get_error_code() == UNSUPPORTED_HERE:  # it comes in, and only its source knows how far it is
                return at_rest | {"state": PowerState.CHANGING}
            if error.get_error_code() not in (WRONG_STATE, NO_SUPPORT):  # it has ended since it was listed
                raise
            return at_rest
        return {"progress": progress, "state": PowerState.CHANGING} if progress else at_rest

    def _guest(self, domain: Any, vm: Vm, xml: ET.Element) -> Guest:
        """Ask the guest's agent where it is connected; else only the DHCP server of its network knows addresses."""
        lib = self._libvirt
        if vm.state != "running":
            return Guest(reachable=False)
        if convert.agent_connected(xml):
            asked = (
                lib.VIR_DOMAIN_GUEST_INFO_OS | lib.VIR_DOMAIN_GUEST_INFO_HOSTNAME | lib.VIR_DOMAIN_GUEST_INFO_INTERFACES
            )
            try:
                # Without a deadline a guest that hangs holds the daemon's thread, and the agent, for good.
                domain.agentSetResponseTimeout(AGENT_SECONDS, 0)
                return convert.guest_from_agent(domain.guestInfo(asked, 0))
            except lib.libvirtError as error:
                if error.get_error_code() == NO_DOMAIN:
                    raise
        try:
            leases = domain.interfaceAddresses(lib.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, 0)
        except lib.libvirtError:  # its NICs are on no network of libvirt's
            leases = {}
        return Guest(reachable=False, addresses=convert.addresses_from_leases(leases))


READERS: dict[Part, Callable[[ET.Element], Any]] = {
    Part.LABELS: convert.labels,
    Part.CONFIG: convert.config,
    Part.NICS: convert.nics,
    Part.LIMITS: lambda domain: convert.limits(domain) | snapshot_kinds.limits(domain),
}
