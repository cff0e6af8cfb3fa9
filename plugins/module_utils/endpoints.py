# SPDX-License-Identifier: GPL-3.0-or-later
"""Several endpoints as one set: each is a driver plus the thread that calls it, and a VM is found wherever it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Self, TypeVar

from .connection import Connection
from .driver import Driver
from .errors import Ambiguous, BackendError, ConnectionFailed, CrossvirtError, NotFound, Timeout
from .model import Part, PowerState, Ref, Vm, Wanted
from .support.workers import Worker, start

T = TypeVar("T")
CALL_SECONDS = 300  # no read of a fleet takes that long: what does is a host that hangs
CLOSE_SECONDS = 2
SETTLE_SECONDS = 300
WENT_AWAY = "it went away"
INACTIVE = (PowerState.STOPPED, PowerState.SUSPENDED)


class Endpoint:
    """A driver and its thread."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.driver: Driver | None = None
        self._worker = Worker()

    async def open(self, driver: type[Driver], connection: Connection) -> Self:
        """Connect within the connect timeout, which is real also where the library's own call has none."""
        seconds = connection.settings["connect_timeout_seconds"]
        connecting = self._worker.submit(lambda: driver.connect(connection.settings, self.host))
        try:
            async with asyncio.timeout(seconds):
                self.driver = await self._end_of(connecting)
        except TimeoutError as error:
            raise ConnectionFailed(f"{self.host} did not answer within {seconds:g} seconds") from error
        finally:
            if not self.driver:
                await self._give_up(connecting)
        return self

    async def call(self, method: Callable[[Driver], T], seconds: float = CALL_SECONDS) -> T:
        """Call the driver in its thread; raises Timeout when it does not come back."""
        driver = self.driver
        if driver is None:
            raise ConnectionFailed(f"{self.host} is not connected")
        try:
            async with asyncio.timeout(seconds):
                return await self._end_of(self._worker.submit(lambda: method(driver)))
        except TimeoutError as error:
            raise Timeout(f"{self.host} did not answer within {seconds:g} seconds") from error

    async def open_again(self, driver: type[Driver], connection: Connection) -> None:
        """Connect anew, because the connection may be lost; raises what open raises, and is not connected then."""
        await self.close()
        self.driver, self._worker = None, Worker()
        await self.open(driver, connection)

    async def close(self) -> None:
        """Log out, also while a call hangs; a host that does not let go is left to the end of the process."""
        try:
            await self.call(lambda driver: driver.close(), CLOSE_SECONDS)
        except CrossvirtError:
            if self.driver:
                ended: Future[None] = Future()
                start(ended, self.driver.hang_up)
                await asyncio.wait({asyncio.wrap_future(ended)}, timeout=CLOSE_SECONDS)
        finally:
            self._worker.end()

    async def _give_up(self, connecting: Future[Driver]) -> None:
        """Log out if the connection still comes about; who was told to stop, and ends, waits a moment for that."""

        def log_out() -> None:
            if not connecting.cancelled() and not connecting.exception():
                connecting.result().close()

        logged_out = self._worker.submit(log_out)
        self._worker.end()
        if (this := asyncio.current_task()) and this.cancelling():
            await asyncio.wait({asyncio.wrap_future(logged_out)}, timeout=CLOSE_SECONDS)

    async def _end_of(self, running: Future[T]) -> T:
        try:
            return await asyncio.wrap_future(running)
        except (CrossvirtError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise BackendError(f"{self.host}: unforeseen {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Found:
    """A VM and the endpoint that it lives at."""

    endpoint: Endpoint
    vm: Vm


Pick = Callable[[str, Sequence[Found]], Found]


class Endpoints:
    """The endpoints of one connection that answer; `failures` are those that do not and were allowed not to."""

    def __init__(self, members: Sequence[Endpoint], failures: Sequence[CrossvirtError], *, lenient: bool) -> None:
        self.members, self.failures, self._lenient = members, failures, lenient

    @classmethod
    async def open(cls, connection: Connection, driver: type[Driver]) -> Self:
        """Connect to all at once; endpoints that lead to the same VMs count once.

        Raises the one kind of error that all failures share, else ConnectionFailed, naming every host that failed.
        """
        candidates = [Endpoint(host) for host in connection.hosts]
        opening = [candidate.open(driver, connection) for candidate in candidates]
        outcomes = await asyncio.gather(*opening, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, CrossvirtError)]
        lenient = connection.settings["unreachable"] == "warn"
        opened = cls([outcome for outcome in outcomes if isinstance(outcome, Endpoint)], failures, lenient=lenient)
        try:
            if failures and not (lenient and opened.members):
                kinds = {type(failure) for failure in failures}
                kind = kinds.pop() if len(kinds) == 1 else ConnectionFailed
                raise kind("; ".join(map(str, failures))) from failures[0]
            if len(opened.members) > 1:
                await opened._merge()
        except BaseException:
            await opened.close()
            raise
        return opened

    async def _merge(self) -> None:
        """Keep one endpoint of each group that leads to the same VMs."""
        distinct: dict[str, Endpoint] = {}
        for member, identity in await self.ask(lambda driver: driver.identity):
            if distinct.setdefault(identity, member) is not member:
                await member.close()
        self.members = list(distinct.values())

    @property
    def complete(self) -> bool:
        """Whether every endpoint was asked: only then is a name known to be unique, or free."""
        return not self.failures

    async def find(self, wanted: Wanted, gather: Collection[Part] = ()) -> list[Found]:
        """Return what matches, from all endpoints side by side."""
        answers = await self.ask(lambda driver: driver.find_vms(wanted, gather))
        return [Found(member, vm) for member, vms in answers for vm in vms]

    async def ask(self, method: Callable[[Driver], T]) -> list[tuple[Endpoint, T]]:
        """Ask all side by side; where `unreachable` is `warn`, one that is lost meanwhile becomes a failure."""

        async def attempt(member: Endpoint) -> T | ConnectionFailed | Timeout:
            try:
                return await member.call(method)
            except (ConnectionFailed, Timeout) as error:
                if not self._lenient:
                    raise
                return error

        outcomes = list(zip(self.members, await asyncio.gather(*map(attempt, self.members)), strict=True))
        answers = [(member, one) for member, one in outcomes if not isinstance(one, ConnectionFailed | Timeout)]
        lost = [(member, one) for member, one in outcomes if isinstance(one, ConnectionFailed | Timeout)]
        if lost and not answers:
            raise lost[0][1]
        self.members, self.failures = (
            [one for one, _answer in answers],
            [*self.failures, *(error for _one, error in lost)],
        )
        await asyncio.gather(*(member.close() for member, _error in lost))
        return answers

    async def read(self, found: Sequence[tuple[Endpoint, str]], gather: Collection[Part] = ()) -> list[Vm | None]:
        """Read VMs by endpoint and id, one call per endpoint; None for one that is gone."""
        ids: dict[Endpoint, set[str]] = {}
        for endpoint, vm_id in found:
            ids.setdefault(endpoint, set()).add(vm_id)

        async def look(endpoint: Endpoint) -> dict[str, Vm]:
            return await endpoint.call(lambda driver: driver.get_vms(ids[endpoint], gather))

        seen = dict(zip(ids, await asyncio.gather(*map(look, ids)), strict=True))
        return [seen[endpoint].get(vm_id) for endpoint, vm_id in found]

    async def settled(
        self, found: Iterable[Found], gather: Collection[Part] = (), seconds: float = SETTLE_SECONDS
    ) -> list[Found]:
        """Wait until none of these is changing; raises Timeout."""
        now = list(found)
        try:
            async with asyncio.timeout(seconds):
                while moving := [one for one in now if one.vm.state is PowerState.CHANGING]:
                    await asyncio.sleep(0.5)
                    vms = await self.read([(one.endpoint, one.vm.id) for one in now], gather)
                    now = [replace(one, vm=vm or gone(one.vm)) for one, vm in zip(now, vms, strict=True)]
        except TimeoutError as error:
            names = ", ".join(one.vm.name for one in moving)
            raise Timeout(f"still changing after {seconds:g} seconds, and nothing was done: {names}") from error
        return now

    async def close(self) -> None:
        """Log out everywhere, side by side."""
        await asyncio.gather(*(member.close() for member in self.members))


def gone(vm: Vm) -> Vm:
    """Return a VM that is there no more, so that nothing is planned for it."""
    return replace(vm, state=PowerState.UNKNOWN, state_reason=WENT_AWAY)


def is_gone(vm: Vm) -> bool:
    """Say whether a VM went away while it was waited for."""
    return vm.state_reason == WENT_AWAY


def candidates_for(ref: Ref, found: Sequence[Found], *, complete: bool) -> list[Found]:
    """Return every VM that can be meant, at least one.

    Raises NotFound, or ConnectionFailed where a silent endpoint could hold another VM of that name.
    """
    candidates = [one for one in found if ref.matches(one.vm)]
    safe = ref.key == "uuid" or (ref.key == "id" and all(one.vm.id == one.vm.uuid for one in candidates))
    if not complete and not safe:
        raise ConnectionFailed(f"{ref} may stand for another VM while an endpoint does not answer; use uuid")
    if not candidates:
        silent = "" if complete else " on the endpoints that answer"
        raise NotFound(f"there is no VM with {ref}{silent}")
    return candidates


def choose(ref: Ref, found: Sequence[Found], *, complete: bool) -> Found:
    """Return the one VM that is meant; raises Ambiguous and what candidates_for raises."""
    return one_of(str(ref), candidates_for(ref, found, complete=complete))


def one_of(what: str, candidates: Sequence[Found]) -> Found:
    """Return the only candidate, or of one VM defined on several hosts the only active one; raises Ambiguous."""
    if len(candidates) == 1:
        return candidates[0]
    if len({one.vm.uuid for one in candidates}) == 1:
        active = [one for one in candidates if one.vm.state not in INACTIVE]
        if len(active) == 1:
            return active[0]
    listed = "; ".join(f"{one.vm.name} with id {one.vm.id} on host {one.vm.host}" for one in candidates)
    facts = [{"name": one.vm.name, "id": one.vm.id, "host": one.vm.host} for one in candidates]
    raise Ambiguous(f"{what} stands for more than one VM: {listed}", candidates=facts)


def choose_all(found: Sequence[Found], pick: Pick = one_of) -> list[tuple[Ref, Found | CrossvirtError]]:
    """Return for a selection each VM once, by name then id: its uuid, and its only place or why there is none."""
    groups: dict[str, list[Found]] = {}
    for one in sorted(found, key=lambda one: (one.vm.name, one.vm.id)):
        groups.setdefault(one.vm.uuid, []).append(one)
    chosen: list[tuple[Ref, Found | CrossvirtError]] = []
    for uuid, group in groups.items():
        ref = Ref("uuid", uuid)
        try:
            chosen.append((ref, pick(str(ref), group)))
        except Ambiguous as error:
            chosen.append((ref, error))
    return chosen
