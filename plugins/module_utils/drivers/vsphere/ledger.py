# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of datastores and hosts: names of folders, and room; what one VM takes, the next cannot have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import AlreadyExists, CapacityExceeded
from .convert import MIB
from .estate import Estate
from .files import Image, Search, image_from, split


class Ledger:
    """Datastores as they are, and what was taken since; `found` is what searches have found there."""

    def __init__(self, estate: Estate, found: Mapping[Search, Mapping[str, Any]]) -> None:
        self._estate, self._found = estate, found
        self._folders = {
            (search.datastore, name.lower()) for search, there in found.items() if not search.images for name in there
        }
        self._mine: set[tuple[str, str]] = set()
        self._room: dict[str, int] = {}
        self._memory: dict[str, int] = {}

    def take_folder(self, datastore: str, name: str) -> None:
        """Take the folder that vSphere will make; raises AlreadyExists."""
        place, storage = (datastore, name.lower()), self._estate.name(datastore)
        if place in self._folders:
            raise AlreadyExists(f"there is a folder {name} in storage {storage} already; nothing is added to it")
        if place in self._mine:
            raise AlreadyExists(f"two VMs of this task would have the folder {name} in storage {storage}")
        self._mine.add(place)

    def take_room(self, datastore: str, room: int, what: str) -> None:
        """Take room in a datastore; raises CapacityExceeded."""
        free = int(self._estate.row(datastore).get("summary.freeSpace") or 0)
        left = self._room.get(datastore, free) - room
        if left < 0:
            raise CapacityExceeded(f"storage {self._estate.name(datastore)} lacks {-left} bytes for {what}")
        self._room[datastore] = left

    def roomiest(self, hosts: Iterable[str]) -> str:
        """Return the host with the most free memory."""
        return max(hosts, key=self._free_memory)

    def take_memory(self, host: str, memory: int) -> None:
        """Take memory of a host; none is refused, because hosts promise more than they have."""
        self._memory[host] = self._memory.get(host, 0) + memory

    def _free_memory(self, host: str) -> int:
        row = self._estate.row(host)
        used = int(row.get("summary.quickStats.overallMemoryUsage") or 0) * MIB
        return int(row.get("summary.hardware.memorySize") or 0) - used - self._memory.get(host, 0)

    def image(self, datastore: str, volume: str) -> Image:
        """Return an image that was searched for; raises NotFound."""
        folder, name = split(volume)
        found = self._found[next(one for one in self._found if one.finds(datastore, folder))]
        return image_from(found, name, f"{volume!r} in storage {self._estate.name(datastore)}")
