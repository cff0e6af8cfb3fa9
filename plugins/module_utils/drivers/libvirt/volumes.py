# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes that a move makes, as XML; pure."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from .target_xml import Copy


def disk_volume(name: str, copy: Copy) -> str:
    """Return a volume for a disk as the guest sees it."""
    return thin(name, copy.source.capacity, copy.format)


def file_volume(name: str, size_bytes: int) -> str:
    """Return a volume for a file of this size, whatever is in it."""
    return thin(name, size_bytes, "raw")


def scratch_name(copy: Copy) -> str:
    """Return the name of the volume at the source in which a disk is put together with what it builds on."""
    return f".crossvirt-{copy.name}"


def thin(name: str, size_bytes: int, kind: str) -> str:
    """Return a volume that takes no room yet."""
    root = ET.Element("volume")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "capacity", unit="bytes").text = str(size_bytes)
    ET.SubElement(root, "allocation", unit="bytes").text = "0"
    target = ET.SubElement(root, "target")
    ET.SubElement(target, "format", type=kind)
    if kind == "qcow2":
        ET.SubElement(target, "compat").text = "1.1"
    return ET.tostring(root, encoding="unicode")
