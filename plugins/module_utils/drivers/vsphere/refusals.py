# SPDX-License-Identifier: GPL-3.0-or-later
"""What vSphere does not take, found in the specification alone."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches

from ...errors import CapacityExceeded, InvalidOption, Unsupported
from ...model import DiskSpec, NicSpec, VmSpec
from .estate import listed
from .hardware import MIB, NICS, bus_of, slots

LONGEST_NAME = 80  # VirtualMachine.name
MEMORY_STEP = 4 * MIB  # VirtualMachineConfigSpec.memoryMB
UNFIT = re.compile(r"[\x00-\x1f\x7f/\\%]")


def refuse(spec: VmSpec, guest_ids: Collection[str]) -> None:
    """Raise InvalidOption, Unsupported or CapacityExceeded for what no host can make."""
    refuse_name(str(spec.name))
    if spec.memory_bytes is not None and spec.memory_bytes % MEMORY_STEP:
        raise InvalidOption(f"memory_bytes of {spec.name} must be a multiple of 4 MiB; {spec.memory_bytes} is not")
    refuse_guest_os(spec, guest_ids)
    slots([bus_of(disk) for disk in spec.disks or ()])
    if any(disk.image and disk.image.file for disk in spec.disks or ()):
        raise Unsupported(
            "a file is not sent to vSphere: what a datastore takes over HTTP is a file and not yet a disk that VMs can"
            " use. Put the image into a datastore once, and name it by storage and volume"
        )
    for nic in spec.nics or ():
        refuse_nic(nic)
    if len(spec.nics or ()) > NICS:
        raise CapacityExceeded(f"a VM of vSphere has {NICS} NICs at most, not {len(spec.nics or ())}")


def refuse_new(spec: VmSpec) -> None:
    """Refuse what a VM lacks that is not made as a copy."""
    if spec.memory_bytes is None:
        raise InvalidOption(f"memory_bytes is needed for {spec.name}, a new VM")
    if spec.secure_boot and spec.firmware != "uefi":
        raise InvalidOption(f"secure_boot of {spec.name} needs firmware uefi")


def refuse_name(name: str) -> None:
    """Refuse what vSphere would write otherwise in the names of folders and files."""
    if UNFIT.search(name) or name.strip(" .") != name or not name:
        raise InvalidOption(f"vSphere names folders after VMs, and {name!r} cannot name one")
    if len(name) > LONGEST_NAME:
        raise InvalidOption(f"{name!r} is longer than the {LONGEST_NAME} characters that vSphere allows")


def refuse_guest_os(spec: VmSpec, known: Collection[str]) -> None:
    """Refuse an id that vSphere has never had; one that only this host does not know, it refuses itself."""
    if spec.guest_os is not None and spec.guest_os not in known:
        near = listed(get_close_matches(spec.guest_os, known))
        raise InvalidOption(f"guest_os: {spec.guest_os!r} is no id of vSphere's that pyvmomi knows; similar is {near}")


def refuse_thick_copy(disk: DiskSpec) -> None:
    """Refuse to give a copy another kind of space than its image has."""
    if disk.provisioning == "thick" and disk.image:
        raise Unsupported("a copy of an image is as thin or thick as the image: thick is for disks that begin empty")


def refuse_nic(nic: NicSpec) -> None:
    """Refuse a NIC without a network, or with an address that vSphere keeps for itself.

    "Static MAC Addresses" in vSphere Networking: of VMware's own prefix only 00:50:56:00:00:00 to 00:50:56:3f:ff:ff
    may be given by hand; 00:0c:29 and 00:05:69 are for addresses that hosts generate.
    """
    if nic.network is None:
        raise InvalidOption("nics: network is needed")
    mac = nic.mac or ""
    if mac.startswith(("00:0c:29", "00:05:69")) or (mac.startswith("00:50:56") and int(mac[9:11], 16) > 0x3F):  # noqa: PLR2004
        raise InvalidOption(
            f"nics: vSphere keeps {mac} for addresses that it chooses itself; of its own prefixes, 00:50:56:00:00:00"
            " to 00:50:56:3f:ff:ff may be given"
        )
