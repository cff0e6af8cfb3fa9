# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a draft: the VM first, then what it needs; all of it is taken back when the end cannot be reached."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Event
from typing import Any
from uuid import uuid4

from ...driver import Operation
from ...errors import Cancelled, ConnectionFailed, CrossvirtError, NotFound
from ...support.making import taken_back
from ...support.workers import start
from . import label_writing
from .copies import Copy, changes, clone_spec
from .devices import told
from .drafts import VsphereDraft
from .hardware import KIB, NewDisk, disk_changes, new_vm
from .session import Session
from .tasks import Tasks

LOOK_AGAIN_SECONDS = (1, 2, 4, 0)
CLEAN_UP_SECONDS = 120  # a copy is cancelled, and the VM is deleted with its files


class Building:
    """One creation under way."""

    def __init__(self, session: Session, tasks: Tasks, draft: VsphereDraft) -> None:
        self._session, self._tasks, self._draft = session, tasks, draft
        self._vim = session.vim
        self._under_way: Operation | None = None
        self._aborted = Event()
        self._vm: Any = None
        self._copies: list[str] = []  # disks that are there and not the VM's yet
        self._uuid = str(uuid4())  # by which the VM is found where the answer to its making is lost

    def begin(self) -> Operation:
        """Have the VM made; a refusal raises at once, so that it counts as not begun."""
        copy = self._draft.copy
        first = self._submit("creating", partial(self._clone, copy) if copy else self._create)
        operation = Operation()
        operation.abort, operation.grace_seconds = self._abort, CLEAN_UP_SECONDS
        start(operation, lambda: self._run(first))
        return operation

    def _submit(self, doing: str, begin: Callable[[], Any]) -> Operation:
        self._under_way = self._tasks.submit(f"{doing} {self._draft.spec.name}", begin)
        return self._under_way

    def _abort(self) -> None:
        self._aborted.set()
        if under_way := self._under_way:
            under_way.cancel()

    def _go_on(self) -> None:
        if self._aborted.is_set():
            raise Cancelled(f"the creation of {self._draft.spec.name} was stopped")

    def _create(self) -> Any:
        draft, place = self._draft, self._draft.place
        with_images = any(disk.image for disk in draft.disks)
        config = new_vm(self._vim, draft.spec, draft.storage, () if with_images else draft.disks, draft.nics or ())
        host = self._vim.HostSystem(place.host) if place.host else None
        config.instanceUuid = self._uuid
        folder = self._vim.Folder(place.folder, self._session.stub)
        return folder.CreateVM_Task(config=config, pool=self._vim.ResourcePool(place.pool), host=host)

    def _clone(self, copy: Copy) -> Any:
        vim, name = self._vim, self._draft.spec.name
        config = changes(vim, self._draft.spec, copy, self._draft.nics)
        config.instanceUuid = self._uuid
        source = vim.VirtualMachine(copy.source, self._session.stub)
        return source.CloneVM_Task(folder=vim.Folder(copy.place.folder), name=name, spec=clone_spec(vim, copy, config))

    def _run(self, first: Operation) -> str:
        """Finish it, and return its id; the error of a creation that failed lists what could not be removed."""
        with taken_back(self._take_back):
            vm_id = self._made(first)
            self._attach()
            self._go_on()
            if self._draft.labels is not None:
                label_writing.write(self._session, self._vm, self._draft.labels)
            self._go_on()
            return vm_id

    def _made(self, first: Operation) -> str:
        """Wait for the VM; one that was made although the answer was lost has to be taken back as well."""
        try:
            vm_id = str(first.result())
        except ConnectionFailed as error:
            try:
                self._vm = self._found()
            except CrossvirtError as failure:
                volumes = [f"{volume.storage}/{volume.volume}" for volume in self._draft.volumes]
                error.facts["left_behind"] = volumes or [f"{self._draft.storage}/{self._draft.spec.name}"]
                raise error from failure
            raise
        self._vm = self._vim.VirtualMachine(vm_id, self._session.stub)
        return vm_id

    def _found(self) -> Any:
        """Look a few times for the VM that may have been begun."""
        find = partial(
            self._session.content.searchIndex.FindAllByUuid, uuid=self._uuid, vmSearch=True, instanceUuid=True
        )
        for pause in LOOK_AGAIN_SECONDS:
            if found := self._session.call("looking for the new VM", find):
                return found[0]
            self._aborted.wait(pause)
        return None

    def _attach(self) -> None:
        """Copy the images into the VM's folder, and give it its disks."""
        disks = self._draft.disks
        if not any(disk.image for disk in disks):
            return
        files = [self._copy(disk) if disk.image else None for disk in disks]
        self._go_on()
        config = self._vim.vm.ConfigSpec(deviceChange=disk_changes(self._vim, disks, files))
        self._submit("attaching disks to", lambda: self._vm.ReconfigVM_Task(config)).result()
        self._copies.clear()

    def _copy(self, disk: NewDisk) -> str:
        """Copy an image, grown to its size, and return the datastore path of the copy."""
        self._go_on()
        manager, volume = self._session.content.virtualDiskManager, disk.volume
        target = f"[{volume.storage}] {self._folder()}/{volume.volume.rpartition('/')[2]}"
        here = self._vim.Datacenter(self._draft.place.datacenter)
        there = self._vim.Datacenter(disk.image_datacenter)
        self._copies.append(target)
        self._submit(
            f"copying {disk.image} for",
            lambda: manager.CopyVirtualDisk_Task(
                sourceName=disk.image, sourceDatacenter=there, destName=target, destDatacenter=here
            ),
        ).result()
        size = int(volume.size_bytes or 0)
        if size > disk.image_bytes:
            self._go_on()
            self._submit(
                f"growing {target} of",
                lambda: manager.ExtendVirtualDisk_Task(
                    name=target, datacenter=here, newCapacityKb=size // KIB, eagerZero=False
                ),
            ).result()
        return target

    def _folder(self) -> str:
        """Return the folder that vSphere chose for the VM."""
        path = self._session.call("reading where the new VM is", lambda: self._vm.config.files.vmPathName)
        return str(path).partition("] ")[2].rpartition("/")[0]

    def _take_back(self) -> list[str]:
        """Remove what was made, last first, and return what would not go; from here on nothing is aborted."""
        self._under_way = None
        name, place = self._draft.spec.name, self._vim.Datacenter(self._draft.place.datacenter)
        delete = self._session.content.virtualDiskManager.DeleteVirtualDisk_Task
        made = [(told(path), partial(delete, name=path, datacenter=place)) for path in reversed(self._copies)]
        if self._vm is not None:
            made.append((f"{self._draft.storage}/{name}", self._vm.Destroy_Task))
        left = []
        for what, remove in made:
            try:
                with suppress(NotFound):
                    self._tasks.submit(f"removing {what}", remove).result()
            except CrossvirtError:
                left.append(what)
        return left
