# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's networks."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from ...model import Network
from .session import NO_SUPPORT, Session


def networks(session: Session) -> list[Network]:
    """Return the networks of a host by name; none where the driver has none."""
    with session.translated("listing networks"):
        try:
            handles = session.conn.listAllNetworks(0)
        except session.libvirt.libvirtError as error:
            if error.get_error_code() != NO_SUPPORT:
                raise
            return []
        return sorted((one_network(session, handle) for handle in handles), key=lambda network: network.name)


def one_network(session: Session, handle: Any) -> Network:
    """Return one network."""
    return Network(
        name=handle.name(),
        id=handle.UUIDString(),
        kind=kind_of(ET.fromstring(handle.XMLDesc())),
        active=bool(handle.isActive()),
        hosts=(session.host,),
    )


def kind_of(network: ET.Element) -> str:
    """Return how a network forwards; `isolated` where it does not."""
    forward = network.find("forward")
    return forward.get("mode", "nat") if forward is not None else "isolated"
