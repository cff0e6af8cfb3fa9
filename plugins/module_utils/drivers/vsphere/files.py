# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking into datastores: folders that are taken, and images with their sizes. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...driver import Operation
from ...errors import BackendError, NotFound
from .estate import Estate
from .hardware import KIB
from .session import Session
from .tasks import Tasks


@dataclass(frozen=True, slots=True)
class Search:
    """One look into a folder of a datastore, for files or folders of these names."""

    datastore: str
    folder: str
    names: frozenset[str]
    images: bool

    def finds(self, datastore: str, folder: str) -> bool:
        """Say whether this looks for images there."""
        return self.images and (self.datastore, self.folder) == (datastore, folder)


@dataclass(frozen=True, slots=True)
class Image:
    """A virtual disk in a datastore: `size_bytes` is what a guest sees, `taken_bytes` the room that it takes."""

    size_bytes: int
    taken_bytes: int


def look(session: Session, tasks: Tasks, estate: Estate, searches: Iterable[Search]) -> dict[Search, dict[str, Any]]:
    """Carry out searches side by side, and return what was found by name; a folder that is not there has nothing."""
    vim = session.vim
    begun: dict[Search, tuple[Operation, list[Any]]] = {}

    def begin(search: Search, held: list[Any]) -> Any:
        browser = vim.host.DatastoreBrowser(estate.row(search.datastore)["browser"], session.stub)
        path = f"[{estate.name(search.datastore)}] {search.folder}".rstrip()
        held.append(browser.SearchDatastore_Task(datastorePath=path, searchSpec=question(vim, search)))
        return held[-1]

    for search in searches:
        held: list[Any] = []
        doing = f"looking into storage {estate.name(search.datastore)}"
        begun[search] = tasks.submit(doing, partial(begin, search, held)), held
    return {search: found(session, operation, held) for search, (operation, held) in begun.items()}


def found(session: Session, operation: Operation, held: Sequence[Any]) -> dict[str, Any]:
    """Wait for a search, and return what it found by name."""
    try:
        operation.result()
    except NotFound:
        return {}
    result = session.call("looking into a storage", lambda: held[-1].info.result)
    return {one.path: one for one in result.file or ()}


def question(vim: Any, search: Search) -> Any:
    """Return what to ask a datastore's browser."""
    browser = vim.host.DatastoreBrowser
    disks = browser.VmDiskQuery(details=browser.VmDiskQuery.Details(capacityKb=True))
    return browser.SearchSpec(
        matchPattern=sorted(search.names),
        query=[disks if search.images else browser.FolderQuery()],
        details=browser.FileInfo.Details(
            fileType=search.images, fileSize=search.images, modification=False, fileOwner=False
        ),
    )


def image_from(there: Mapping[str, Any], name: str, called: str) -> Image:
    """Return an image that was searched for; raises NotFound, and BackendError where its size is not told."""
    if name not in there:
        raise NotFound(f"there is no volume {called}")
    capacity = getattr(there[name], "capacityKb", None)
    if capacity is None:
        raise BackendError(f"vSphere does not tell how large a disk {called} holds")
    return Image(capacity * KIB, int(there[name].fileSize or 0))


def split(volume: str) -> tuple[str, str]:
    """Return folder and file of a volume's name in its datastore."""
    folder, _slash, name = volume.rpartition("/")
    return folder, name
