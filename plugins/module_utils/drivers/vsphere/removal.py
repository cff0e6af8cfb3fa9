# SPDX-License-Identifier: GPL-3.0-or-later
"""Forgetting a VM, and what goes with it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from ...driver import Operation
from ...errors import CrossvirtError, NotFound
from ...support.workers import start
from .devices import told
from .properties import read_some
from .session import Session
from .tasks import Tasks

VM = "VirtualMachine"


class Removal:
    """One removal under way."""

    def __init__(self, session: Session, tasks: Tasks, vm_id: str, name: str, remove: Collection[str]) -> None:
        self._session, self._tasks, self._remove, self._name = session, tasks, set(remove), name
        self._vm_id = vm_id
        self._vm = session.vim.VirtualMachine(vm_id, session.stub)

    def begin(self) -> Operation:
        """Begin; a refusal of the first call raises at once, so that it counts as not begun.

        Without its disks a VM is unregistered, and all its files stay. Destroy_Task takes every file of the VM, so
        snapshots and firmware settings have to be named with the disks.
        """
        try:
            steps = self._steps()
            first = steps[0]()
        except NotFound:  # somebody else was faster
            return Operation.ended()
        if len(steps) == 1 and "disks" not in self._remove:
            return first
        operation = Operation()
        operation.abort = first.cancel
        start(operation, lambda: self._run(first, steps[1:]))
        return operation

    def _steps(self) -> list[Callable[[], Operation]]:
        vm = self._vm
        steps: list[Callable[[], Operation]] = []
        if "saved_state" in self._remove:
            steps.append(partial(self._submit, "discarding the saved memory of", vm.PowerOffVM_Task))
        if "disks" in self._remove:
            return [*steps, partial(self._submit, "deleting", vm.Destroy_Task)]
        if "snapshots" in self._remove:
            merge = partial(vm.RemoveAllSnapshots_Task, consolidate=True)
            steps.append(partial(self._submit, "deleting the snapshots of", merge))
        steps.append(partial(self._tasks.call, f"unregistering {self._name}", vm.UnregisterVM))
        if "nvram" in self._remove:
            steps.append(self._nvram_step())
        return steps

    def _submit(self, doing: str, begin: Callable[[], Any]) -> Operation:
        return self._tasks.submit(f"{doing} {self._name}", begin)  # no question is waited for: the VM may be gone first

    def _run(self, first: Operation, steps: list[Callable[[], Operation]]) -> None:
        try:
            first.result()
            for step in steps:
                step().result()
        except CrossvirtError as error:
            if "disks" in self._remove and (left := self._disks()):
                error.facts["left_behind"] = left
            raise

    def _disks(self) -> list[str]:
        """Return the disks that a VM still has."""
        try:
            row = read_some(self._session, VM, [self._vm_id], {VM: ["layoutEx"]}).get(VM, {}).get(self._vm_id, {})
        except CrossvirtError:
            return []
        layout = row.get("layoutEx")
        return [told(one.name) for one in layout.file if one.type == "diskDescriptor"] if layout else []

    def _nvram_step(self) -> Callable[[], Operation]:
        """Return what deletes the file of the firmware's settings once the VM is forgotten; it is looked up before."""
        vim, content = self._session.vim, self._session.content

        def look() -> tuple[list[str], Any]:
            found = [one.name for one in self._vm.layoutEx.file if one.type == "nvram"]
            above = self._vm.parent
            while above is not None and not isinstance(above, vim.Datacenter):
                above = above.parent
            return found, above

        files, datacenter = self._session.call(f"reading the files of {self._name}", look)

        def delete() -> Operation:
            operation = Operation()
            operation.set_result(None)
            for path in files:
                delete = partial(content.fileManager.DeleteDatastoreFile_Task, name=path, datacenter=datacenter)
                operation = self._tasks.submit(f"deleting {path} of {self._name}", delete)
            return operation

        return delete
