# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host, pool and folder a move leads to; where a VM is counts as chosen, as far as the task says nothing else."""

from __future__ import annotations

from ...errors import CrossvirtError, InvalidState, Unsupported
from ...model import MoveSpec
from .departures import VsphereDeparture
from .estate import Estate, Place
from .ledger import Ledger
from .placing import host_for, names, only_one, vm_folder


class Destination:
    """One VM on its way; `reasons` collects what does not keep a place from being told."""

    def __init__(self, estate: Estate, ledger: Ledger, one: VsphereDeparture, spec: MoveSpec, *, local: bool) -> None:
        self._estate, self._ledger, self._one, self._spec, self._local = estate, ledger, one, spec, local
        row = one.row or {}
        self.host: str | None = row.get("runtime.host") if local else None
        self.compute: str | None = estate.row(self.host).get("parent") if self.host else None
        self.pool: str | None = row.get("resourcePool") if local else None
        self.folder: str | None = row.get("parent") if local else None
        self.reasons: list[CrossvirtError] = []

    def place(self) -> Place:
        """Return where the VM will be; its pool is empty for a template, its folder for a VM of a vApp.

        Raises NotFound, Ambiguous, and InvalidOption where more than one place could be meant.
        """
        estate = self._estate
        into = vm_folder(estate, self._spec.folder) if self._spec.folder else None
        compute = self._compute(into)
        host = self._host(compute)
        datacenter = estate.datacenter(compute)
        self._refuse_vapp(compute)
        return Place(
            datacenter=datacenter,
            folder=into or self._folder(datacenter) or "",
            compute=compute,
            pool=self._pool(compute) or "",
            host=host,
            says=f"host {estate.name(host)}" if host else f"cluster {estate.name(compute)}",
        )

    def _compute(self, into: str | None) -> str:
        """Return the cluster, or the host that stands alone: that where the VM is, if all that is named fits it."""
        estate, spec = self._estate, self._spec
        words = {"host": spec.host, "cluster": spec.cluster, "pool": spec.pool}
        named = {option: name for option, name in words.items() if name}
        if self.compute:
            here = names(estate, self.compute)
            fits = all(name in here[option] for option, name in named.items())
            if fits and (into is None or estate.datacenter(into) == estate.datacenter(self.compute)):
                return self.compute
        return only_one(estate, named, into)

    def _host(self, compute: str) -> str | None:
        """Return the host; None where DRS chooses one, which it does for a VM of this vCenter that is no template."""
        estate, name = self._estate, self._spec.host
        if not name and compute == self.compute:
            return self.host
        if name:
            host = next(one for one in estate.hosts(compute) if estate.name(one) == name)
            if host != self.host and (reason := estate.why_not(host)):
                self.reasons.append(InvalidState(reason))
            return host
        chosen = host_for(estate, compute, None)
        if chosen is None and (self._one.vm.template or not self._local):  # RelocateSpec wants a host for these
            return self._ledger.roomiest([one for one in estate.hosts(compute) if not estate.why_not(one)])
        return chosen

    def _folder(self, datacenter: str) -> str | None:
        """Return the folder that the task leaves open: the same, or in another datacenter one of the same path."""
        estate = self._estate
        if self.host and datacenter == estate.datacenter(self.host):
            return self.folder
        root = str(estate.row(datacenter)["vmFolder"])
        path = "/".join((estate.path(root), *self._one.below))
        return next((one for one in estate.ids("Folder") if estate.path(one) == path), root)

    def _pool(self, compute: str) -> str | None:
        """Return the pool: that which is named, the same, or in another cluster one of the same path, else its root."""
        pools = self._estate.pools(compute)
        if self._one.vm.template:
            return None
        if self._spec.pool:
            return pools[self._spec.pool]
        if compute == self.compute:
            return self.pool
        return pools.get(self._one.vm.pool or "") or str(self._estate.row(compute)["resourcePool"])

    def _refuse_vapp(self, compute: str) -> None:
        """Refuse what would take a VM out of its vApp, which also says where it starts and stops."""
        inside = (self._one.row or {}).get("parentVApp")
        if inside and (compute != self.compute or self._spec.pool or self._spec.folder):
            self.reasons.append(Unsupported(f"{self._one.vm.name} is part of a vApp, and no move takes it out of that"))
