# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of vSphere as operations: however many are under way, one WaitForUpdatesEx waits for all of them.

Two threads, because a call that waits cannot be told of new tasks: one keeps a list view of the tasks under way, one
waits for the filter over it. Source: "PropertyCollector", "ListView" and "Task" in the vSphere Web Services API.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

from ...driver import Operation
from ...errors import AuthenticationFailed, ConnectionFailed, CrossvirtError, InvalidState
from ...model import PowerState
from ...support.workers import start
from .convert import STATES
from .properties import id_of
from .session import Session

GATHER_SECONDS = 0.01  # tasks that begin so close together are added with one call
WAIT_SECONDS = 20  # of one WaitForUpdatesEx: below what proxies and firewalls call idle
QUESTION_SECONDS = 2  # a task that ends so soon was not held up by a question
ATTEMPTS = 5  # the tasks go on without us, so a cut connection is worth another try, one a second
TASK_PATHS = ("info.state", "info.error", "info.result")
PROGRESS = "info.progress"
QUESTION = "runtime.question"
PROGRESS_SECONDS = 0.5  # between two looks while nothing ends

Hear = Callable[[dict[str, Any]], object]


@dataclass(slots=True, eq=False)
class Pending:
    """A task under way; `vm` is the VM that a question of vSphere's can hold up, `goal` where the task leads it.

    `hear` is told all that is new of the task.
    """

    task: Any
    doing: str
    operation: Operation
    vm: Any = None
    goal: PowerState | None = None
    hear: Hear | None = None
    known: dict[str, Any] = field(default_factory=dict)
    question: str | None = None
    asked_at: float = 0


class Tasks:
    """The tasks that one session has begun; `progress` is whether anybody wants to hear how far they are."""

    def __init__(self, session: Session, *, progress: bool = False) -> None:
        self._session = session
        self._paths = (*TASK_PATHS, PROGRESS) if progress else TASK_PATHS
        self._pending: dict[str, Pending] = {}
        self._new: SimpleQueue[Pending] = SimpleQueue()
        self._changing = Lock()
        self._view: Any = None
        self._collector: Any = None
        self._viewed: dict[str, Any] = {}
        self._logins, self._version = 0, ""
        self._shown = Event()
        self._closed = False
        self._threads: list[Thread] = []

    def submit(
        self,
        doing: str,
        begin: Callable[[], Any],
        vm: Any = None,
        goal: PowerState | None = None,
        hear: Hear | None = None,
    ) -> Operation:
        """Begin a task; the operation ends with the id of the VM that it made, if it made one.

        A task that finds the VM in its `goal` has nothing to do: somebody else was faster.
        A task that is refused raises at once, so that it counts as not begun. Where only the answer was lost the
        operation fails, because the task may have begun.
        """
        operation, task = self._begin(doing, begin)
        if task is not None:
            self._follow(Pending(task, doing, operation, vm, goal, hear))
        return operation

    def follow(self, doing: str, task: Any, vm: Any, hear: Hear) -> Operation:
        """Wait for a task that was begun before."""
        operation = Operation()
        operation.set_running_or_notify_cancel()
        self._follow(Pending(task, doing, operation, vm, hear=hear))
        return operation

    def _follow(self, pending: Pending) -> None:
        operation, task = pending.operation, pending.task
        operation.abort = lambda: start(Future(), lambda: self._cancel(pending))
        self._pending[id_of(task)] = pending
        self._new.put(pending)
        if not self._threads:
            self._threads = [Thread(target=run, daemon=True) for run in (self._add, self._wait)]
            for thread in self._threads:
                thread.start()

    def call(self, doing: str, call: Callable[[], Any], goal: PowerState | None = None) -> Operation:
        """Make a call that is no task: the operation has ended when it returns, or failed if its answer was lost."""
        try:
            operation, _result = self._begin(doing, call)
        except InvalidState as error:
            if not is_there(error.__cause__, goal):
                raise
            return Operation.ended()
        if not operation.done():
            operation.set_result(None)
        return operation

    def close(self) -> None:
        """Stop waiting; tasks that have not ended go on without us."""
        self._closed = True

    def _begin(self, doing: str, call: Callable[[], Any]) -> tuple[Operation, Any]:
        operation = Operation()
        operation.set_running_or_notify_cancel()
        try:
            return operation, self._session.call(doing, call)
        except AuthenticationFailed:
            raise
        except ConnectionFailed as error:
            operation.set_exception(error)
            return operation, None

    def _cancel(self, pending: Pending) -> None:
        with self._session.translated(f"cancelling: {pending.doing}"):
            pending.task.CancelTask()

    def _add(self) -> None:
        """Add new tasks to the view, and take those out that have ended."""
        while True:
            self._new.get()
            time.sleep(GATHER_SECONDS)
            while not self._new.empty():
                self._new.get()
            try:
                self._session.call("waiting for tasks", self._show)
            except CrossvirtError:
                self._view = None  # who waits makes another, and says so if that fails
            self._shown.set()

    def _show(self) -> None:
        """Bring the view to what is under way now; a new login needs a new view and a new filter."""
        with self._changing:
            wanted = {id_of(one): one for each in self._waiting() for one in (each.task, each.vm) if one is not None}
            if self._view is None or self._logins != self._session.logins:
                logins = self._session.logins
                self._view = self._session.content.viewManager.CreateListView(list(wanted.values()))
                collector = self._collector_of(self._view)
                self._logins, self._version, self._collector = logins, "", collector
            else:
                new = [one for key, one in wanted.items() if key not in self._viewed]
                old = [one for key, one in self._viewed.items() if key not in wanted]
                self._view.ModifyListView(add=new, remove=old)
            self._viewed = wanted

    def _collector_of(self, view: Any) -> Any:
        """Make a collector for one filter alone: its versions count from the start, and nobody else waits for it."""
        query, vim = self._session.vmodl.query.PropertyCollector, self._session.vim
        step = query.TraversalSpec(name="tasks", type=vim.view.ListView, path="view", skip=False)
        wanted = {vim.Task: self._paths, vim.VirtualMachine: [QUESTION]}
        collector = self._session.content.propertyCollector.CreatePropertyCollector()
        collector.CreateFilter(
            query.FilterSpec(
                objectSet=[query.ObjectSpec(obj=view, selectSet=[step], skip=True)],
                propSet=[query.PropertySpec(type=kind, pathSet=list(paths)) for kind, paths in wanted.items()],
            ),
            partialUpdates=False,
        )
        return collector

    def _wait(self) -> None:
        """Wait for the filter, as long as there is a task to wait for."""
        failures = 0
        while not self._closed:
            self._shown.wait()
            logins = self._session.logins
            try:
                if self._view is None or logins != self._logins:
                    self._show()
                self._look()
                failures = 0
            except Exception as error:  # noqa: BLE001 - whoever waits for a task must hear of it
                failures += 1
                self._recover(error, logins, failures)
            if not self._pending:
                self._shown.clear()
                if self._pending:
                    self._shown.set()

    def _look(self) -> None:
        """Wait for one set of updates, and end what has ended."""
        asked = any(one.question for one in self._waiting())
        seconds = QUESTION_SECONDS if asked else WAIT_SECONDS
        options = self._session.vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=seconds)
        collector = self._collector
        updates = collector.WaitForUpdatesEx(self._version, options)
        waiting, news = len(self._pending), set[str]()
        for changed in updates.filterSet if updates else ():
            for one in changed.objectSet or ():
                changes = {change.name: change.val for change in one.changeSet or ()}
                news |= changes.keys()
                self._learn(one.obj, changes)
        if updates and collector is self._collector:
            self._version = updates.version
        self._report_questions()
        if PROGRESS in news and len(self._pending) == waiting:
            time.sleep(PROGRESS_SECONDS)

    def _learn(self, thing: Any, changes: dict[str, Any]) -> None:
        """Take in what is new of a task or a VM."""
        if pending := self._pending.get(id_of(thing)):
            known = pending.known = {**pending.known, **changes}
            if pending.hear:
                pending.hear(changes)
            if known.get("info.state") == "success":
                result = known.get("info.result")
                made = isinstance(result, self._session.vim.VirtualMachine)
                self._end([pending], lambda operation: operation.set_result(id_of(result) if made else None))
            elif known.get("info.state") == "error" and is_there(known["info.error"], pending.goal):
                self._end([pending], lambda operation: operation.set_result(None))
            elif known.get("info.state") == "error":
                self._fail([pending], self._session.ours(known["info.error"], pending.doing))
        elif QUESTION in changes:
            asked = changes[QUESTION]
            for one in self._waiting():
                if one.vm is not None and id_of(one.vm) == id_of(thing):
                    one.question, one.asked_at = (asked.text if asked else None), time.monotonic()

    def _report_questions(self) -> None:
        """Fail what has been held up by a question; somebody has to answer it."""
        for one in self._waiting():
            if one.question and time.monotonic() - one.asked_at >= QUESTION_SECONDS:
                said = f"{self._session.host}: {one.doing}: it waits for an answer to: {one.question}"
                self._fail([one], InvalidState(said))

    def _recover(self, error: Exception, logins: int, failures: int) -> None:
        """Log in again or pause before the next attempt; after several in a row, all that waits has failed.

        Changes whose answer was lost are not told again, so the next attempt has a filter of its own.
        """
        if self._closed:
            return
        self._view = None
        try:
            if failures > ATTEMPTS:
                raise error
            if isinstance(error, self._session.vim.fault.NotAuthenticated):
                self._session.renew(logins)
            else:
                time.sleep(1)
        except Exception as last:  # noqa: BLE001 - whoever waits for a task must hear of it
            for one in self._waiting():
                self._fail([one], self._session.ours(last, one.doing))

    def _waiting(self) -> list[Pending]:
        return list(self._pending.values())

    def _fail(self, batch: Iterable[Pending], error: CrossvirtError) -> None:
        self._end(batch, lambda operation: operation.set_exception(error))

    def _end(self, batch: Iterable[Pending], how: Callable[[Operation], object]) -> None:
        for pending in batch:
            if self._pending.pop(id_of(pending.task), None):
                how(pending.operation)


def is_there(fault: Any, goal: PowerState | None) -> bool:
    """Say whether a fault tells that the VM is already where a call was to lead it."""
    return goal is not None and STATES.get(str(getattr(fault, "existingState", None))) is goal
