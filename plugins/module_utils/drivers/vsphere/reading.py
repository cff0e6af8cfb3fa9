# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading VMs: a fleet in three calls and a page for each thousand objects; never one call per VM."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from operator import attrgetter
from typing import Any

from ...errors import NotFound
from ...model import Host, Network, Part, PowerState, Ref, Selection, Storage, Vm, Wanted
from . import convert, devices, label_reading, places, progress, snapshots, surroundings, users
from .devices import Networks
from .label_reading import LabelReader
from .places import Places
from .properties import Row, Rows, id_of, read_all, read_some
from .session import Session
from .users import Users

VM = "VirtualMachine"
ALONG = ("runtime.host", "resourcePool", "parentVApp")  # what a VM is in, beside its folders
BATCH = 1000  # so many VMs are named in one question: its length grows with them
HANDFUL = 5  # so many VMs are looked up one by one; one query for all is cheaper from there on
PATHS: dict[Part, Collection[str]] = {
    Part.LABELS: label_reading.PATHS,
    Part.CONFIG: convert.CONFIG,
    Part.DISKS: devices.PATHS,
    Part.NICS: devices.PATHS,
    Part.SNAPSHOTS: snapshots.PATHS,
    Part.GUEST: convert.GUEST,
    Part.LIMITS: (*convert.LIMITS, *snapshots.LIMITS),
    Part.DISK_USERS: users.PATHS,
    Part.BELONGINGS: (*convert.BELONGINGS, *snapshots.PATHS),
    Part.PROGRESS: progress.PATHS,
    Part.PLACE: (),  # vSphere itself knows where a VM may start: DRS may take another host
}
COSTLY = {Part.LABELS, *(part for part, paths in PATHS.items() if set(devices.PATHS) & set(paths))}
FROM_ROW: dict[Part, Callable[[Row], Any]] = {
    Part.CONFIG: convert.config,
    Part.DISKS: devices.disks,
    Part.SNAPSHOTS: snapshots.trees,
    Part.GUEST: convert.guest,
    Part.LIMITS: lambda row: convert.limits(row) | snapshots.limits(row),
    Part.BELONGINGS: lambda row: convert.belongings(row, snapshots.trees(row)),
}


class Reader:
    """Reads VMs and hosts of one session; `names` are those last read, by id, for messages."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._root = id_of(session.content.rootFolder)
        self._labels = LabelReader(session)
        self.names: dict[str, str] = {}

    def find(self, wanted: Wanted, gather: Collection[Part] = ()) -> list[Vm]:
        """Return the VMs that are meant, as far as there are any."""
        if isinstance(wanted, Selection):
            return self._selected(wanted, set(gather))
        found = list(self.get(self._candidates(wanted), gather).values())
        return [vm for vm in found if any(ref.matches(vm) for ref in wanted)]

    def get(self, ids: Collection[str], gather: Collection[Part] = ()) -> dict[str, Vm]:
        """Return these VMs by id, without those that are gone."""
        if not ids:
            return {}
        along = (*ALONG, "network") if Part.NICS in gather else ALONG
        rows: Rows = {}
        for some in batches(list(ids)):
            add(rows, read_some(self._session, VM, some, paths_for(gather), along))
        if missing := Places(rows, self._root).missing():
            add(rows, read_some(self._session, "Folder", missing, places.PATHS))
        return {vm.id: vm for vm in self._vms(rows, gather)}

    def state(self, vm_id: str) -> PowerState:
        """Return the state of one VM now; raises NotFound for one that is gone."""
        row = read_some(self._session, VM, [vm_id], {VM: convert.STATE}).get(VM, {}).get(vm_id)
        if row is None:
            raise NotFound(f"{self._session.host}: {self.names.get(vm_id, vm_id)} is gone")
        return convert.power_state(row)

    def hosts(self) -> list[Host]:
        """Return the hosts by name."""
        found = sorted(surroundings.hosts(read_all(self._session, surroundings.HOSTS)), key=attrgetter("name", "id"))
        self.names |= {host.id: host.name for host in found}
        return found

    def storage(self) -> list[Storage]:
        """Return the datastores by name."""
        return sorted(surroundings.storage(read_all(self._session, surroundings.STORAGE)), key=attrgetter("name", "id"))

    def networks(self) -> list[Network]:
        """Return the networks by name."""
        found = surroundings.networks(read_all(self._session, surroundings.NETWORKS))
        return sorted(found, key=attrgetter("name", "id"))

    @property
    def host_uuid(self) -> str:
        """The uuid of the hardware of a host without vCenter."""
        rows = read_all(self._session, {"HostSystem": ["hardware.systemInfo.uuid"]})
        return str(next(iter(rows["HostSystem"].values()))["hardware.systemInfo.uuid"])

    @cached_property
    def host_names(self) -> frozenset[str]:
        """The names of all hosts, as they were when first asked for."""
        return frozenset(host.name for host in self.hosts())

    def _selected(self, wanted: Selection, gather: set[Part]) -> list[Vm]:
        """Choose by what it takes to choose, and read of the chosen alone what is costly."""
        first = gather & {Part.LABELS} if wanted.labels else set()
        if wanted == Selection() or not COSTLY & (gather - first):
            rows = read_all(self._session, paths_for(gather))
            return [vm for vm in self._vms(rows, gather) if wanted.matches(vm)]
        few = {vm.id: vm for vm in self._selected(wanted, first)}
        found = list(self.get(few, gather - first).values())
        if first:
            found = [replace(vm, labels=few[vm.id].labels) for vm in found]
        return [vm for vm in found if wanted.matches(vm)]

    def _vms(self, rows: Rows, gather: Collection[Part]) -> list[Vm]:
        found, where = rows.get(VM, {}), Places(rows, self._root)
        vms = {thing: convert.base(thing, row, where, self._session.host) for thing, row in found.items()}
        self.names |= {vm.id: vm.name for vm in vms.values()}
        if not gather:
            return list(vms.values())
        networks = Networks(rows)
        labels = self._labels.labels(found) if Part.LABELS in gather else {}
        other_users = self._users() if Part.DISK_USERS in gather else None
        under_way = progress.read(self._session, found) if Part.PROGRESS in gather else {}
        gathered = []
        for thing, row in found.items():
            parts = {part.value: read(row) for part, read in FROM_ROW.items() if part in gather}
            if Part.NICS in gather:
                parts["nics"] = networks.nics(row)
            if Part.LABELS in gather:
                parts["labels"] = labels[thing]
            if Part.PROGRESS in gather:
                parts |= under_way[thing]
            if other_users and "disks" in parts:
                parts["disks"] = other_users.with_users(thing, row, parts["disks"])
            gathered.append(replace(vms[thing], **parts))
        return gathered

    def _users(self) -> Users:
        """Read who uses which file, of all VMs that the account may see."""
        return Users(read_all(self._session, users.EVERYBODY), self._root)

    def _candidates(self, refs: Iterable[Ref]) -> list[str]:
        """Return the ids of all VMs that may be meant: names are not unique."""
        by_key: dict[str, list[str]] = {"id": [], "name": [], "uuid": [], "path": []}
        for ref in refs:
            by_key[ref.key].append(ref.value)
        found = list(by_key["id"])
        names, uuids = set(by_key["name"]), {uuid.lower() for uuid in by_key["uuid"]}
        index = self._session.content.searchIndex
        if names or len(by_key["path"]) > HANDFUL:
            names |= {places.unescaped(path.rpartition("/")[2]) for path in by_key["path"]}
        else:
            found += self._looked_up(by_key["path"], lambda path: [index.FindByInventoryPath(path)])
        if not names and len(uuids) <= HANDFUL:
            found += self._looked_up(uuids, lambda uuid: index.FindAllByUuid(None, uuid, True, True) or [])
        elif names or uuids:
            found += self._listed(names, uuids)
        return list(dict.fromkeys(found))

    def _looked_up(self, keys: Iterable[str], find: Callable[[str], list[Any]]) -> list[str]:
        """Return the ids of the VMs that vCenter's index has under these keys."""
        kind = self._session.vim.VirtualMachine
        return [
            id_of(one)
            for key in keys
            for one in self._session.call("looking for a VM", partial(find, key))
            if isinstance(one, kind)
        ]

    def _listed(self, names: Collection[str], uuids: Collection[str]) -> list[str]:
        """Return the ids of the VMs with these names or uuids, of one query for nothing else."""
        wanted = [path for path, keys in (("name", names), ("config.instanceUuid", uuids)) if keys]

        def is_meant(row: Row) -> bool:
            named = places.unescaped(row.get("name", "")) in names
            return named or row.get("config.instanceUuid", "").lower() in uuids

        rows = read_all(self._session, {VM: wanted}).get(VM, {})
        return [thing for thing, row in rows.items() if is_meant(row)]


def paths_for(gather: Collection[Part]) -> dict[str, Collection[str]]:
    """Return what to read of VMs, and of all that they are in and plugged into."""
    own = dict.fromkeys(convert.BASE)
    for part in gather:
        own |= dict.fromkeys(PATHS[part])
    around = devices.NETWORK_PATHS if Part.NICS in gather else {}
    return {VM: list(own), **places.PATHS, **around}


def batches(ids: list[str]) -> Iterator[list[str]]:
    """Yield ids in lists that are no burden."""
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def add(rows: Rows, more: Rows) -> None:
    """Take in more rows."""
    for kind, found in more.items():
        rows.setdefault(kind, {}).update(found)
