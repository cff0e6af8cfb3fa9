# SPDX-License-Identifier: GPL-3.0-or-later
"""What vSphere itself says of moves before they are begun: its own check of each, and the rights of the account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...driver import Operation
from ...errors import CrossvirtError, PermissionDenied, Unsupported
from .departures import VM, Side
from .estate import Estate
from .faults import explained
from .obstacles import is_live
from .relocation import VsphereMove, relocate_spec

CHECKED = "info.result"


@dataclass(slots=True)
class Verdict:
    """What stands in the way of one move, and what may be worth knowing of it."""

    reasons: list[CrossvirtError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check(moves: Sequence[VsphereMove]) -> list[Verdict]:
    """Have the vCenters that the VMs are in check all moves, side by side."""
    asked = [Check(move) for move in moves]
    return [one.verdict() for one in asked]


class Check:
    """One CheckRelocate_Task."""

    def __init__(self, move: VsphereMove) -> None:
        self._session = move.one.side.session
        self._results: list[Any] = []
        self._doing = f"checking the move of {move.one.vm.name}"
        vm, checker = self._session.vim.VirtualMachine(move.one.vm.id), self._session.content.vmProvisioningChecker
        self._begun: Operation | CrossvirtError
        try:
            self._begun = move.one.side.tasks.submit(
                self._doing, lambda: checker.CheckRelocate_Task(vm=vm, spec=relocate_spec(move)), hear=self._hear
            )
        except CrossvirtError as error:
            self._begun = error

    def _hear(self, changes: dict[str, Any]) -> None:
        self._results += changes.get(CHECKED) or ()

    def verdict(self) -> Verdict:
        """Wait for what vSphere says; where it may choose the host, one that is fit is enough."""
        if isinstance(self._begun, CrossvirtError):
            return Verdict([self._begun])
        try:
            self._begun.result()
        except Unsupported as error:  # that it cannot be checked does not mean that it cannot be done
            return Verdict(warnings=[str(error)])
        except CrossvirtError as error:
            return Verdict([error])
        fit = [one for one in self._results if not one.error]
        errors = [] if fit else [fault for one in self._results for fault in one.error]
        warnings = [explained(fault) for one in fit or self._results for fault in one.warning or ()]
        ours = [self._session.ours(fault, self._doing) for fault in errors]
        return Verdict(ours, list(dict.fromkeys(warnings)))


@dataclass(frozen=True, slots=True)
class Need:
    """A privilege on an object, by type and id."""

    side: Side
    privilege: str
    kind: str
    thing: str
    called: str


def lacking(moves: Sequence[VsphereMove], estate: Estate) -> list[list[CrossvirtError]]:
    """Return for each move the rights that the accounts lack, in two calls for each vCenter."""
    needs = [list(needed(move, estate)) for move in moves]
    denied = {need for side in {one.side for each in needs for one in each} for need in refused(side, needs)}
    return [
        [
            PermissionDenied(
                f"{one.side.session.host}: the account lacks the privilege {one.privilege} on {one.called}"
            )
            for one in each
            if one in denied
        ]
        for each in needs
    ]


def needed(move: VsphereMove, estate: Estate) -> Iterator[Need]:
    """Yield what RelocateVM_Task asks for: "Required Privileges" and the text of the method."""
    one, route, changes = move.one, move.route, move.route.changes
    vm, abroad = one.vm, move.thumbprint is not None

    def there(privilege: str, thing: str) -> Need:
        return Need(move.target, privilege, estate.kind(thing), thing, estate.name(thing))

    if changes:
        yield Need(one.side, f"Resource.{'Hot' if is_live(one) else 'Cold'}Migrate", VM, vm.id, vm.name)
    if "pool" in changes and route.place.pool:
        yield there("Resource.AssignVMToPool", route.place.pool)
    if "folder" in changes and route.place.folder:
        yield there(f"VirtualMachine.Inventory.{'Register' if abroad else 'Move'}", route.place.folder)
    if changes & {"home", "disks"}:
        for store in dict.fromkeys((route.home, *route.stores)):
            yield there("Datastore.AllocateSpace", store)
    for network, plug in zip(route.networks, move.plugs, strict=True):
        if network and plug:
            yield there("Network.Assign", network)
    if move.after["name"] != vm.name and not abroad:
        yield Need(one.side, "VirtualMachine.Config.Rename", VM, vm.id, vm.name)


def refused(side: Side, needs: Iterable[Sequence[Need]]) -> set[Need]:
    """Return what of this the account of one vCenter does not have."""
    session, mine = side.session, {one for each in needs for one in each if one.side is side}
    things = {one.thing: getattr(session.vim, one.kind)(one.thing, session.stub) for one in mine}
    privileges = sorted({one.privilege for one in mine})

    def ask() -> Any:
        own = session.content.sessionManager.currentSession
        return session.content.authorizationManager.HasPrivilegeOnEntities(list(things.values()), own.key, privileges)

    granted = {
        (str(getattr(one.entity, "_moId", "")), each.privId)
        for one in session.call("asking for the account's rights", ask)
        for each in one.privAvailability
        if each.isGranted
    }
    return {one for one in mine if (one.thing, one.privilege) not in granted}
