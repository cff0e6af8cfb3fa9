# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of a host: libvirt has none, so a secret without a value marks the host, and this driver heeds it.

A secret is what libvirt keeps for a host itself, over restarts, and shows to whoever connects.
Source: https://libvirt.org/formatsecret.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from ...errors import InvalidState
from ...model import PowerState, Vm
from .session import NO_SUPPORT, Session

MARK = "7c055711-6d61-4e74-8a3e-6d61696e7431"  # the same on every host
NO_SECRET = 66  # virErrorNumber
XML = """
<secret ephemeral='no' private='no'>
  <uuid>{uuid}</uuid>
  <description>{description}</description>
</secret>
"""


def mark_of(session: Session) -> Any:
    """Return the mark of a host that is in maintenance, else None."""
    lib = session.libvirt
    try:
        return session.conn.secretLookupByUUIDString(MARK)
    except lib.libvirtError as error:
        if error.get_error_code() in (NO_SECRET, NO_SUPPORT):
            return None
        raise session.ours(error, "asking whether the host is in maintenance") from error


def closed(session: Session) -> str | None:
    """Return why no VM may begin to run on a host, be made there or come to it; None where it may."""
    if mark_of(session) is None:
        return None
    return f"host {session.host} is in maintenance; host_maintenance with state up ends that"


def limits(reason: str, vm: Vm) -> dict[str, str]:
    """Return what a VM cannot on a host that is closed."""
    actions = ("start", "revert_snapshot", *(("resume",) if vm.state is PowerState.SUSPENDED else ()))
    return dict.fromkeys(actions, reason)


def refusal(session: Session) -> str | None:
    """Return why a host cannot be marked; None where it can."""
    try:
        session.conn.numOfSecrets()
    except session.libvirt.libvirtError as error:
        if error.get_error_code() != NO_SUPPORT:
            raise session.ours(error, "asking for secrets") from error
        return "libvirt keeps no secrets here, and one would be the mark of maintenance"
    return None


def enter(session: Session) -> None:
    """Mark the host; raises InvalidState where a VM runs that was started since that was looked at."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    text = escape(f"crossvirt.lifecycle: this host is in maintenance since {since}")
    session.conn.secretDefineXML(XML.format(uuid=MARK, description=text), 0)
    if awake := sorted(domain.name() for domain in awake_on(session)):
        leave(session)
        raise InvalidState(f"{', '.join(awake)} began to run on {session.host} meanwhile")


def awake_on(session: Session) -> list[Any]:
    """Return the VMs that are not off; Xen's list has the host itself, too."""
    domains = session.conn.listAllDomains(session.libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    return [domain for domain in domains if domain.ID() != 0]


def leave(session: Session) -> None:
    """Take the mark away, if there is one."""
    mark = mark_of(session)
    if mark is not None:
        mark.undefine()
