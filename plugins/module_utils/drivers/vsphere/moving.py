# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a move: one task of vSphere's, found again where its answer was lost, and the new name after it."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import Any

from ...driver import Operation
from ...errors import AuthenticationFailed, BackendError, ConnectionFailed
from ...model import Progress
from ...support.workers import start
from . import departures, obstacles, progress
from .departures import VM
from .properties import id_of, read_some
from .relocation import VsphereMove, relocate_spec
from .tasks import PROGRESS

TAKE_BACK_SECONDS = 120  # what a cancelled move has copied is deleted
LOOK_AGAIN_SECONDS = (1, 2, 4, 0)
ENCRYPTED = {"required": True, "disabled": False}


class Moving:
    """One move under way."""

    def __init__(self, vm_id: str, move: VsphereMove) -> None:
        self._id, self._move, self._one = vm_id, move, move.one
        self._session, self._tasks = move.one.side.session, move.one.side.tasks
        self._vm = self._session.vim.VirtualMachine(vm_id, self._session.stub)
        self._operation = Operation()
        self._under_way: Operation | None = None
        self._aborted = Event()

    def begin(self) -> Operation:
        """Have the VM moved; a refusal raises at once, so that it counts as not begun."""
        operation = self._operation
        first = self._first()
        operation.abort, operation.grace_seconds = self._abort, TAKE_BACK_SECONDS
        if self._move.mode == "live" and (known := ENCRYPTED.get(obstacles.encryption_of(self._one))) is not None:
            operation.facts["encrypted"] = known
        start(operation, lambda: self._run(first))
        return operation

    def _first(self) -> Operation:
        """Begin what comes first: the move, or the new name alone."""
        return self._relocate() if self._move.relocates else self._rename(self._vm)

    def _run(self, first: Operation) -> str | None:
        """See the move through, and return where the VM is then."""
        if not self._move.relocates:
            first.result()
            return None
        try:
            first.result()
        except AuthenticationFailed:
            raise
        except ConnectionFailed:
            if not self._found_again():
                raise
        there = self._arrived()
        if self._move.after["name"] != self._one.vm.name:
            self._rename(there).result()
        return id_of(there)

    def _relocate(self) -> Operation:
        def begin() -> Any:
            return self._vm.RelocateVM_Task(relocate_spec(self._move))

        return self._submitted(self._tasks.submit(self._doing, begin, self._vm, hear=self._hear))

    def _rename(self, vm: Any) -> Operation:
        name = str(self._move.after["name"])
        begin = partial(vm.Rename_Task, name)
        return self._move.target.tasks.submit(f"giving {self._one.vm.name} the name {name}", begin)

    def _submitted(self, operation: Operation) -> Operation:
        self._under_way = operation
        if self._aborted.is_set():
            operation.cancel()
        return operation

    @property
    def _doing(self) -> str:
        return f"moving {self._one.vm.name}"

    def _hear(self, changes: dict[str, Any]) -> None:
        percent = 100 if changes.get("info.state") == "success" else changes.get(PROGRESS)
        if percent is not None:
            self._operation.progress = Progress(percent=float(percent))

    def _abort(self) -> None:
        self._aborted.set()
        if under_way := self._under_way:
            under_way.cancel()

    def _found_again(self) -> bool:
        """Look for a move of which nobody knows whether it has begun, and see it through; False where none has."""
        for pause in LOOK_AGAIN_SECONDS:
            try:
                if task := self._running():
                    handle = self._session.vim.Task(task, self._session.stub)
                    self._submitted(self._tasks.follow(self._doing, handle, self._vm, self._hear)).result()
                    return True
                if self._is_there():
                    return True
            except ConnectionFailed:
                if not pause:
                    raise
            self._aborted.wait(pause)
        return False

    def _running(self) -> str | None:
        """Return a task that moves the VM and was not there before."""
        rows = read_some(self._session, VM, [self._id], {VM: progress.PATHS}).get(VM, {})
        task = progress.unfinished(self._session, rows).get(self._id, {})
        is_ours = task.get("info.descriptionId") in progress.MOVES and task["id"] not in self._one.tasks
        return str(task["id"]) if is_ours else None

    def _is_there(self) -> bool:
        """Say whether the VM is where it was to go."""
        if self._move.thumbprint:
            return bool(self._found_at_target())
        (now,) = departures.read(self._one.side, [self._one.vm])
        route, row = self._move.route, now.row or {}
        stores = tuple(id_of(drive.backing.datastore) for drive in now.drives)
        there = (row.get("runtime.host"), row.get("resourcePool"), row.get("parent"), now.home, stores)
        place = route.place
        host = place.host or there[0]  # where DRS chooses, the pool tells
        return there == (host, place.pool or None, place.folder or None, route.home, route.stores)

    def _found_at_target(self) -> list[Any]:
        session = self._move.target.session
        find = partial(session.content.searchIndex.FindAllByUuid, None, self._one.vm.uuid, True, True)
        return list(session.call("looking for a VM that moved", find) or ())

    def _arrived(self) -> Any:
        """Return the VM where it is now; another vCenter has given it another id."""
        if not self._move.thumbprint:
            return self._vm
        for pause in LOOK_AGAIN_SECONDS:
            if found := self._found_at_target():
                return found[0]
            self._aborted.wait(pause)
        raise BackendError(f"{self._doing}: it has left, and {self._move.target.session.host} does not show it yet")
