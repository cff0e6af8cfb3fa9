# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the disks of VMs that come are to be: in files that both hosts see, or copied into a storage of the target.

Which files both hosts see is only guessed here, because nothing may be written to find out. The guess decides nothing
that could lose a disk: a file of that name at the target is either the same one, or in the way of a copy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ...errors import AlreadyExists, CapacityExceeded, CrossvirtError, InvalidOption, InvalidState, Unsupported
from ...model import MoveSpec
from .baggage import FILE_FORMATS, Baggage, Volume, volume_at
from .departures import LibvirtDeparture
from .session import Session
from .storage import Pool, Pools, refresh
from .target_xml import Copy


class Hold:
    """The storage of one host, filled by one VM after the other."""

    def __init__(self, session: Session, pools: Pools) -> None:
        self._session, self._pools = session, pools
        self._free = {pool.name: pool.storage.free_bytes for pool in pools.all}
        self._names: dict[str, set[str]] = {}
        self._gone: Collection[tuple[str, str]] = ()
        self._read_anew: set[str] = set()

    def stow(
        self, departure: LibvirtDeparture, spec: MoveSpec, *, stays: bool, gone: Collection[tuple[str, str]]
    ) -> tuple[bool, list[Copy], list[str], list[CrossvirtError]]:
        """Return whether all disks stay, the copies, the files that are shared, and the reasons why not.

        Volumes in `gone`, by storage and name, count as removed already.
        """
        self._gone = gone
        copies: list[Copy] = []
        shared: list[str] = []
        reasons: list[CrossvirtError] = list(unknown_storage(departure, spec))
        for bag in departure.disks:
            try:
                if bag.is_empty or (stays and not self._moves(bag, spec)):
                    continue
                if not stays and self._is_reached(bag, spec):
                    reasons += unsafe(departure, bag)
                    shared += [bag.path] if bag.path and not bag.is_medium else []
                    continue
                copies.append(self._copy(departure, bag, spec))
            except CrossvirtError as error:
                reasons.append(error)
        return not copies, copies, shared, reasons

    def _moves(self, bag: Baggage, spec: MoveSpec) -> bool:
        """Say whether a disk of a VM that stays on its host goes to another storage."""
        return not bag.is_medium and wanted(bag, spec) not in (None, bag.volume.pool if bag.volume else None)

    def _is_reached(self, bag: Baggage, spec: MoveSpec) -> bool:
        """Say whether the target reaches a disk where it is; raises InvalidState for a medium that it does not."""
        if bag.kind == "network":
            return True
        there = self._at(bag.path or "")
        same = there is not None and (bag.volume is None or there.capacity == bag.volume.capacity)
        if bag.is_medium:
            if not same:
                raise InvalidState(f"{bag.device} {bag.dev} holds {bag.path}, which {self._session.host} does not have")
            return True
        other = wanted(bag, spec)
        if spec.copy_storage == "always" or there is None or (other and other != there.pool):
            return False
        if not same:
            raise AlreadyExists(f"{self._session.host} has another file {there.path}, not that of disk {bag.dev}")
        for below in bag.chain:
            if self._at(below.path) is None:
                raise InvalidState(f"{self._session.host} has not {below.path}, which disk {bag.dev} builds on")
        return True

    def _copy(self, departure: LibvirtDeparture, bag: Baggage, spec: MoveSpec) -> Copy:
        """Work out the copy of one disk; raises what stands in its way."""
        host, name = self._session.host, departure.vm.name
        if bag.is_medium:
            raise InvalidState(f"{bag.device} {bag.dev} holds {bag.path}, which {host} does not have")
        if spec.copy_storage == "never":
            raise InvalidState(f"{host} does not reach disk {bag.dev} of {name}, and copy_storage is never")
        if bag.volume is None:
            raise Unsupported(
                f"disk {bag.dev} of {name} ({bag.path}) is in no storage of its host and cannot be copied"
            )
        if bag.shareable:
            raise Unsupported(f"disk {bag.dev} of {name} is shared with other VMs and cannot be copied")
        if bag.volume.encrypted or bag.format not in FILE_FORMATS:
            kind = "encrypted" if bag.volume.encrypted else f"of format {bag.format}"
            raise Unsupported(f"disk {bag.dev} of {name} is {kind} and cannot be copied")
        pool = self._pools.choose(wanted(bag, spec) or bag.volume.pool)
        self._take_name(pool, bag.volume)
        if bag.needed_bytes > self._free[pool.name]:
            raise CapacityExceeded(
                f"disk {bag.dev} of {name} needs {bag.needed_bytes} bytes, and storage {pool.name} of {host} has "
                f"{self._free[pool.name]}"
            )
        self._free[pool.name] -= bag.needed_bytes
        return Copy(
            disk=bag,
            source=bag.volume,
            pool=pool.name,
            name=bag.volume.name,
            path=f"{str(pool.target).rstrip('/')}/{bag.volume.name}",
            format=bag.format,
        )

    def _at(self, path: str) -> Volume | None:
        """Return the volume at a path, as its folder is now: libvirt knows what it has read or made itself."""
        pool = self._pools.named(self._pools.place(path)[0] or "")
        if pool and pool.storage.active and pool.name not in self._read_anew:
            refresh(self._session, pool.handle)
            self._read_anew.add(pool.name)
        found = volume_at(self._session, self._pools, path)
        return None if found and (found.pool, found.name) in self._gone else found

    def _take_name(self, pool: Pool, volume: Volume) -> None:
        taken = self._names.setdefault(pool.name, set())
        path = f"{str(pool.target).rstrip('/')}/{volume.name}"
        if volume.name in taken or self._at(path):
            raise AlreadyExists(f"storage {pool.name} of {self._session.host} has a volume {volume.name!r} already")
        taken.add(volume.name)


def wanted(bag: Baggage, spec: MoveSpec) -> str | None:
    """Return the storage that the task names for a disk."""
    here = bag.volume.pool if bag.volume else ""
    return spec.storage_for(here)


def unknown_storage(departure: LibvirtDeparture, spec: MoveSpec) -> Iterator[CrossvirtError]:
    """Return a reason for every storage that is mapped and holds no disk."""
    used = {bag.volume.pool for bag in departure.disks if bag.volume}
    for old, new in spec.storage_map.items():
        if not {old, new} & used:
            yield InvalidOption(f"target.storage_map: no disk of {departure.vm.name} is in {old!r}")


def unsafe(departure: LibvirtDeparture, bag: Baggage) -> list[CrossvirtError]:
    """Return why a disk cannot be handed over to another QEMU: what it wrote last may be in the host's memory alone."""
    if bag.cache != "unsafe" or bag.read_only or not departure.running:
        return []
    return [InvalidState(f"disk {bag.dev} of {departure.vm.name} has the cache mode unsafe; it moves only as a copy")]
