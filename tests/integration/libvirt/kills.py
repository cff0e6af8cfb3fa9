# SPDX-License-Identifier: GPL-3.0-or-later
"""One move in the middle of which something dies, what became of the VM, and what a second run made of it."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import libvirt

from tests.integration.bench import Module, Result
from tests.integration.libvirt.bench import Bench
from tests.integration.libvirt.traveller import DATA, NAME, SYSTEM, UUID, Traveller
from tests.lab import witness
from tests.lab.commands import LabError
from tests.lab.run_states import RunStates

BANDWIDTH = 40 * 1024 * 1024  # bytes per second: a move takes seconds, and is not over before it can be disturbed
VICTIMS = ("target_qemu", "target_libvirtd", "source_libvirtd", "network", "sigkill", "sigterm")
BEFORE_QEMU = 0.05  # points before that are at the first volume, which is made at the target before anything runs there
HANDOVER = 2.0  # the point at which the VM has left its source and was not told to go on at its target
DEAD_SECONDS = (0.2, 6.0)  # how long a victim that comes back stays away


@dataclass
class Outcome:
    """What one run showed."""

    victim: str
    seed: int
    source: str
    target: str
    at: float  # part of a usual move that was over
    first: dict[str, Any] = field(default_factory=dict)  # what the task that was disturbed said, if it could
    left: dict[str, str] = field(default_factory=dict)  # by host, what was there afterwards
    second: dict[str, Any] = field(default_factory=dict)
    states: list[Any] = field(default_factory=list)  # of QEMU, by host, as they changed
    lost: bool = False
    twice: int = 0
    killed_with_its_only_copy: bool = False
    guest_died: bool = False  # emulating QEMU before 9.0 loses memory that a guest writes while it moves (03bfc2188f)
    differing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # everything that is not as it must be
    seconds: float = 0.0

    def json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))


class Kills:
    """Moves the traveller to and fro."""

    def __init__(self, bench: Bench, traveller: Traveller) -> None:
        self.bench, self.lab, self.traveller = bench, bench.lab, traveller
        self.seat, self.other = "kvm1", "kvm2"
        self.usual_seconds = 0.0

    def begin(self, target: str) -> Module:
        """Start the task."""
        return self.bench.begin(
            "vm_migrate", uuid=UUID, target={"host": target}, bandwidth_bytes_per_second=BANDWIDTH, timeout_seconds=45
        )

    def learn(self) -> None:
        """Move it both ways undisturbed, to know how long that takes."""
        for _way in range(2):
            result = self.undisturbed(self.other)
            assert "error" not in result, result
            self.seat, self.other = self.other, self.seat
        if not self.traveller.alive(self.seat):
            _wrong, last = self.traveller.differing_disks(self.seat, at_least=-1)
            self.traveller.restart(self.seat, first=last + 1)

    def undisturbed(self, target: str) -> Result:
        """Run the task to its end, and learn how long a move takes just now, from the QEMU at its target to its end."""
        anew = not self.arrives(target)
        process = self.begin(target)
        sign = self.await_sign(process, lambda: self.arrives(target))
        process.popen.wait()
        seconds = time.monotonic() - sign
        if anew and self.arrives(target):
            self.usual_seconds = (self.usual_seconds + seconds) / 2 if self.usual_seconds else seconds
        return said(process)

    def arrives(self, host: str) -> bool:
        """Whether a host's libvirt has begun to start a QEMU for it."""
        return (self.lab.hosts[host].folder / f"run/libvirt/qemu/{NAME}.pid").exists()

    def await_sign(self, process: Module, sign: Callable[[], object]) -> float:
        """Wait until it shows, or the task has ended: the time of that."""
        while not sign() and process.popen.poll() is None:
            time.sleep(0.005)
        return time.monotonic()

    def run(self, victim: str, seed: int, *, at: float | None = None) -> Outcome:
        """Disturb one move at a point, or one by chance, revive what died, look, run the task again, look again."""
        chance = random.Random(seed)  # noqa: S311 - not a secret
        outcome = Outcome(victim, seed, self.seat, self.other, at or round(chance.random(), 3))
        begun = time.monotonic()
        try:
            self.carry_out(outcome, chance)
        except (AssertionError, LabError, libvirt.libvirtError) as error:
            outcome.wrong.append(f"{type(error).__name__}: {error}")
        outcome.seconds = round(time.monotonic() - begun, 1)
        self.go_on(outcome)
        return outcome

    def carry_out(self, outcome: Outcome, chance: random.Random) -> None:
        """Do what `run` says."""
        written = self.traveller.written(self.seat)
        with RunStates([self.lab.hosts[name] for name in (self.seat, self.other)], NAME) as states:
            self.disturb(outcome, chance)
            self.look(outcome)
            self.second_run(outcome)
        outcome.states = states.log
        outcome.twice = len(states.twice)
        if outcome.twice:
            outcome.wrong.append("it ran twice")
        self.compare(outcome, written)

    def disturb(self, outcome: Outcome, chance: random.Random) -> None:
        """Kill at the point; where the move was faster than usual, the next one is tried, a bit earlier."""
        while (process := self.at_the_point(outcome)) is None:
            outcome.source, outcome.target = self.seat, self.other = outcome.target, outcome.source
            outcome.at = round(outcome.at * 0.95, 3)
        revive = self.kill(outcome, process)
        reviver = threading.Timer(chance.uniform(*DEAD_SECONDS), revive)
        reviver.start()
        try:
            if outcome.victim == "sigkill":
                process.popen.wait()
            else:
                outcome.first |= said(process)
        finally:
            reviver.join()

    def at_the_point(self, outcome: Outcome) -> Module | None:
        """Begin a move and return it at the point; None if it was over before."""
        process = self.begin(outcome.target)
        if outcome.at == HANDOVER:
            self.await_sign(process, lambda: witness.run_state(self.lab.hosts[outcome.target], NAME) == "paused")
            return process
        if outcome.at < BEFORE_QEMU and outcome.victim != "target_qemu":
            self.await_sign(process, lambda: self.traveller.volumes(outcome.target))
            return process
        point = self.await_sign(process, lambda: self.arrives(outcome.target)) + outcome.at * self.usual_seconds
        while (time.monotonic() < point or not self.arrives(outcome.target)) and process.popen.poll() is None:
            time.sleep(0.001)
        if process.popen.poll() is None:
            return process
        result = said(process)
        assert "error" not in result, result
        return None

    def kill(self, outcome: Outcome, process: Module) -> Callable[[], object]:
        """Kill the victim; returns what brings it back."""
        match outcome.victim:
            case "target_qemu":
                for pid in witness.processes(self.lab.hosts[outcome.target], UUID):
                    os.kill(pid, signal.SIGKILL)
            case "target_libvirtd" | "source_libvirtd":
                host = outcome.target if outcome.victim == "target_libvirtd" else outcome.source
                self.lab.kill_libvirtd(host)
                return lambda: self.lab.start_libvirtd(host)
            case "network":
                with ExitStack() as cable:
                    cable.enter_context(self.lab.cut_off(outcome.target))
                    return cable.pop_all().close
            case "sigkill":
                process.popen.kill()
            case "sigterm":
                process.popen.terminate()
        return lambda: None

    def look(self, outcome: Outcome) -> None:
        """Note what there is now, and hold that the VM is somewhere."""
        copies = witness.copies(self.lab, NAME, UUID)
        outcome.left = {host: f"{copy.state}; {self.traveller.volumes(host)}" for host, copy in copies.items()}
        if not any(copy.defined for copy in copies.values()):
            outcome.lost = True
            outcome.wrong.append("it is defined nowhere")
        if not any(copy.pids for copy in copies.values()):
            outcome.killed_with_its_only_copy = outcome.victim == "target_qemu"
            outcome.lost = not outcome.killed_with_its_only_copy
            if outcome.lost:
                outcome.wrong.append("no QEMU of it is left")

    def second_run(self, outcome: Outcome) -> None:
        """Run the same task again, and hold that it is then at its target, as it was, and nowhere else."""
        outcome.second = self.undisturbed(outcome.target)
        if "error" in outcome.second:
            outcome.wrong.append("the second run failed")
        copies = witness.copies(self.lab, NAME, UUID)
        processes = 0 if outcome.killed_with_its_only_copy else 1
        if set(copies) != {outcome.target}:
            outcome.wrong.append(f"it is on {sorted(copies)}")
        elif (len(copies[outcome.target].pids), copies[outcome.target].defined) != (processes, True):
            outcome.wrong.append(f"at its target it is {copies[outcome.target]}")
        for host, volumes in ((outcome.source, []), (outcome.target, sorted([DATA, SYSTEM]))):
            if (found := self.traveller.volumes(host)) != volumes:
                outcome.wrong.append(f"{host} has the volumes {found}")

    def compare(self, outcome: Outcome, written: int) -> None:
        """Hold every block against what the guest has written; one that lost its memory starts anew."""
        if outcome.wrong:
            return
        target, traveller = outcome.target, self.traveller
        if outcome.killed_with_its_only_copy:
            outcome.differing, last = traveller.differing_disks(target, at_least=written)
            traveller.start(target, first=last + 1)
        else:
            outcome.guest_died = not traveller.alive(target)
            written = written if outcome.guest_died else traveller.written(target)
            with traveller.still(target):
                outcome.differing, last = traveller.differing_disks(target, at_least=written)
            if outcome.guest_died:
                traveller.restart(target, first=last + 1)
        if outcome.differing:
            outcome.wrong.append(f"disks differ: {outcome.differing}")

    def go_on(self, outcome: Outcome) -> None:
        """Have the VM ready for the next run: where it is, or made anew where something went wrong."""
        self.seat, self.other = outcome.target, outcome.source
        if outcome.wrong:
            self.traveller.remove()
            self.traveller.create(self.seat)


def said(process: Module) -> Result:
    """Return what a result says that matters here; libvirt itself may have warned on standard error."""
    _code, stdout, stderr = process.end()
    result = json.loads(stdout)
    keys = ("changed", "error", "msg", "found", "left_behind", "steps")
    brief = {key: value for key, value in (result | result.get("vm", {})).items() if key in keys}
    return brief | ({"stderr": stderr} if stderr else {})
