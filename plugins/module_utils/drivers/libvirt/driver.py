# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: QEMU/KVM and libvirt's own test driver. A map from the contract to libvirt's calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any, Self
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from ...driver import Capability, Driver, Operation
from ...errors import CrossvirtError, InvalidState, Unsupported
from ...model import (
    About,
    CloneSpec,
    Departure,
    Draft,
    Host,
    Move,
    MoveSpec,
    Network,
    Part,
    Selection,
    SnapshotKind,
    Storage,
    Vm,
    VmSpec,
    Wanted,
)
from ...support import transitions
from ...support.halves import half
from ...support.transitions import Transition
from . import convert, maintenance, power, snapshot_kinds, snapshots
from .building import CLEAN_UP_SECONDS, Building
from .drafts import Drafter, LibvirtDraft
from .networks import networks
from .reading import Reader
from .removal import remove_vm
from .room import free_memory
from .session import AGENT_UNRESPONSIVE, Session
from .storage import Pools

SNAPSHOTS = (Capability.CREATE_SNAPSHOT, Capability.REVERT_SNAPSHOT, Capability.DELETE_SNAPSHOT)
MAINTENANCE = (Capability.ENTER_MAINTENANCE, Capability.EXIT_MAINTENANCE)
MOVE_VMS = ("QEMU", "Xen")


class LibvirtDriver(Driver):
    """One libvirt daemon."""

    backend = "libvirt"
    reader_class = Reader
    drafter_class = Drafter
    state_of = staticmethod(power.state_of)

    def __init__(self, session: Session) -> None:
        self.session = session
        self.libvirt = session.libvirt
        self.host = session.host
        self.reader = self.reader_class(session)

    @classmethod
    def connect(cls, settings: dict[str, Any], host: str) -> Self:
        """Open the connection that a libvirt URI names."""
        from .xen import XenDriver  # which builds on this class

        session = Session(settings, host)
        kind: type[Any] = XenDriver if session.kind == XenDriver.kind else cls
        driver: Self = kind(session)
        return driver

    def close(self) -> None:
        """Close the connection."""
        self.session.close()

    @property
    def identity(self) -> str:
        """The host's UUID with the driver and its path: system and session hold different VMs."""
        uuid = self.session.host_uuid
        return f"{self.session.kind} {uuid} {urlsplit(self.session.uri).path}" if uuid else self.session.uri

    def about(self) -> About:
        """Return libvirt's driver, the hypervisor's version and whether the wire is encrypted."""
        conn = self.session.conn
        with self.session.translated("asking for versions"):
            number = conn.getVersion()
            version = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
            daemon = conn.getLibVersion()
            product = f"{self.session.kind} with libvirt {daemon // 1_000_000}.{daemon // 1000 % 1000}.{daemon % 1000}"
            return About(product=product, version=version, host=self.host, encrypted=self.session.encrypted)

    def find_vms(self, wanted: Wanted, gather: Collection[Part] = ()) -> list[Vm]:
        """Read the fleet and keep what matches; labels are read before they can be matched."""
        if isinstance(wanted, Selection):
            needed = {Part.LABELS} if wanted.labels else set()
            rows = [row for row in self.reader.rows() if needed or wanted.matches(row.vm)]
            return [vm for vm in self.reader.gathered(rows, {*gather, *needed}) if wanted.matches(vm)]
        if any(ref.key == "path" for ref in wanted):
            raise Unsupported("libvirt knows no path of a VM; use name or uuid")
        rows = [row for row in self.reader.rows() if any(ref.matches(row.vm) for ref in wanted)]
        return self.reader.gathered(rows, gather)

    def get_vms(self, ids: Collection[str], gather: Collection[Part] = ()) -> dict[str, Vm]:
        """Read the fleet and keep these."""
        rows = [row for row in self.reader.rows() if row.vm.id in ids]
        return {vm.id: vm for vm in self.reader.gathered(rows, gather)}

    def start(self, vm_id: str) -> Operation:
        """Start, with the saved memory if there is any."""
        return self._power(vm_id, "starting", transitions.START, lambda domain: domain.create())

    def stop(self, vm_id: str) -> Operation:
        """Pull the plug."""
        return self._power(vm_id, "stopping", transitions.STOP, lambda domain: domain.destroy())

    def pause(self, vm_id: str) -> Operation:
        """Stop the virtual CPUs."""
        return self._power(vm_id, "pausing", transitions.PAUSE, lambda domain: domain.suspend())

    def resume(self, vm_id: str) -> Operation:
        """Let the CPUs go on, load the saved memory, or wake a guest from its own sleep."""
        return self._power(vm_id, "resuming", transitions.RESUME, power.go_on)

    def suspend(self, vm_id: str) -> Operation:
        """Managed save; it can be aborted."""
        abort = self.domain(vm_id).abortJob
        return self._power(vm_id, "suspending", transitions.SUSPEND, lambda domain: domain.managedSave(0), abort)

    def discard_state(self, vm_id: str) -> Operation:
        """Remove the managed save image."""
        doing = "discarding the saved memory of"
        return self._power(vm_id, doing, transitions.DISCARD_STATE, lambda domain: domain.managedSaveRemove(0))

    def reset(self, vm_id: str) -> Operation:
        """The hypervisor's own reset; the guest is not asked."""
        return self._power(vm_id, "resetting", transitions.RESET, lambda domain: domain.reset(0))

    def shutdown(self, vm_id: str) -> Operation:
        """Ask the agent where it is connected, else press the power button."""
        return self._power(vm_id, "asking to shut down the guest of", transitions.SHUTDOWN, self._ask)

    def refuses(self, capability: Capability, vm: Vm | None = None, **arguments: Any) -> str | None:
        """Add what this connection's driver lacks, and what was read of the VM."""
        reason = super().refuses(capability, vm, **arguments) or self._lacks(capability)
        if reason or vm is None:
            return reason
        if capability in SNAPSHOTS:
            return snapshots.refusal(capability, vm, arguments.get("snapshot_id"))
        if capability is Capability.SUSPEND and vm.transient:
            return f"{vm.name} is transient, and libvirt saves only persistent VMs"
        return None

    def _lacks(self, capability: Capability) -> str | None:
        """Return why this connection's driver cannot do it for any VM or host."""
        kind = self.session.kind
        if capability in SNAPSHOTS and kind not in snapshots.HAVE_SNAPSHOTS:
            return f"libvirt's driver for {kind} has no snapshots"
        if capability is Capability.MIGRATE and kind not in MOVE_VMS:
            return f"libvirt's driver for {kind} moves no VMs"
        return self._no_marks if capability in MAINTENANCE else None

    def snapshot_kinds(self, vm: Vm, name: str) -> list[SnapshotKind]:
        """Return the ways that libvirt has for a VM in its state, with its disks."""
        snapshot_kinds.check_name(name)
        return snapshot_kinds.kinds(vm, snapshot_kinds.no_way_back(self.session))

    def create_snapshot(self, vm_id: str, name: str, description: str, consistency: str, how: str) -> Operation:
        """Take a snapshot; libvirt cannot abort that."""
        return self._on_snapshot(
            vm_id, "taking", name, lambda domain: snapshot_kinds.take(self.libvirt, domain, name, description, how)
        )

    def revert_snapshot(self, vm_id: str, snapshot_id: str) -> Operation:
        """Go back to a snapshot."""
        return self._on_snapshot(
            vm_id, "going back to", snapshot_id, lambda domain: snapshots.revert(domain, snapshot_id)
        )

    def delete_snapshot(self, vm_id: str, snapshot_id: str) -> Operation:
        """Forget a snapshot; what an external one holds is merged into the disk below it."""
        return self._on_snapshot(
            vm_id, "deleting", snapshot_id, lambda domain: snapshots.forget(self.libvirt, domain, snapshot_id)
        )

    def _on_snapshot(self, vm_id: str, doing: str, name: str, call: Callable[[Any], None]) -> Operation:
        domain = self.domain(vm_id)
        return self.session.operation(f"{doing} snapshot {name!r} of {domain.name()}", lambda: call(domain))

    def domain(self, vm_id: str) -> Any:
        """Return libvirt's own object; raises NotFound."""
        with self.session.translated(f"looking up {vm_id}"):
            return self.session.conn.lookupByUUIDString(vm_id)

    def _power(
        self,
        vm_id: str,
        doing: str,
        transition: Transition,
        call: Callable[[Any], object],
        abort: Callable[[], object] | None = None,
    ) -> Operation:
        domain = self.domain(vm_id)
        carry_out = power.looking_first(self.libvirt, domain, transition, call, self.state_of)
        return self.session.operation(f"{doing} {domain.name()}", carry_out, abort)

    def _ask(self, domain: Any) -> None:
        if self.session.kind != "QEMU":
            domain.shutdown()
            return
        xml = ET.fromstring(domain.XMLDesc())
        button = self.libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN
        if convert.agent_connected(xml):
            try:
                domain.shutdownFlags(self.libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
                return
            except self.libvirt.libvirtError as error:
                if error.get_error_code() != AGENT_UNRESPONSIVE or not convert.has_acpi(xml):
                    raise
        domain.shutdownFlags(button)

    def host_named(self, name: str) -> str | None:
        """By its own name, or as the connection calls it."""
        return self.host if name in (self.host, urlsplit(self.session.uri).hostname) else None

    def list_hosts(self) -> list[Host]:
        """Return the one host."""
        conn = self.session.conn
        with self.session.translated("asking for the host"):
            _arch, memory_mib, cpus, *_rest = conn.getInfo()
            return [
                Host(
                    name=self.host,
                    id=self.session.host_uuid or self.host,
                    state="maintenance" if maintenance.mark_of(self.session) else "up",
                    cpus=cpus,
                    memory_bytes=memory_mib * convert.KIB * convert.KIB,
                    memory_free_bytes=free_memory(self.session),
                )
            ]

    def list_storage(self) -> list[Storage]:
        """Return the storage pools."""
        return [pool.storage for pool in Pools(self.session).all]

    def list_networks(self) -> list[Network]:
        """Return libvirt's networks; a host bridge that no network leads to is not among them."""
        return networks(self.session)

    def draft(self, specs: Sequence[tuple[VmSpec, CloneSpec | None]]) -> list[Draft | CrossvirtError]:
        """Work out creations, each in the room that those before it leave."""
        if reason := maintenance.closed(self.session):
            return [InvalidState(reason) for _one in specs]
        drafter = self.drafter_class(self.session, self.list_networks)

        def one(spec: VmSpec, clone: CloneSpec | None) -> Draft | CrossvirtError:
            try:
                return drafter.draft(spec, clone)
            except CrossvirtError as error:
                return error

        return [one(spec, clone) for spec, clone in specs]

    def create(self, draft: Draft) -> Operation:
        """Make volumes, then the VM."""
        if not isinstance(draft, LibvirtDraft):
            raise TypeError(f"{draft} was not drafted by libvirt")
        building = Building(self.session, draft)
        operation = self.session.operation(f"creating {draft.spec.name}", building.run, building.abort)
        operation.grace_seconds = CLEAN_UP_SECONDS
        return operation

    def clone(self, draft: Draft) -> Operation:
        """Copy the volumes, then define the copy."""
        return self.create(draft)

    def delete(self, vm_id: str, remove: Collection[str]) -> Operation:
        """Remove volumes if asked, then the VM."""
        domain = self.domain(vm_id)
        return self.session.operation(f"removing {domain.name()}", lambda: remove_vm(self.session, domain, remove))

    def depart(self, vms: Sequence[Vm]) -> list[Departure]:
        """Return what a target must know of these VMs."""
        departures: list[Departure] = half(__package__, "moves").leaving(self.session, vms)
        return departures

    def receive(
        self, arrivals: Sequence[tuple[Departure, MoveSpec]], sources: Sequence[Driver]
    ) -> list[Move | CrossvirtError]:
        """Work out moves to this host, each in the room that those before it leave."""
        moves: list[Move | CrossvirtError] = half(__package__, "moves").received(self.session, arrivals, sources)
        return moves

    def migrate(self, vm_id: str, move: Move) -> Operation:
        """Move a VM as it was worked out."""
        if reason := self.refuses(Capability.MIGRATE):
            raise Unsupported(reason)
        operation: Operation = half(__package__, "moves").begin(move)
        return operation

    @cached_property
    def _no_marks(self) -> str | None:
        return maintenance.refusal(self.session)

    def enter_maintenance(self, host_id: str) -> Operation:
        """Mark the host."""
        return self._mark("bringing into maintenance", lambda: maintenance.enter(self.session))

    def exit_maintenance(self, host_id: str) -> Operation:
        """Take the mark away."""
        return self._mark("ending the maintenance of", lambda: maintenance.leave(self.session))

    def _mark(self, doing: str, call: Callable[[], None]) -> Operation:
        if self._no_marks:
            raise Unsupported(self._no_marks)
        return self.session.operation(f"{doing} {self.host}", call)
