# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading VMs: a fleet in three calls and a page for each thousand objects; never one call per VM."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from ...errors import NotFound
from ...model import Part, PowerState, Ref, Selection, Vm, Wanted
from . import convert, places
from .places import Places
from .properties import Row, Rows, id_of, read_all, read_some
from .session import Session

VM = "VirtualMachine"
ALONG = ("runtime.host", "resourcePool", "parentVApp")  # what a VM is in, beside its folders
HANDFUL = 5  # so many VMs are looked up one by one; one query for all is cheaper from there on


class Reader:
    """Reads VMs of one session; `names` are those last read, by id, for messages."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._root = id_of(session.content.rootFolder)
        self.names: dict[str, str] = {}

    def find(self, wanted: Wanted, gather: Collection[Part] = ()) -> list[Vm]:
        """Return the VMs that are meant, as far as there are any."""
        if isinstance(wanted, Selection):
            found = self._fleet(gather)
            return [vm for vm in found if wanted.matches(vm)]
        found = list(self.get(self._candidates(wanted), gather).values())
        return [vm for vm in found if any(ref.matches(vm) for ref in wanted)]

    def get(self, ids: Collection[str], gather: Collection[Part] = ()) -> dict[str, Vm]:
        """Return these VMs by id, without those that are gone."""
        if not ids:
            return {}
        paths = {VM: self._paths(gather), **places.PATHS}
        rows = read_some(self._session, VM, ids, paths, ALONG)
        if missing := Places(rows, self._root).missing():
            for kind, more in read_some(self._session, "Folder", missing, places.PATHS).items():
                rows.setdefault(kind, {}).update(more)
        return {vm.id: vm for vm in self._vms(rows, gather)}

    def state(self, vm_id: str) -> PowerState:
        """Return the state of one VM as it is now; raises NotFound."""
        rows = read_some(self._session, VM, [vm_id], {VM: convert.STATE}).get(VM, {})
        if vm_id not in rows:
            raise NotFound(f"{self._session.host}: there is no VM with id {vm_id!r}")
        return convert.power_state(rows[vm_id])

    @property
    def host_uuid(self) -> str:
        """The uuid of the hardware of a host without vCenter."""
        rows = read_all(self._session, {"HostSystem": ["hardware.systemInfo.uuid"]})
        return str(next(iter(rows["HostSystem"].values()))["hardware.systemInfo.uuid"])

    def _fleet(self, gather: Collection[Part]) -> list[Vm]:
        return self._vms(read_all(self._session, {VM: self._paths(gather), **places.PATHS}), gather)

    def _paths(self, gather: Collection[Part]) -> tuple[str, ...]:
        return convert.BASE

    def _vms(self, rows: Rows, gather: Collection[Part]) -> list[Vm]:
        where = Places(rows, self._root)
        vms = [convert.base(thing, row, where, self._session.host) for thing, row in rows.get(VM, {}).items()]
        self.names |= {vm.id: vm.name for vm in vms}
        return vms

    def _candidates(self, refs: Iterable[Ref]) -> list[str]:
        """Return the ids of all VMs that may be meant: names are not unique."""
        by_key: dict[str, list[str]] = {"id": [], "name": [], "uuid": [], "path": []}
        for ref in refs:
            by_key[ref.key].append(ref.value)
        found = list(by_key["id"])
        names, uuids = set(by_key["name"]), {uuid.lower() for uuid in by_key["uuid"]}
        by_one = self._session.content.searchIndex
        if len(by_key["path"]) > HANDFUL:
            names |= {places.unescaped(path.rpartition("/")[2]) for path in by_key["path"]}
        else:
            found += self._look_up(by_key["path"], lambda path: [by_one.FindByInventoryPath(path)])
        if len(uuids) <= HANDFUL and not names:
            found += self._look_up(
                uuids, lambda uuid: by_one.FindAllByUuid(uuid=uuid, vmSearch=True, instanceUuid=True) or []
            )
            uuids = set()
        if names or uuids:
            found += self._listed(names, uuids)
        return list(dict.fromkeys(found))

    def _look_up(self, keys: Iterable[str], find: Callable[[str], list[object]]) -> list[str]:
        """Return the ids of the VMs that vCenter's index has under these keys."""
        kind = self._session.vim.VirtualMachine
        return [
            id_of(one)
            for key in keys
            for one in self._session.call("looking for a VM", lambda key=key: find(key))
            if isinstance(one, kind)
        ]

    def _listed(self, names: Collection[str], uuids: Collection[str]) -> list[str]:
        """Return the ids of the VMs with these names or uuids, of one query for nothing else."""
        wanted = [path for path, keys in (("name", names), ("config.instanceUuid", uuids)) if keys]

        def is_meant(row: Row) -> bool:
            return places.unescaped(row.get("name", "")) in names or row.get("config.instanceUuid", "").lower() in uuids

        rows = read_all(self._session, {VM: wanted}).get(VM, {})
        return [thing for thing, row in rows.items() if is_meant(row)]
