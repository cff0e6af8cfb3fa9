# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof that two hosts mean the same disks: what one writes into a folder, the other sees; devices have their names."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any
from uuid import uuid4

from ...errors import InvalidState
from .baggage import looked_up
from .session import Session
from .storage import OF_FILES, Pool, Pools, refresh

SEEN_SECONDS = 70  # NFS may show a folder as it was a minute ago
LOOK_SECONDS = 0.5
MARKED = ".crossvirt-"
MARK = "<volume><name>{name}</name><capacity>0</capacity><target><format type='raw'/></target></volume>"


def prove(source: Session, target: Session, paths: Collection[str], vm: str) -> None:
    """Raise InvalidState for a folder or a device that is not the same one on both hosts; leaves nothing there.

    Marks carry the uuid of the VM for which they are made, so that the next run removes one that was left.
    """
    theirs, ours = Pools(source), Pools(target)
    for folder in sorted({path.rpartition("/")[0] for path in paths}):
        probe = f"{folder}/{MARKED}{vm}-{uuid4()}"
        here, name = pool_of(theirs, probe)
        there, _name = pool_of(ours, probe)
        if not (here and there):
            raise InvalidState(f"{folder} is no storage on both {source.host} and {target.host}")
        if here.storage.kind not in OF_FILES:
            for path in paths:
                if path.rpartition("/")[0] == folder:
                    compare_keys(path, source, here, target, there)
            continue
        for volume in here.handle.listAllVolumes(0):
            if volume.name().startswith(f"{MARKED}{vm}-"):
                volume.delete(0)
        mark = here.handle.createXML(MARK.format(name=name), 0)
        try:
            if not seen(target, there.handle, name):
                raise InvalidState(
                    f"{source.host} and {target.host} both have {folder}, but not the same one: the disks there have "
                    "equal names and are different files; nothing was changed"
                )
        finally:
            mark.delete(0)
            refresh(target, there.handle)


def compare_keys(path: str, source: Session, here: Pool, target: Session, there: Pool) -> None:
    """Raise InvalidState for a device that has no key of its own, such as an LV's UUID, or another one elsewhere."""
    name = path.rpartition("/")[2]
    one, other = looked_up(source, here.handle, name), looked_up(target, there.handle, name)
    if not (one and other) or one.key() != other.key() or one.key() == path:
        raise InvalidState(
            f"nothing proves that {path} is the same disk on {source.host} and {target.host}: storage {here.name} of "
            f"type {here.storage.kind} must give it one UUID or serial number on both; nothing was changed"
        )


def seen(session: Session, pool: Any, name: str) -> bool:
    """Say whether a new file comes in sight."""
    deadline = time.monotonic() + SEEN_SECONDS
    while True:
        refresh(session, pool)
        if looked_up(session, pool, name):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)


def pool_of(pools: Pools, path: str) -> tuple[Pool | None, str]:
    """Return the pool that holds a path, and the file's name in it."""
    storage, name = pools.place(path)
    return pools.named(storage or ""), name
