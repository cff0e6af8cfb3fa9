# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to build VMs on, read at once and then answered from; what could be meant twice is never guessed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from ...errors import Ambiguous, InvalidOption, InvalidState, NotFound, Unsupported
from . import places
from .places import Places
from .properties import Row, Rows, id_of, read_all
from .session import Session

NAME = ("name", "parent")
PATHS: Mapping[str, Collection[str]] = {
    **places.PATHS,
    "HostSystem": (
        *NAME,
        "runtime.connectionState",
        "runtime.inMaintenanceMode",
        "summary.hardware.memorySize",
        "summary.quickStats.overallMemoryUsage",
        "datastore",
        "network",
    ),
    "ComputeResource": (*NAME, "resourcePool"),
    "ClusterComputeResource": (*NAME, "resourcePool", "configurationEx"),
    "ResourcePool": (*NAME, "owner"),
    "Folder": (*NAME, "childType"),
    "Datacenter": (*NAME, "vmFolder"),
    "Datastore": (
        *NAME,
        "browser",
        "summary.url",
        "summary.accessible",
        "summary.maintenanceMode",
        "summary.freeSpace",
    ),
    "Network": NAME,
    "DistributedVirtualPortgroup": (*NAME, "key", "config.distributedVirtualSwitch", "config.uplink"),
    "DistributedVirtualSwitch": ("uuid",),
}
CLUSTER = "ClusterComputeResource"
COMPUTES = ("ComputeResource", CLUSTER)
NETWORKS = ("Network", "DistributedVirtualPortgroup")
SHOWN = 20  # names in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a VM is made, by ids; without a host the cluster chooses one of its own. `says` is for messages."""

    datacenter: str
    folder: str
    compute: str
    pool: str
    host: str | None
    says: str


class Estate:
    """The hosts, pools, folders, datastores and networks of one endpoint."""

    def __init__(self, rows: Rows, root: str, where: str) -> None:
        self._rows, self.where = rows, where
        self._places = Places(rows, root)

    @classmethod
    def read(cls, session: Session) -> Self:
        """Read them all."""
        return cls(read_all(session, PATHS), id_of(session.content.rootFolder), session.host)

    def row(self, thing: Any) -> Row:
        """Return what was read of an object."""
        return next((found[thing] for found in self._rows.values() if thing in found), {})

    def name(self, thing: str) -> str:
        """Return the name of an object."""
        return self._places.name(thing) or thing

    def ids(self, *kinds: str) -> list[str]:
        """Return the objects of these types."""
        return [thing for kind in kinds for thing in self._rows.get(kind, {})]

    def path(self, thing: str) -> str:
        """Return the inventory path of a folder or a datacenter."""
        return self._places.path(thing) or self.name(thing)

    def kind(self, thing: Any) -> str:
        """Return the type of an object."""
        return next((kind for kind, found in self._rows.items() if thing in found), "")

    def datacenter(self, thing: str) -> str:
        """Return the datacenter that an object is in."""
        above: str | None = thing
        while above and self.kind(above) != "Datacenter":
            above = self.row(above).get("parent")
        if not above:
            raise NotFound(f"{self.name(thing)} on {self.where} is in no datacenter that the account may see")
        return above

    def hosts(self, compute: str) -> list[str]:
        """Return the hosts of a cluster, or the one that stands alone."""
        return [host for host in self.ids("HostSystem") if self.row(host).get("parent") == compute]

    def pools(self, compute: str) -> dict[str, str]:
        """Return the resource pools below the root pool, by their paths as VMs show them."""
        mine = [one for one in self.ids("ResourcePool") if self.row(one).get("owner") == compute]
        return {path: one for one in mine if (path := self._places.pool(one))}

    def why_not(self, host: str) -> str | None:
        """Return why no VM can be made on a host now."""
        row = self.row(host)
        if row.get("runtime.connectionState") != "connected":
            return f"host {self.name(host)} is {row.get('runtime.connectionState', 'not to be seen')}"
        return f"host {self.name(host)} is in maintenance" if row.get("runtime.inMaintenanceMode") else None

    def seen(self, place: Place, what: str) -> list[str]:
        """Return the datastores (`datastore`) or networks of a place: of its host, or of any host that takes VMs."""
        hosts = [place.host] if place.host else [one for one in self.hosts(place.compute) if not self.why_not(one)]
        return list(dict.fromkeys(thing for host in hosts for thing in self.row(host).get(what, ())))

    def datastore(self, place: Place, name: str | None) -> str:
        """Return a datastore of a place; without a name the only one.

        Raises NotFound, Ambiguous, InvalidState for one that takes no disks now, and InvalidOption where several could
        be meant.
        """
        seen = [one for one in self.seen(place, "datastore") if one in self._rows.get("Datastore", {})]
        active = [one for one in seen if self.is_active(one)]
        named = [one for one in seen if self.name(one) == name]
        if name is None and len(active) != 1:
            raise InvalidOption(f"storage is needed on {place.says}; active are {listed(map(self.name, active))}")
        if name is not None and not named:
            raise NotFound(f"there is no storage {name!r} on {place.says}; there are {listed(map(self.name, seen))}")
        if len(named) > 1:
            raise Ambiguous(f"{place.says} has several storages {name!r}; give them names of their own")
        (found,) = named or active
        if not self.is_active(found):
            raise InvalidState(f"storage {self.name(found)} on {place.says} is not active")
        return found

    def is_active(self, datastore: str) -> bool:
        """Say whether disks can be made in a datastore now."""
        row = self.row(datastore)
        return bool(row.get("summary.accessible")) and row.get("summary.maintenanceMode", "normal") == "normal"

    def network_of(self, card: Any) -> str | None:
        """Return the network that an existing NIC is plugged into, where the account may see it."""
        if (network := getattr(card.backing, "network", None)) is not None:
            return id_of(network)
        key = getattr(getattr(card.backing, "port", None), "portgroupKey", None)
        return next((one for one in self.ids("DistributedVirtualPortgroup") if self.row(one).get("key") == key), None)

    def network(self, place: Place, name: str) -> str:
        """Return a network that a NIC can be plugged into; raises NotFound, Ambiguous, Unsupported."""
        seen = self.seen(place, "network")
        fit = [one for one in seen if self.kind(one) in NETWORKS and not self.row(one).get("config.uplink")]
        named = [one for one in fit if self.name(one) == name]
        if len(named) == 1:
            return named[0]
        if named:
            raise Ambiguous(f"{place.says} has several networks {name!r}; give them names of their own")
        if any(self.name(one) == name for one in seen):
            raise Unsupported(f"network {name} on {place.says} is not one that NICs of VMs are plugged into by name")
        raise NotFound(f"there is no network {name!r} on {place.says}; there are {listed(map(self.name, fit))}")

    def switch_uuid(self, group: str) -> str:
        """Return the uuid of a distributed port group's switch; raises NotFound where the account may not see it."""
        uuid = self.row(str(self.row(group).get("config.distributedVirtualSwitch"))).get("uuid")
        if not uuid:
            raise NotFound(f"the account may not see the distributed switch of network {self.name(group)}")
        return str(uuid)


def listed(names: Iterable[str]) -> str:
    """Return names for a message; the first few of many."""
    found = list(names)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{', '.join(found[:SHOWN])}{more}" if found else "none"
