# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract between a hypervisor and everybody else.

A driver is one endpoint. It is called from one thread; reads return when they know, mutators return at once with an
`Operation` that the driver ends later, from any thread. An operation that ended well means that its result holds.
Only errors of ours leave a driver; native ids and native words stay inside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from enum import StrEnum
from typing import Any, ClassVar, Self

from .errors import CrossvirtError, Unsupported
from .model import (
    About,
    CloneSpec,
    Departure,
    Draft,
    Host,
    Move,
    MoveSpec,
    Network,
    Part,
    Progress,
    SnapshotKind,
    Storage,
    Vm,
    VmSpec,
    Wanted,
)


class Capability(StrEnum):
    """What not every hypervisor can; the value is the name of the method, and overriding it is the claim."""

    PAUSE = "pause"
    RESUME = "resume"
    SUSPEND = "suspend"
    DISCARD_STATE = "discard_state"
    RESET = "reset"
    SHUTDOWN = "shutdown"
    CREATE_SNAPSHOT = "create_snapshot"
    REVERT_SNAPSHOT = "revert_snapshot"
    DELETE_SNAPSHOT = "delete_snapshot"
    CLONE = "clone"
    MIGRATE = "migrate"
    ENTER_MAINTENANCE = "enter_maintenance"
    EXIT_MAINTENANCE = "exit_maintenance"


class Operation(Future[str | None]):
    """A change under way: it ends with the id of a VM that was made or moved, else None, or with an error of ours."""

    abort: Callable[[], object] | None = None
    grace_seconds: float | None = None  # how long it may take to end once aborted, where taking back takes its time
    progress: Progress | None = None  # as last heard of, where the hypervisor tells

    def __init__(self) -> None:
        super().__init__()
        self.facts: dict[str, Any] = {}  # what a result says of the step besides its plan; may grow until the end

    @classmethod
    def ended(cls) -> Self:
        """Return one that had nothing to do."""
        operation = cls()
        operation.set_result(None)
        return operation

    def cancel(self) -> bool:
        """Abort natively where the hypervisor can; what cannot be aborted ends by itself."""
        if self.abort and not self.done():
            self.abort()
        return super().cancel()


class Driver(ABC):
    """One endpoint of a hypervisor."""

    backend: ClassVar[str]
    keeps: ClassVar[tuple[str, ...]] = ()  # of the words of vm's `remove`, what stays as long as the disks do
    host: str

    @classmethod
    @abstractmethod
    def connect(cls, settings: dict[str, Any], host: str) -> Self:
        """Connect to one host with the settled keys of the `hypervisor` option.

        Raises ConnectionFailed, AuthenticationFailed, CertificateNotTrusted or MissingLibrary.
        """

    @abstractmethod
    def close(self) -> None:
        """Log out; harmless when the connection is already gone."""

    def hang_up(self) -> None:  # noqa: B027 - not every library can
        """Log out from another thread, because a call hangs in the endpoint's own; do nothing where that is unsafe."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Equal for two endpoints that lead to the same VMs."""

    @abstractmethod
    def about(self) -> About:
        """Return who answers here."""

    @abstractmethod
    def find_vms(self, wanted: Wanted, gather: Collection[Part] = ()) -> list[Vm]:
        """Return the VMs that match, with the parts asked for, in as many calls for a fleet as for one VM."""

    @abstractmethod
    def get_vms(self, ids: Collection[str], gather: Collection[Part] = ()) -> dict[str, Vm]:
        """Return these VMs by id, without those that are gone."""

    def host_named(self, name: str) -> str | None:
        """Return, as VMs show it, the host behind this endpoint that a user means, or None."""
        return next((host.name for host in self.list_hosts() if host.name == name), None)

    @abstractmethod
    def list_hosts(self) -> list[Host]:
        """Return the hosts behind this endpoint."""

    @abstractmethod
    def list_storage(self) -> list[Storage]:
        """Return where disks can live."""

    @abstractmethod
    def list_networks(self) -> list[Network]:
        """Return what NICs can be plugged into."""

    @abstractmethod
    def draft(self, specs: Sequence[tuple[VmSpec, CloneSpec | None]]) -> list[Draft | CrossvirtError]:
        """Work out these creations against what the host has, changing nothing; the reason where one cannot be."""

    @abstractmethod
    def start(self, vm_id: str) -> Operation:
        """Start a VM that is off."""

    @abstractmethod
    def stop(self, vm_id: str) -> Operation:
        """Pull the plug."""

    @abstractmethod
    def create(self, draft: Draft) -> Operation:
        """Make the VM, stopped; ends with its id. A failure removes what this made, else names it in `left_behind`."""

    @abstractmethod
    def delete(self, vm_id: str, remove: Collection[str]) -> Operation:
        """Forget the VM, and remove of `disks`, `snapshots`, `saved_state`, `nvram` those named."""

    def refuses(self, capability: Capability, vm: Vm | None = None, **arguments: Any) -> str | None:
        """Return the reason why not, or None where it can; from what was read, without a call.

        Drivers narrow it and never widen it.
        """
        if getattr(type(self), capability) is getattr(Driver, capability):
            return f"{self.backend} cannot {capability.replace('_', ' ')} here"
        return vm.limits.get(capability) if vm and vm.limits else None

    def lacking_rights(self) -> list[str]:
        """Return the rights that this account lacks, as far as the hypervisor tells."""
        return []

    def pause(self, vm_id: str) -> Operation:
        """Freeze the VM in memory."""
        raise Unsupported(Capability.PAUSE)

    def resume(self, vm_id: str) -> Operation:
        """Let a paused VM go on, or one that is suspended on disk."""
        raise Unsupported(Capability.RESUME)

    def suspend(self, vm_id: str) -> Operation:
        """Save the VM's memory on disk and stop it."""
        raise Unsupported(Capability.SUSPEND)

    def discard_state(self, vm_id: str) -> Operation:
        """Throw the saved memory away; the VM is stopped then."""
        raise Unsupported(Capability.DISCARD_STATE)

    def reset(self, vm_id: str) -> Operation:
        """Press the reset button."""
        raise Unsupported(Capability.RESET)

    def shutdown(self, vm_id: str) -> Operation:
        """Ask the guest; ends when it was asked, not when it is off."""
        raise Unsupported(Capability.SHUTDOWN)

    def snapshot_kinds(self, vm: Vm, name: str) -> list[SnapshotKind]:
        """Return the ways to take a snapshot of a VM as it is now, also those refused; the best of equal ones first.

        Raises InvalidOption for a name that a snapshot cannot have here.
        """
        raise Unsupported(Capability.CREATE_SNAPSHOT)

    def create_snapshot(self, vm_id: str, name: str, description: str, consistency: str, how: str) -> Operation:
        """Take a snapshot of one of `snapshot_kinds`."""
        raise Unsupported(Capability.CREATE_SNAPSHOT)

    def revert_snapshot(self, vm_id: str, snapshot_id: str) -> Operation:
        """Go back to a snapshot; the VM is then in the state that it holds."""
        raise Unsupported(Capability.REVERT_SNAPSHOT)

    def delete_snapshot(self, vm_id: str, snapshot_id: str) -> Operation:
        """Forget one snapshot; its children move up to its parent."""
        raise Unsupported(Capability.DELETE_SNAPSHOT)

    def clone(self, draft: Draft) -> Operation:
        """Copy a VM as the draft says; ends with the new id."""
        raise Unsupported(Capability.CLONE)

    def depart(self, vms: Sequence[Vm]) -> list[Departure]:
        """Return what a target must know of these VMs, in as many calls for a fleet as for one; changes nothing."""
        raise Unsupported(Capability.MIGRATE)

    def receive(
        self, arrivals: Sequence[tuple[Departure, MoveSpec]], sources: Sequence[Driver]
    ) -> list[Move | CrossvirtError]:
        """Work out moves to here, each in the room that those before it leave; where one cannot be, every reason.

        A departure is of any driver of this class, also of this one. `sources` are all those that the task leads to:
        one of them may hold what an interrupted move left behind. Changes nothing.
        """
        raise Unsupported(Capability.MIGRATE)

    def migrate(self, vm_id: str, move: Move) -> Operation:
        """Move a VM that is here; ends with its id at the target, with nothing left here.

        A failure leaves the VM whole where it was, in its old state, and nothing at the target; where that is not
        known, the error says what is. Finishes, or takes back, what an interrupted move left.
        """
        raise Unsupported(Capability.MIGRATE)

    def enter_maintenance(self, host_id: str) -> Operation:
        """Let no VM begin to run on a host, be made there or come to it; none may run there."""
        raise Unsupported(Capability.ENTER_MAINTENANCE)

    def exit_maintenance(self, host_id: str) -> Operation:
        """Take VMs again."""
        raise Unsupported(Capability.EXIT_MAINTENANCE)
