# SPDX-License-Identifier: GPL-3.0-or-later
"""VMware vSphere: a vCenter, or a host without one. A map from the contract to calls of the Web Services API.

What few tasks need is imported where they need it: Ansible compiles every import anew in every task.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any, Self

from ...driver import Capability, Driver, Operation
from ...errors import CrossvirtError, NotFound, Unsupported
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
    PowerState,
    SnapshotKind,
    Storage,
    Vm,
    VmSpec,
    Wanted,
)
from ...support import transitions
from ...support.halves import half
from ...support.transitions import Transition
from . import snapshots
from .asking import ask_to_shut_down
from .reading import Reader
from .session import Session
from .tasks import Tasks

NEEDS_VCENTER = (Capability.CLONE, Capability.MIGRATE)
# Powering off takes a VM that runs and one that is suspended alike, and powering on one that is suspended or stopped.
UNGUARDED = (transitions.STOP, transitions.DISCARD_STATE, transitions.RESUME)


class VsphereDriver(Driver):
    """One vCenter, or one host without."""

    backend = "vsphere"
    keeps = ("snapshots", "nvram")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.host = session.host
        self.reader = Reader(session)
        self.tasks = Tasks(session)

    @classmethod
    def connect(cls, settings: dict[str, Any], host: str) -> Self:
        """Log in."""
        return cls(Session(settings, host))

    def close(self) -> None:
        """Log out."""
        self.tasks.close()
        if "moves" in vars(self):
            self.moves.tasks.close()
        self.session.close()

    def hang_up(self) -> None:
        """Log out over a connection of its own."""
        self.close()

    @property
    def identity(self) -> str:
        """The vCenter's own uuid, else that of the host."""
        return str(self.session.content.about.instanceUuid or self.reader.host_uuid)

    def about(self) -> About:
        """Return product, version and build, as they name themselves."""
        about = self.session.content.about
        return About(product=about.fullName, version=about.version, host=self.host, encrypted=True)

    def find_vms(self, wanted: Wanted, gather: Collection[Part] = ()) -> list[Vm]:
        """Read the fleet in pages for a selection; look up what is named."""
        return self.reader.find(wanted, gather)

    def get_vms(self, ids: Collection[str], gather: Collection[Part] = ()) -> dict[str, Vm]:
        """Read these, and where they are, in one call."""
        return self.reader.get(ids, gather)

    def host_named(self, name: str) -> str | None:
        """By its own name; a host without vCenter also as the connection calls it."""
        names = self.reader.host_names
        if name == self.host and not self.session.is_vcenter:
            return next(iter(names), None)
        return name if name in names else None

    def list_hosts(self) -> list[Host]:
        """Return the hosts that the account may see."""
        return self.reader.hosts()

    def list_storage(self) -> list[Storage]:
        """Return the datastores."""
        return self.reader.storage()

    def list_networks(self) -> list[Network]:
        """Return standard networks and distributed port groups."""
        return self.reader.networks()

    def start(self, vm_id: str) -> Operation:
        """Power on; where it is, or where DRS puts it."""
        return self._power(vm_id, "starting", transitions.START, lambda vm: vm.PowerOnVM_Task())

    def stop(self, vm_id: str) -> Operation:
        """Power off."""
        return self._power(vm_id, "stopping", transitions.STOP, lambda vm: vm.PowerOffVM_Task())

    def resume(self, vm_id: str) -> Operation:
        """Power on, with the saved memory."""
        return self._power(vm_id, "resuming", transitions.RESUME, lambda vm: vm.PowerOnVM_Task())

    def suspend(self, vm_id: str) -> Operation:
        """Save the memory beside the VM's files."""
        return self._power(vm_id, "suspending", transitions.SUSPEND, lambda vm: vm.SuspendVM_Task())

    def discard_state(self, vm_id: str) -> Operation:
        """Power off; vSphere throws the saved memory away then."""
        doing = "discarding the saved memory of"
        return self._power(vm_id, doing, transitions.DISCARD_STATE, lambda vm: vm.PowerOffVM_Task())

    def reset(self, vm_id: str) -> Operation:
        """Press the reset button; the guest is not asked."""
        return self._power(vm_id, "resetting", transitions.RESET, lambda vm: vm.ResetVM_Task())

    def shutdown(self, vm_id: str) -> Operation:
        """Ask VMware Tools; they do not say when they are done."""
        return ask_to_shut_down(self.session, self.tasks, self.vm(vm_id), self.name(vm_id))

    def refuses(self, capability: Capability, vm: Vm | None = None, **arguments: Any) -> str | None:
        """Add what needs a vCenter, and what was read of the VM and its snapshots."""
        reason = super().refuses(capability, vm, **arguments)
        if not reason and capability in NEEDS_VCENTER and not self.session.is_vcenter:
            return f"{self.host} is a host without vCenter, and {capability} needs one"
        return reason or (snapshots.refusal(capability, vm) if vm else None)

    def lacking_rights(self) -> list[str]:
        """Return the privileges that are not granted at the root of the inventory."""
        from . import rights

        return rights.lacking(self.session)

    def snapshot_kinds(self, vm: Vm, name: str) -> list[SnapshotKind]:
        """Return the ways that vSphere has for a VM in its state, with its disks and its Tools."""
        snapshots.check_name(name)
        return snapshots.kinds(vm)

    def create_snapshot(self, vm_id: str, name: str, description: str, consistency: str, how: str) -> Operation:
        """Take a snapshot."""
        doing = f"taking snapshot {name!r} of"
        return self._task(vm_id, doing, lambda vm: snapshots.take(vm, name, description, how))

    def revert_snapshot(self, vm_id: str, snapshot_id: str) -> Operation:
        """Go back to a snapshot, on the host where the VM is."""
        doing = f"going back to snapshot {snapshot_id} of"
        snapshot = self.session.vim.vm.Snapshot(snapshot_id, self.session.stub)
        return self._task(vm_id, doing, lambda _vm: snapshot.RevertToSnapshot_Task(suppressPowerOn=False))

    def delete_snapshot(self, vm_id: str, snapshot_id: str) -> Operation:
        """Forget a snapshot; what it holds is merged into its disks."""
        doing = f"deleting snapshot {snapshot_id} of"
        snapshot = self.session.vim.vm.Snapshot(snapshot_id, self.session.stub)
        try:
            return self._task(
                vm_id, doing, lambda _vm: snapshot.RemoveSnapshot_Task(removeChildren=False, consolidate=True)
            )
        except NotFound:
            return Operation.ended()

    def draft(self, specs: Sequence[tuple[VmSpec, CloneSpec | None]]) -> list[Draft | CrossvirtError]:
        """Work out creations, each in the room that those before it leave."""
        from .drafts import Drafter

        return Drafter(self.session, self.tasks).draft_all(specs)

    def create(self, draft: Draft) -> Operation:
        """Copy the images that it begins with, then make the VM."""
        from .building import Building
        from .drafts import VsphereDraft

        if not isinstance(draft, VsphereDraft):
            raise TypeError(f"{draft} was not drafted by vsphere")
        return Building(self.session, self.tasks, draft).begin()

    def clone(self, draft: Draft) -> Operation:
        """Have the vCenter copy it."""
        if reason := self.refuses(Capability.CLONE):
            raise Unsupported(reason)
        return self.create(draft)

    def delete(self, vm_id: str, remove: Collection[str]) -> Operation:
        """Unregister the VM; with its disks and files if asked."""
        from .removal import Removal

        if "saved_state" in remove and not transitions.DISCARD_STATE.is_due(self.reader.state(vm_id), self.name(vm_id)):
            remove = set(remove) - {"saved_state"}
        return Removal(self.session, self.tasks, vm_id, self.name(vm_id), remove).begin()

    @cached_property
    def moves(self) -> Any:
        """This end of moves, whose tasks tell how far they are."""
        return half(__package__, "moves").Side(self.session, Tasks(self.session, progress=True))

    def depart(self, vms: Sequence[Vm]) -> list[Departure]:
        """Read all of them in one call, and what moves them already."""
        return list(half(__package__, "moves").read(self.moves, vms))

    def receive(
        self, arrivals: Sequence[tuple[Departure, MoveSpec]], sources: Sequence[Driver]
    ) -> list[Move | CrossvirtError]:
        """Work out moves within this vCenter, and from others; vSphere checks each of them, too."""
        return list(half(__package__, "moves").Arrivals(self.moves, self.reader).work_out(arrivals))

    def migrate(self, vm_id: str, move: Move) -> Operation:
        """Move with one task of vSphere's."""
        if reason := self.refuses(Capability.MIGRATE):
            raise Unsupported(reason)
        operation: Operation = half(__package__, "moves").begin(vm_id, move)
        return operation

    def enter_maintenance(self, host_id: str) -> Operation:
        """Have vSphere do it; VMs that are off stay registered here."""
        host = self.session.vim.HostSystem(host_id, self.session.stub)
        return self.tasks.submit(
            f"bringing host {self.name(host_id)} into maintenance",
            lambda: host.EnterMaintenanceMode_Task(timeout=0, evacuatePoweredOffVms=False),
        )

    def exit_maintenance(self, host_id: str) -> Operation:
        """Have vSphere end it."""
        host = self.session.vim.HostSystem(host_id, self.session.stub)
        return self.tasks.submit(
            f"ending the maintenance of host {self.name(host_id)}", lambda: host.ExitMaintenanceMode_Task(timeout=0)
        )

    def vm(self, vm_id: str) -> Any:
        """Return vSphere's own object."""
        return self.session.vim.VirtualMachine(vm_id, self.session.stub)

    def name(self, vm_id: str) -> str:
        """Return what messages call a VM or a host: its name as it was last read."""
        return self.reader.names.get(vm_id, vm_id)

    def _power(self, vm_id: str, doing: str, transition: Transition, begin: Callable[[Any], Any]) -> Operation:
        """Begin what vSphere refuses from a wrong state; look first where it would go ahead and do harm."""
        if transition in UNGUARDED and not transition.is_due(self.reader.state(vm_id), self.name(vm_id)):
            return Operation.ended()
        return self._task(vm_id, doing, begin, transition.goal)

    def _task(self, vm_id: str, doing: str, begin: Callable[[Any], Any], goal: PowerState | None = None) -> Operation:
        vm = self.vm(vm_id)
        return self.tasks.submit(f"{doing} {self.name(vm_id)}", lambda: begin(vm), vm, goal)
