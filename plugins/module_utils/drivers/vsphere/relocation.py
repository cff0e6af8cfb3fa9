# SPDX-License-Identifier: GPL-3.0-or-later
"""A route in vSphere's words: the RelocateSpec, and what a vCenter must know to find the other one."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field
from ssl import SSLSocket
from typing import Any

from ...errors import Unsupported
from ...model import Move
from . import transport
from .departures import Side, VsphereDeparture
from .estate import Estate
from .routes import Route
from .session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class VsphereMove(Move):
    """A move with what vSphere needs to carry it out: `plugs` are backings of NICs, None for one that is let be.

    `thumbprint` is that of another vCenter, None where the VM stays in its own.
    """

    one: VsphereDeparture = field(repr=False)
    target: Side = field(repr=False)
    route: Route = field(repr=False)
    plugs: tuple[Any, ...] = field(repr=False)
    thumbprint: str | None = None

    @property
    def relocates(self) -> bool:
        """Whether more than its name changes."""
        return bool(self.route.changes)


def relocate_spec(move: VsphereMove) -> Any:
    """Return what RelocateVM_Task is given: what changes, and what it would choose itself if that were left out.

    To another vCenter everything has to be said.
    """
    vim, one, route, place = move.target.session.vim, move.one, move.route, move.route.place
    abroad = move.thumbprint is not None
    spec = vim.vm.RelocateSpec()
    if move.thumbprint:
        spec.service = locator(vim, move.target.session, move.thumbprint)
    if place.host:
        spec.host = vim.HostSystem(place.host)
    if place.pool and (abroad or route.changes & {"host", "pool"}):
        spec.pool = vim.ResourcePool(place.pool)
    if place.folder and (abroad or "folder" in route.changes):
        spec.folder = vim.Folder(place.folder)
    if abroad or route.changes & {"home", "disks"}:
        spec.datastore = vim.Datastore(route.home)
        spec.disk = [
            vim.vm.RelocateSpec.DiskLocator(diskId=drive.key, datastore=vim.Datastore(store))
            for drive, store in zip(one.drives, route.stores, strict=True)
        ]
    spec.deviceChange = [replugged(vim, card, plug) for card, plug in zip(one.cards, move.plugs, strict=True) if plug]
    return spec


def replugged(vim: Any, card: Any, backing: Any) -> Any:
    """Return the change of a NIC's network."""
    device = copy.copy(card)
    device.backing = backing
    return vim.vm.device.VirtualDeviceSpec(operation="edit", device=device)


def backing(vim: Any, estate: Estate, network: str) -> Any:
    """Return what plugs a NIC into a standard network, or into the port group of a distributed switch."""
    card, key = vim.vm.device.VirtualEthernetCard, estate.row(network).get("key")
    if key:
        port = vim.dvs.PortConnection(portgroupKey=key, switchUuid=estate.switch_uuid(network))
        return card.DistributedVirtualPortBackingInfo(port=port)
    return card.NetworkBackingInfo(deviceName=estate.name(network), network=vim.Network(network))


def locator(vim: Any, target: Session, thumbprint: str) -> Any:
    """Return how one vCenter logs in at the other; it holds a secret, and nobody keeps it."""
    address, settings = target.address, target.settings
    return vim.ServiceLocator(
        instanceUuid=target.content.about.instanceUuid,
        url=f"https://{address.host}:{address.port}/sdk",
        credential=vim.ServiceLocator.NamePassword(username=settings["username"], password=settings["password"]),
        sslThumbprint=thumbprint,
    )


def thumbprint_of(target: Session) -> str:
    """Return the SHA-1 of the certificate of a vCenter, which is verified meanwhile as the connection says.

    Raises Unsupported where the connection has nothing that another vCenter could log in with.
    """
    if target.settings.get("token"):
        raise Unsupported(
            f"target.hypervisor: vCenters log in at each other by name and password, and the token for {target.host} "
            "is neither: give username and password"
        )

    def read() -> str:
        connection = transport.connection(target.address, target.settings)
        try:
            connection.connect()
            socket = connection.sock
            certificate = socket.getpeercert(binary_form=True) if isinstance(socket, SSLSocket) else None
            return hashlib.sha1(certificate or b"", usedforsecurity=False).hexdigest().upper()
        finally:
            connection.close()

    with target.translated("reading its certificate"):
        digits = read()
    return ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))
