# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a draft: first the volumes, then the VM; what was made is taken back when the end cannot be reached."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

from ...errors import Cancelled, CrossvirtError
from ...support.images import ImageFile
from ...support.making import taken_back
from .definition import Drive, copy_of, definition
from .drafts import Content, LibvirtDraft
from .removal import delete
from .session import Session
from .storage import volume_xml

CLEAN_UP_SECONDS = 120  # a copy that the daemon has begun cannot be stopped, only taken back when it has ended


class Building:
    """One creation under way."""

    def __init__(self, session: Session, draft: LibvirtDraft) -> None:
        self._session, self._draft = session, draft
        self._made: list[tuple[str, str]] = []
        self._aborted = Event()

    def abort(self) -> None:
        """Have it end as soon as it can, with nothing left."""
        self._aborted.set()

    def run(self) -> str:
        """Make it, and return its id; the error of a creation that failed lists what could not be removed."""
        with taken_back(self._take_back), self._session.translated(f"creating {self._draft.spec.name}"):
            paths = [self._volume(content) for content in self._draft.contents]
            self._go_on()
            return self._define(paths)

    def _go_on(self) -> None:
        if self._aborted.is_set():
            raise Cancelled(f"the creation of {self._draft.spec.name} was stopped")

    def _define(self, paths: list[str]) -> str:
        draft, uuid = self._draft, str(uuid4())
        if draft.source:
            xml = copy_of(draft.source, draft.spec, uuid, draft.machine, paths)
        else:
            drives = [Drive(path, content.bus) for content, path in zip(draft.contents, paths, strict=True)]
            xml = definition(draft.spec, uuid, draft.machine, drives)
        return str(self._session.conn.defineXML(xml).UUIDString())

    def _volume(self, content: Content) -> str:
        """Make one volume and return its path."""
        self._go_on()
        storage, name, size = content.volume.storage, content.volume.volume, int(content.volume.size_bytes or 0)
        kind = self._draft.machine.disk_format
        pool = self._session.conn.storagePoolLookupByName(storage)
        if content.overlay:
            volume = self._make(pool, storage, name, volume_xml(name, size, kind, backing=content.overlay))
        elif content.copy:
            volume = self._copy(pool, storage, name, self._session.conn.storageVolLookupByPath(content.copy))
        elif content.file:
            volume = self._send(pool, storage, name, content.file)
        else:
            volume = self._make(
                pool, storage, name, volume_xml(name, size, kind, thick=content.thick), thick=content.thick
            )
        if volume.info()[1] < size:
            volume.resize(size)
        return str(volume.path())

    def _make(self, pool: Any, storage: str, name: str, xml: str, *, thick: bool = False) -> Any:
        lib = self._session.libvirt
        with_tables = thick and self._draft.machine.disk_format == "qcow2"
        volume = pool.createXML(xml, lib.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA if with_tables else 0)
        self._made.append((storage, name))
        return volume

    def _copy(self, pool: Any, storage: str, name: str, source: Any) -> Any:
        kind = self._draft.machine.disk_format
        volume = pool.createXMLFrom(volume_xml(name, source.info()[1], kind), source, 0)
        self._made.append((storage, name))
        return volume

    def _send(self, pool: Any, storage: str, name: str, file: ImageFile) -> Any:
        """Send a file up: one of this host's format becomes the volume as it is, another is converted over there."""
        landing = name if file.format == self._draft.machine.disk_format else f"{name}.upload"
        volume = self._make(pool, storage, landing, volume_xml(landing, file.size_bytes, file.format))
        self._stream(volume, file)
        if landing == name:
            return volume
        made = self._copy(pool, storage, name, volume)
        volume.delete(0)
        self._made.remove((storage, landing))
        return made

    def _stream(self, volume: Any, file: ImageFile) -> None:
        stream = self._session.conn.newStream(0)
        volume.upload(stream, 0, file.file_bytes, 0)
        with Path(file.path).open("rb") as content:

            def next_part(_stream: Any, count: int, _opaque: Any) -> bytes:
                self._go_on()
                return content.read(count)

            stream.sendAll(next_part, None)
        stream.finish()

    def _take_back(self) -> list[str]:
        """Remove what was made, last first, and return what would not go."""
        left = []
        for storage, name in reversed(self._made):
            try:
                with self._session.translated(f"removing {storage}/{name}"):
                    delete(self._session, self._session.conn.storagePoolLookupByName(storage), name)
            except CrossvirtError:
                left.append(f"{storage}/{name}")
        return left
