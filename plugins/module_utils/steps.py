# SPDX-License-Identifier: GPL-3.0-or-later
"""A change as data: which method of the driver, with which arguments, and what must hold before the next step.

A step's class names the driver's method (`DiscardState` is `discard_state`), so a new kind of step is a class and its
arguments; steps compare and print like any other value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, ClassVar

from .driver import Capability, Driver, Operation
from .model import Draft, Move, Part, PowerState, Vm, Volume, plain

SNAPSHOT_SECONDS = 3600  # memory is written out, read back, or files are merged meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of a mutator."""

    gather: ClassVar[tuple[Part, ...]] = ()
    awaits: ClassVar[bool] = False  # the hypervisor cannot say when it is done: look until `holds`
    changes: ClassVar[bool] = True
    needs_vm: ClassVar[bool] = True
    leads_elsewhere: ClassVar[bool] = False

    timeout_seconds: float = 300
    on_timeout: Step | None = None

    @property
    def action(self) -> str:
        """The step's name in results, which is also the method's."""
        name = type(self).__name__
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")

    @property
    def requires(self) -> Capability | None:
        """The capability without which the plan is refused."""
        return next((one for one in Capability if one == self.action), None)

    @property
    def settles(self) -> bool:
        """Whether it may begin with a VM whose state is unknown, because it finds out what that means."""
        return False

    def arguments(self) -> dict[str, Any]:
        """Return what the driver's method is given besides the VM."""
        return {}

    def details(self) -> Mapping[str, Any]:
        """Return what a result says of the step besides its name."""
        return self.arguments()

    def submit(self, driver: Driver, vm_id: str) -> Operation:
        """Begin."""
        given = (vm_id,) if self.needs_vm else ()
        operation: Operation = getattr(driver, self.action)(*given, **self.arguments())
        return operation

    def holds(self, vm: Vm) -> bool:
        """Say whether what was waited for is there."""
        return True

    def describe(self) -> dict[str, Any]:
        """Return the step in the words of a result."""
        return {"action": self.action, **plain(dict(self.details()))}


class Start(Step):
    """Start a VM that is off."""


class Stop(Step):
    """Pull the plug."""


class Pause(Step):
    """Freeze in memory."""


class Resume(Step):
    """Go on, from memory or from disk."""


class Suspend(Step):
    """Save to disk."""


class DiscardState(Step):
    """Throw the saved memory away."""


class Reset(Step):
    """Press the reset button."""


class Shutdown(Step):
    """Ask the guest, and look until it is off."""

    awaits = True

    def holds(self, vm: Vm) -> bool:
        """Off is what was asked for."""
        return vm.state is PowerState.STOPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSnapshot(Step):
    """Take a snapshot of one of the driver's kinds."""

    name: str
    description: str
    consistency: str
    how: str
    timeout_seconds: float = SNAPSHOT_SECONDS

    def arguments(self) -> dict[str, Any]:
        """Name, description and kind."""
        return {key: getattr(self, key) for key in ("name", "description", "consistency", "how")}

    def details(self) -> Mapping[str, Any]:
        """The snapshot in the words of vm_snapshot."""
        return {"snapshot": self.name, "consistency": self.consistency}


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotStep(Step):
    """Something done to one snapshot; `snapshot` is its name, for people."""

    snapshot_id: str
    snapshot: str
    timeout_seconds: float = SNAPSHOT_SECONDS

    def arguments(self) -> dict[str, Any]:
        """Which snapshot."""
        return {"snapshot_id": self.snapshot_id}

    def details(self) -> Mapping[str, Any]:
        """Which snapshot, also by its name."""
        return {"snapshot": self.snapshot, "snapshot_id": self.snapshot_id}


class RevertSnapshot(SnapshotStep):
    """Go back to it."""


class DeleteSnapshot(SnapshotStep):
    """Forget it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(Step):
    """Make a VM; the draft names every volume."""

    needs_vm = False

    draft: Draft
    timeout_seconds: float = 4 * 3600  # an image is copied meanwhile

    def arguments(self) -> dict[str, Any]:
        """The draft."""
        return {"draft": self.draft}

    def details(self) -> Mapping[str, Any]:
        """Where the VM will be, and its volumes."""
        return {"host": self.draft.host, "volumes": self.draft.volumes}


class Clone(Create):
    """Copy a VM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Step):
    """Forget a VM; `volumes` are those that go with it, for people."""

    remove: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()

    def arguments(self) -> dict[str, Any]:
        """What goes with it."""
        return {"remove": self.remove}

    def details(self) -> Mapping[str, Any]:
        """What goes with it, by name."""
        return {"remove": self.remove, "volumes": self.volumes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrate(Step):
    """Move a VM; the run goes on where it is then."""

    leads_elsewhere = True

    move: Move
    timeout_seconds: float = 24 * 3600

    @property
    def settles(self) -> bool:
        """Whether an interrupted move explains the state, as the driver has found."""
        return self.move.settles

    def arguments(self) -> dict[str, Any]:
        """The move."""
        return {"move": self.move}

    def details(self) -> Mapping[str, Any]:
        """The way it goes, what is copied, and what the hypervisor warns of."""
        warnings = {"warnings": self.move.warnings} if self.move.warnings else {}
        return {"mode": self.move.mode, "copied": self.move.copied, **warnings}


class Wait(Step):
    """Nothing to submit: only look until it holds."""

    gather = (Part.GUEST,)
    awaits = True
    changes = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceStep(Step):
    """A change of a host; the hypervisor may wait for work on it to end."""

    timeout_seconds: float = 3600


class EnterMaintenance(MaintenanceStep):
    """Take no VMs any more."""


class ExitMaintenance(MaintenanceStep):
    """Take VMs again."""


class WaitForGuest(Wait):
    """The guest answers."""

    def holds(self, vm: Vm) -> bool:
        """Reachable is enough."""
        return vm.guest is not None and vm.guest.reachable


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForAddress(Wait):
    """The guest has an address of this kind; loopback never counts."""

    family: int | None = None
    cidr: str | None = None
    link_local: bool = False

    def holds(self, vm: Vm) -> bool:
        """One such address is enough."""
        return vm.guest is not None and any(self.accepts(one.address) for one in vm.guest.addresses)

    def accepts(self, text: str) -> bool:
        """Say whether an address is of this kind."""
        address = ip_address(text)
        return (
            not address.is_loopback
            and self.family in (None, address.version)
            and (self.link_local or not address.is_link_local)
            and (self.cidr is None or address in ip_network(self.cidr, strict=False))
        )
