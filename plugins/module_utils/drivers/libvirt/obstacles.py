# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that belong to one host: a VM that has them stays; pure."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from ...errors import CrossvirtError, Unsupported

SERIALS = ("serial", "parallel", "console", "channel")


def local_devices(name: str, definition: ET.Element, *, running: bool) -> list[CrossvirtError]:
    """Return a reason for every device of a VM that its host alone has."""
    found = [*passed_through(definition), *([] if running else kept_in_files(definition))]
    return [Unsupported(f"{name} has {what}, which cannot move with it") for what in dict.fromkeys(found)]


def passed_through(definition: ET.Element) -> Iterator[str]:
    """Return what of the host itself the guest uses."""
    for device in definition.iterfind("devices/hostdev"):
        yield f"a {device.get('type') or device.get('mode') or ''} device of its host".replace("  ", " ")
    for device in definition.iterfind("devices/interface[@type='hostdev']"):
        yield f"a NIC of its host ({address_of(device)})"
    for device in definition.iterfind("devices/filesystem"):
        yield f"a folder of its host ({source_text(device)})"
    for device in definition.iterfind("devices/tpm/backend[@type='passthrough']"):
        yield f"the TPM of its host ({source_text(device)})"
    for device in definition.iterfind("devices/memory[@model='nvdimm']"):
        yield f"an NVDIMM in a file of its host ({device.findtext('source/path')})"
    for kind in SERIALS:
        for device in definition.iterfind(f"devices/{kind}[@type='dev']"):
            yield f"a serial device of its host ({source_text(device)})"


def kept_in_files(definition: ET.Element) -> Iterator[str]:
    """Return what of a VM that is off is in files which no call of libvirt's can copy."""
    loader = definition.find("os/loader")
    system = definition.find("os")
    uefi = (system is not None and system.get("firmware") == "efi") or (
        loader is not None and loader.get("type") == "pflash"
    )
    if uefi:
        yield "settings of its UEFI firmware in a file, while it is off"
    if definition.find("devices/tpm/backend[@type='emulator']") is not None:
        yield "an emulated TPM with its state in a file, while it is off"


def source_text(device: ET.Element) -> str:
    """Return what a device's source names."""
    source = device.find("source")
    values = list(source.attrib.values()) if source is not None else []
    inner = source.find("device") if source is not None else device.find("device")
    return " ".join([*values, *(inner.attrib.values() if inner is not None else [])])


def address_of(device: ET.Element) -> str:
    """Return the hardware address of a NIC."""
    mac = device.find("mac")
    return mac.get("address", "") if mac is not None else ""
