# SPDX-License-Identifier: GPL-3.0-or-later
"""The power table: from any state to any other, as steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..driver import Capability, Driver
from ..errors import InvalidOption, InvalidState, Unsupported
from ..model import Part, PowerState, Vm
from ..plan import Fields, Plan
from ..steps import DiscardState, Pause, Reset, Resume, Shutdown, Start, Step, Stop, Suspend
from .wait import waits

ACTIONS = ("restarted", "reset")  # always changed, exempt from "a second run changes nothing"
STATES = ("running", "stopped", "paused", "suspended", *ACTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownPolicy:
    """How to get a running VM off: ask the guest, pull the plug, or ask only where it can hear."""

    method: str = "guest"
    timeout_seconds: float = 300
    on_timeout: str = "fail"

    def pulls_the_plug(self) -> bool:
        """Say whether a guest may be cut off without having been heard."""
        return self.method != "guest" or self.on_timeout == "force"


def view(vm: Vm | None) -> Fields:
    """Read the field that power is about."""
    return {"state": vm.state.value} if vm else {}


def plan_power(
    vm: Vm, desired: str, policy: ShutdownPolicy, *, deaf: str | None = None, discard_state: bool = False
) -> Plan:
    """Plan the way to a state, or an action; `deaf` is the reason why the guest cannot be asked.

    Raises InvalidState where there is no way from here to there, Unsupported where the guest cannot hear.
    """
    hard = policy.method == "hard" or (policy.method == "auto" and deaf is not None)
    force = Stop() if policy.on_timeout == "force" else None
    shutdown: Step = Stop() if hard else Shutdown(timeout_seconds=policy.timeout_seconds, on_timeout=force)
    off = (shutdown,) if hard else (Resume(), shutdown)
    discard = (DiscardState(),)
    table: dict[PowerState, dict[str, tuple[Step, ...]]] = {
        PowerState.RUNNING: {
            "running": (),
            "stopped": (shutdown,),
            "paused": (Pause(),),
            "suspended": (Suspend(),),
            "restarted": (shutdown, Start()),
            "reset": (Reset(),),
        },
        PowerState.STOPPED: {"running": (Start(),), "stopped": (), "restarted": (Start(),)},
        PowerState.PAUSED: {
            "running": (Resume(),),
            "stopped": off,
            "paused": (),
            "suspended": (Suspend(),),
            "restarted": (*off, Start()),
            "reset": (Reset(),),
        },
        PowerState.SUSPENDED: {
            "running": (Resume(),),
            "suspended": (),
            **({"stopped": discard} if discard_state else {}),
            **({"restarted": (Resume(), shutdown, Start())} if not hard else {}),
            **({"restarted": (*discard, Start())} if hard and discard_state else {}),
        },
        PowerState.CRASHED: {"running": (Stop(), Start()), "stopped": (Stop(),), "restarted": (Stop(), Start())},
    }
    if desired not in table.get(vm.state, {}):
        raise InvalidState(f"{vm.name} is {vm.state} and cannot become {desired} from there{hint(vm, desired)}")
    steps = table[vm.state][desired]
    if vm.template and steps:
        raise InvalidState(f"{vm.name} is a template, and a template cannot run")
    if deaf and any(isinstance(step, Shutdown) for step in steps):
        raise Unsupported(
            f"the guest of {vm.name} cannot be asked to shut down: {deaf}; shutdown.method hard pulls the plug instead"
        )
    if (
        vm.transient
        and vm.state is not PowerState.STOPPED
        and any(isinstance(step, (Shutdown, Stop)) for step in steps)
    ):
        raise Unsupported(f"{vm.name} is transient: stopping it would delete it")
    after = vm.state.value if desired == "reset" else "running" if desired == "restarted" else desired
    return Plan(view(vm), {"state": after}, steps, view)


def hint(vm: Vm, desired: str) -> str:
    """Say why, or what to do instead, where that is known."""
    if vm.state is PowerState.SUSPENDED and desired in ("stopped", "restarted"):
        return ": its saved memory would be lost; discard_state: true allows that"
    if vm.state is PowerState.UNKNOWN and vm.state_reason:
        return f": {vm.state_reason}"
    return ""


def plan_state(driver: Driver, vm: Vm, params: dict[str, Any]) -> Plan:
    """Plan what vm_state was asked for, with its waits.

    Raises what plan_power raises, and InvalidOption where a wait makes no sense.
    """
    desired, policy = params["state"], ShutdownPolicy(**params["shutdown"])
    deaf = driver.refuses(Capability.SHUTDOWN, vm)
    plan = plan_power(vm, desired, policy, deaf=deaf, discard_state=params["discard_state"])
    waiting = waits(params["wait_for"])
    if waiting and plan.after["state"] != "running":
        raise InvalidOption(f"wait_for goes with running and restarted, not with {desired}")
    return Plan(plan.before, plan.after, plan.steps + waiting, plan.view)


def may_destroy(params: dict[str, Any]) -> bool:
    """Say whether more than one VM needs an explicit max_vms: memory or unsaved work can be lost."""
    off = params["state"] in ("stopped", "restarted")
    return (
        params["state"] == "reset"
        or (off and params["discard_state"])
        or (off and ShutdownPolicy(**params["shutdown"]).pulls_the_plug())
    )


def what_is_read(params: dict[str, Any]) -> tuple[Part, ...]:
    """Return what planning needs to know: whether the guest can hear where it is asked, and whether a VM may start."""
    asks = params["state"] in ("stopped", "restarted") and params["shutdown"]["method"] != "hard"
    starts = params["state"] in ("running", "restarted")
    return (*((Part.LIMITS,) if asks else ()), *((Part.PLACE,) if starts else ()))
