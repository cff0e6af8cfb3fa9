# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt on Xen (its libxl driver): all that is different there from QEMU, in one place.

Facts are of libvirt 9.0 with Xen 4.17, found by trying; https://libvirt.org/drvxen.html says less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any
from xml.etree import ElementTree as ET

from ...driver import Capability, Operation
from ...errors import InvalidState, Unsupported
from ...model import PowerState, Vm
from ...support import transitions
from ...support.transitions import Transition
from ...support.workers import side_by_side
from . import convert, power
from .definition import Machine
from .drafts import Drafter
from .driver import LibvirtDriver
from .reading import AT_ONCE, Reader

DOM0 = 0  # the id of the host itself, which libvirt lists among its VMs
BEING_SHUT_DOWN, CRASHED = 4, 6
BY_CRASH = 3  # virDomainShutoffReason
ENDING_SECONDS = 30
PVH, PV = "xenpvh", ("xen", "linux")
NO_RESET = "libvirt's driver for Xen has no reset; a VM can be restarted"


class XenReader(Reader):
    """Reads VM by VM: there are no statistics of all at once."""

    def _statistics(self) -> list[tuple[Any, dict[str, Any]]]:
        domains = [domain for domain in self._domains() if domain.ID() != DOM0]
        rows = zip(domains, side_by_side(self._numbers, domains, AT_ONCE), strict=True)
        return [(domain, numbers) for domain, numbers in rows if numbers]

    def _numbers(self, domain: Any) -> dict[str, Any]:
        numbers = super()._numbers(domain)
        if numbers and held(domain, numbers["state.state"]):
            crashed = numbers["state.reason"] == BY_CRASH
            numbers |= {"state.state": CRASHED if crashed else BEING_SHUT_DOWN, "state.reason": 0}
        return numbers


class XenDrafter(Drafter):
    """Makes PVH VMs, which boot what pygrub finds on their first disk."""

    @cached_property
    def _offered(self) -> Machine:
        return machine_from(self._session.capabilities)

    @cached_property
    def _known_machine(self) -> Machine:
        return self._offered


class XenDriver(LibvirtDriver):
    """One libvirt daemon with Xen below it."""

    kind = "Xen"
    reader_class = XenReader
    drafter_class = XenDrafter

    @property
    def identity(self) -> str:
        """Add the host's name: UUIDs in firmware are not all unique."""
        return f"{super().identity} {self.host}"

    @staticmethod
    def state_of(domain: Any) -> PowerState:
        """Return the state of one VM; changing as long as it is ending, crashed where it is kept for its coroner."""
        state, reason = domain.state()
        if held(domain, state):
            return PowerState.CRASHED if reason == BY_CRASH else PowerState.CHANGING
        return power.state_of(domain)

    def refuses(self, capability: Capability, vm: Vm | None = None, **arguments: Any) -> str | None:
        """Add what Xen's driver lacks."""
        if capability is Capability.RESET:
            return NO_RESET
        if capability is Capability.SUSPEND and vm and vm.state is PowerState.PAUSED:
            return f"{vm.name} is paused, and Xen needs the guest's help to save its memory: resume it first"
        return super().refuses(capability, vm, **arguments)

    def refusal(self, capability: Capability) -> str:
        """Return the reason why this is not there at all."""
        return str(self.refuses(capability))

    def start(self, vm_id: str) -> Operation:
        """Start what can boot."""
        return self._power(vm_id, "starting", transitions.START, start_what_can_boot)

    def reset(self, vm_id: str) -> Operation:
        """Refuse."""
        raise Unsupported(self.refusal(Capability.RESET))

    def create_snapshot(self, vm_id: str, name: str, description: str, consistency: str, how: str) -> Operation:
        """Refuse."""
        raise Unsupported(self.refusal(Capability.CREATE_SNAPSHOT))

    def revert_snapshot(self, vm_id: str, snapshot_id: str) -> Operation:
        """Refuse."""
        raise Unsupported(self.refusal(Capability.REVERT_SNAPSHOT))

    def delete_snapshot(self, vm_id: str, snapshot_id: str) -> Operation:
        """Refuse."""
        raise Unsupported(self.refusal(Capability.DELETE_SNAPSHOT))

    def _power(
        self,
        vm_id: str,
        doing: str,
        transition: Transition,
        call: Callable[[Any], object],
        abort: Callable[[], object] | None = None,
    ) -> Operation:
        """Let calls end when their result holds; none can be aborted here."""

        def and_see_it_end(domain: Any) -> None:
            call(domain)
            deadline = time.monotonic() + ENDING_SECONDS
            while held(domain, domain.state()[0]) and time.monotonic() < deadline:
                time.sleep(0.1)

        return super()._power(vm_id, doing, transition, and_see_it_end)


def held(domain: Any, state: int) -> bool:
    """Say whether a VM that is off by its state is still there: it just ends, or has crashed and is preserved."""
    return state == convert.SHUTOFF and bool(domain.isActive())


def start_what_can_boot(domain: Any) -> None:
    """Start a VM; raises InvalidState for one without a kernel, of which libvirt's daemon would die."""
    if not domain.hasManagedSaveImage():
        definition = ET.fromstring(domain.XMLDesc())
        if definition.findtext("os/type") == PVH and not (
            definition.findtext("bootloader") or definition.findtext("os/kernel")
        ):
            raise InvalidState(f"{domain.name()} cannot boot: its definition has neither a bootloader nor a kernel")
    domain.create()


def machine_from(capabilities: ET.Element) -> Machine:
    """Return what VMs are made as: PVH where the host has it, else PV; their disks are raw, on Xen's own bus."""
    kinds = {guest.findtext("os_type") for guest in capabilities.iterfind("guest")}
    pvh = PVH in kinds
    return Machine(
        kind="xen",
        arch=capabilities.findtext("host/cpu/arch", "x86_64"),
        os_type=PVH if pvh else "linux",
        hardware=PVH if pvh else "xenpv",
        bootloader="pygrub",
        disk_driver="phy",
        disk_format="raw",
        bus="xen",
        nic=None,
    )
