# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the plans of many VMs side by side, and knows neither Ansible nor any hypervisor.

One coroutine per VM, a semaphore for `parallel`, a deadline per step, one shared look per endpoint for all who wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from .driver import Operation
from .endpoints import Endpoint
from .errors import BackendError, Cancelled, CrossvirtError, NotFound, Timeout
from .model import Part, Progress, Vm, plain
from .plan import Plan
from .steps import Step

GLANCE_SECONDS = 0.5
PROGRESS_SECONDS = 10  # between two notes of how far long work is
GRACE_SECONDS = 5  # how long a cancelled operation may still take to end, so that the report is true


@dataclass(slots=True, eq=False)
class Run:
    """One VM on its way through its plan; `vm` is None for one that is not there yet, `steps` are those begun.

    `target` is the endpoint at which the run goes on after a step that leads elsewhere, `hosts` are those that it keeps
    busy. A host that is changed goes the same way: `vm_id` is its id then.
    """

    endpoint: Endpoint
    name: str
    plan: Plan
    vm: Vm | None = None
    target: Endpoint | None = None
    hosts: frozenset[str] = frozenset()
    steps: list[dict[str, Any]] = field(default_factory=list)
    error: CrossvirtError | None = None
    vm_id: str = ""

    def __post_init__(self) -> None:
        if self.vm:
            self.vm_id = self.vm.id


Note = Callable[[Run, Progress], None]


def unheard(_run: Run, _progress: Progress) -> None:
    """Tell nobody."""


class Lanes:
    """Room for so many runs at once to or from any one host; without a limit for all."""

    def __init__(self, per_host: int | None) -> None:
        self._per_host = per_host
        self._busy: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def taken(self, hosts: Collection[str]) -> AsyncIterator[None]:
        """Wait until each of these hosts has room, and keep it meanwhile."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._has_room(hosts))
            self._busy.update(hosts)
        try:
            yield
        finally:
            self._busy.subtract(hosts)
            async with self._changed:
                self._changed.notify_all()

    def _has_room(self, hosts: Collection[str]) -> bool:
        return self._per_host is None or all(self._busy[host] < self._per_host for host in hosts)


class Observer:
    """Looks at many VMs with one call: all who ask within a glance share it."""

    def __init__(self) -> None:
        self._asked: dict[tuple[Endpoint, tuple[Part, ...]], set[str]] = {}
        self._glances: dict[tuple[Endpoint, tuple[Part, ...]], asyncio.Task[dict[str, Vm]]] = {}

    async def look(self, endpoint: Endpoint, vm_id: str, gather: tuple[Part, ...]) -> Vm | None:
        """Return the VM as it is half a second from now; None when it is gone."""
        key = endpoint, gather
        self._asked.setdefault(key, set()).add(vm_id)
        if key not in self._glances:
            self._glances[key] = asyncio.create_task(self._glance(endpoint, gather))
        return (await asyncio.shield(self._glances[key])).get(vm_id)

    async def _glance(self, endpoint: Endpoint, gather: tuple[Part, ...]) -> dict[str, Vm]:
        await asyncio.sleep(GLANCE_SECONDS)
        key = endpoint, gather
        del self._glances[key]
        ids = self._asked.pop(key)
        return await endpoint.call(lambda driver: driver.get_vms(ids, gather))


async def apply(
    runs: Sequence[Run],
    *,
    parallel: int,
    per_host: int | None = None,
    stop_on_failure: bool = False,
    note: Note = unheard,
) -> None:
    """Carry out every plan. Never raises: what went wrong with a VM, or was cancelled, is in its run."""
    slots, lanes, observer = asyncio.Semaphore(parallel), Lanes(per_host), Observer()

    async def carry_out(run: Run) -> None:
        try:
            if not run.plan.steps:
                return
            async with lanes.taken(run.hosts), slots:
                if stop_on_failure and any(other.error for other in runs):
                    raise Cancelled("not begun, because another VM failed")
                for step in run.plan.steps:
                    await perform(run, step, observer, note)
        except asyncio.CancelledError:
            run.error = Cancelled("the task was cancelled")
        except CrossvirtError as error:
            run.error = error
        except Exception as error:  # noqa: BLE001 - what nobody foresaw costs one VM, not the result of all
            run.error = BackendError(f"unforeseen {type(error).__name__}: {error}")
            run.error.__cause__ = error

    tasks = [asyncio.create_task(carry_out(run)) for run in runs]
    try:
        await asyncio.gather(*tasks)
    except asyncio.CancelledError:
        await asyncio.wait(tasks)
        if this := asyncio.current_task():
            this.uncancel()


async def perform(run: Run, step: Step, observer: Observer, note: Note = unheard) -> None:
    """Submit one step and wait until it holds; after its deadline do what the step says instead, else raise Timeout."""
    report, deadline = step.describe(), asyncio.timeout(step.timeout_seconds)
    try:
        async with deadline:
            if step.changes:
                run.vm_id = await submit(run, step, report, note) or run.vm_id
            if step.leads_elsewhere and run.target:
                run.endpoint = run.target
            while step.awaits:
                vm = await observer.look(run.endpoint, run.vm_id, step.gather)
                if vm is None:
                    raise NotFound(f"{run.name} was gone after {step.action}")
                if step.holds(vm):
                    break
        report["outcome"] = "done"
    except asyncio.CancelledError:
        report.setdefault("outcome", "cancelled")
        raise
    except Exception as error:
        if not isinstance(error, TimeoutError) and not (isinstance(error, Cancelled) and deadline.expired()):
            report.setdefault("outcome", "failed")
            raise
        report["outcome"] = "timeout"
        if not step.on_timeout:
            said, facts = (f": {error}", error.facts) if isinstance(error, Cancelled) else ("", {})
            late = f"{step.action} of {run.name} did not end within {step.timeout_seconds:g} seconds{said}"
            raise Timeout(late, **facts) from error
        await perform(run, step.on_timeout, observer, note)


async def submit(run: Run, step: Step, report: dict[str, Any], note: Note = unheard) -> str | None:
    """Begin a step and wait for its operation; the report joins the run as soon as the step may have begun."""
    run.steps.append(report)
    beginning = asyncio.ensure_future(run.endpoint.call(lambda driver: step.submit(driver, run.vm_id)))
    try:
        operation = await asyncio.shield(beginning)
    except CrossvirtError:
        run.steps.remove(report)  # refused before it began
        raise
    except asyncio.CancelledError:
        await asyncio.wait({beginning}, timeout=GRACE_SECONDS)
        if beginning.done() and not beginning.cancelled() and not beginning.exception():
            await end(beginning.result(), followed(beginning.result()), report)
            report |= beginning.result().facts
        raise
    return await finished(operation, report, lambda progress: note(run, progress))


def followed(operation: Operation) -> asyncio.Future[str | None]:
    """Return an operation as something to wait for; asyncio does not print an error of it that comes too late."""
    waiting = asyncio.wrap_future(operation)
    waiting.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return waiting


async def finished(operation: Operation, report: dict[str, Any], heard: Callable[[Progress], None]) -> str | None:
    """Wait for an operation and tell how far it is; when this is interrupted, end it."""
    waiting, last = followed(operation), None
    try:
        while not (await asyncio.wait({waiting}, timeout=PROGRESS_SECONDS))[0]:
            if operation.progress and operation.progress != last:
                last = operation.progress
                heard(last)
        return waiting.result()
    except asyncio.CancelledError:
        await end(operation, waiting, report)
        raise
    finally:
        report |= operation.facts
        if operation.progress:
            report["progress"] = plain(operation.progress)


async def end(operation: Operation, waiting: asyncio.Future[str | None], report: dict[str, Any]) -> None:
    """Abort an operation and give it a moment to say how it ended; raises Cancelled where it left something behind."""
    operation.cancel()
    await asyncio.wait({waiting}, timeout=operation.grace_seconds or GRACE_SECONDS)
    if waiting.done() and not waiting.cancelled():
        error = waiting.exception()
        report["outcome"] = "cancelled" if error else "done"
        if isinstance(error, CrossvirtError) and error.facts:
            raise Cancelled(f"the task was cancelled: {error}", **error.facts) from error
