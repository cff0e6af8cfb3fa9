# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host takes VMs: what has to be done, and which VMs are in the way."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidState
from ..model import Host, PowerState, Vm
from ..plan import Fields, Plan
from ..steps import EnterMaintenance, ExitMaintenance

MAINTENANCE, UP, DOWN = "maintenance", "up", "down"
STATES = (MAINTENANCE, UP)
AWAY = (PowerState.STOPPED, PowerState.SUSPENDED)


def view(host: Host | None) -> Fields:
    """Read the field that maintenance is about."""
    return {"state": host.state} if host else {}


def plan_maintenance(host: Host, vms: Sequence[Vm], wanted: str, seconds: float) -> Plan:
    """Plan the way to a state; `vms` are those on the host, or that it stands for.

    Raises InvalidState for a host that is down, and where VMs are not off that would have to be moved first.
    """
    before, after = view(host), {"state": wanted}
    if host.state == wanted:
        return Plan(before, after)
    if host.state == DOWN:
        raise InvalidState(f"host {host.name} is down, and cannot become {wanted} from there")
    if wanted == UP:
        return Plan(before, after, (ExitMaintenance(timeout_seconds=seconds),), view)
    if awake := sorted(f"{vm.name} ({vm.state})" for vm in vms if vm.state not in AWAY and not vm.template):
        raise InvalidState(
            f"host {host.name} has VMs that are not off: {', '.join(awake)}; move them with vm_migrate, or stop them"
        )
    return Plan(before, after, (EnterMaintenance(timeout_seconds=seconds),), view)
