# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's words into ours: pure functions over states, statistics and XML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from ...driver import Capability
from ...model import Address, Config, Guest, Nic, PowerState

KIB = 1024
AGENT_CHANNEL = "org.qemu.guest_agent.0"
LABELS = "urn:crossvirt:labels:1"
OURS = "urn:crossvirt:vm:1"
LIBOSINFO = "http://libosinfo.org/xmlns/libvirt/domain/1.0"

# virDomainState and its reasons, https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainState
STATES = {
    0: PowerState.UNKNOWN,
    1: PowerState.RUNNING,
    2: PowerState.RUNNING,  # blocked: waiting for a resource
    3: PowerState.PAUSED,
    4: PowerState.CHANGING,  # being shut down
    5: PowerState.STOPPED,
    6: PowerState.CRASHED,
    7: PowerState.PAUSED,  # the guest's own sleep
}
PAUSED, SHUTOFF, ASLEEP = 3, 5, 7
PAUSED_REASONS = {
    1: "user",
    2: "migration",
    3: "save",
    4: "dump",
    5: "I/O error",
    6: "watchdog",
    7: "reverted to a snapshot taken while paused",
    8: "shutting down",
    9: "snapshot",
    10: "crashed",
    11: "starting up",
    12: "post-copy migration",
    13: "failed post-copy migration",
}
SHUTOFF_REASONS = {
    1: "shut down",
    2: "stopped",
    3: "crashed",
    4: "migrated",
    5: "suspended",
    6: "failed to start",
    7: "reverted to a snapshot",
}
BY_A_JOB = {2, 3, 4, 8, 9, 11, 12}  # paused only while a job is at work; resuming a half-moved VM would make two of it
LEFT_BEHIND = {13}
DEAD = {10}


def needs_job(state: int, reason: int) -> bool:
    """Say whether the state can only be told by asking whether a job is at work."""
    return state == PAUSED and reason in BY_A_JOB


def power_state(state: int, reason: int, *, saved: bool, job: bool = False) -> PowerState:
    """Return our state for libvirt's; raises KeyError for one that libvirt did not have when this was written."""
    if state == SHUTOFF and saved:
        return PowerState.SUSPENDED
    if state == PAUSED:
        if reason in DEAD:
            return PowerState.CRASHED
        if reason in BY_A_JOB:
            return PowerState.CHANGING if job else PowerState.UNKNOWN
        if reason in LEFT_BEHIND:
            return PowerState.UNKNOWN
    return STATES[state]


def state_reason(state: int, reason: int) -> str | None:
    """Return why a VM is in its state, where libvirt says so."""
    if state == ASLEEP:
        return "asleep by the guest's own wish"
    return {PAUSED: PAUSED_REASONS, SHUTOFF: SHUTOFF_REASONS}.get(state, {}).get(reason)


def text_of(element: ET.Element, path: str) -> str | None:
    """Return the text of a child, or None."""
    return element.findtext(path)


def agent_connected(domain: ET.Element) -> bool:
    """Say whether the guest's agent has opened its channel."""
    return domain.find(f"devices/channel/target[@name='{AGENT_CHANNEL}'][@state='connected']") is not None


def has_acpi(domain: ET.Element) -> bool:
    """Say whether there is a power button."""
    return domain.find("features/acpi") is not None


def deaf(domain: ET.Element) -> str | None:
    """Return why the guest cannot be asked, or None."""
    if domain.get("type") in ("test", "xen") or agent_connected(domain) or has_acpi(domain):
        return None
    return "its guest agent is not connected and it has no ACPI power button"


def limits(domain: ET.Element) -> dict[str, str]:
    """Return, by capability, why this VM cannot."""
    reasons = {Capability.SHUTDOWN: deaf(domain)}
    return {capability.value: reason for capability, reason in reasons.items() if reason}


def config(domain: ET.Element) -> Config:
    """Return what the definition says beyond sizes and devices."""
    loader = domain.find("os/loader")
    os = domain.find("os")
    uefi = (os is not None and os.get("firmware") == "efi") or (loader is not None and loader.get("type") == "pflash")
    os_type = domain.find("os/type")
    return Config(
        guest_os=attribute(domain, f"metadata/{{{LIBOSINFO}}}libosinfo/{{{LIBOSINFO}}}os", "id")
        or attribute(domain, f"metadata/{{{OURS}}}vm", "guest_os"),
        notes=domain.findtext("description") or "",
        firmware="uefi" if uefi else "bios",
        secure_boot=loader is not None and loader.get("secure") == "yes",
        hardware=os_type.get("machine") if os_type is not None else None,
    )


def labels(domain: ET.Element) -> dict[str, list[str]]:
    """Return our labels from the definition's metadata."""
    found: dict[str, set[str]] = {}
    for label in domain.iterfind(f"metadata/{{{LABELS}}}labels/{{{LABELS}}}label"):
        found.setdefault(label.get("key", ""), set()).add(label.text or "")
    return {key: sorted(values) for key, values in found.items()}


def nics(domain: ET.Element) -> tuple[Nic, ...]:
    """Return the NICs; the network is libvirt's network, else the bridge or device."""
    return tuple(
        Nic(
            network=network_of(nic),
            mac=attribute(nic, "mac", "address"),
            model=attribute(nic, "model", "type") or "auto",
        )
        for nic in domain.iterfind("devices/interface")
    )


def network_of(nic: ET.Element) -> str | None:
    """Return what a NIC is plugged into."""
    source = nic.find("source")
    return (
        next((source.get(key) for key in ("network", "bridge", "dev") if source.get(key)), None)
        if source is not None
        else None
    )


def attribute(element: ET.Element, path: str, key: str) -> str | None:
    """Return an attribute of a child, or None."""
    child = element.find(path)
    return child.get(key) if child is not None else None


def guest_from_agent(said: Mapping[str, Any]) -> Guest:
    """Return what virDomainGetGuestInfo's typed parameters say."""
    addresses = [
        Address(
            address=said[f"if.{nic}.addr.{n}.addr"], nic=said.get(f"if.{nic}.name"), mac=said.get(f"if.{nic}.hwaddr")
        )
        for nic in range(said.get("if.count", 0))
        for n in range(said.get(f"if.{nic}.addr.count", 0))
    ]
    return Guest(
        reachable=True,
        hostname=said.get("hostname"),
        os=said.get("os.pretty-name") or said.get("os.name"),
        addresses=tuple(one for one in addresses if one.nic != "lo"),
    )


def addresses_from_leases(interfaces: Mapping[str, Any]) -> tuple[Address, ...]:
    """Return the addresses that a network's DHCP server leased."""
    return tuple(
        Address(address=one["addr"], nic=nic, mac=facts.get("hwaddr"))
        for nic, facts in interfaces.items()
        for one in facts.get("addrs") or ()
    )
