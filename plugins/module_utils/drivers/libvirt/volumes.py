# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes that a move makes, as XML; pure."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from .target_xml import Copy


def copy_xml(copy: Copy, *, live: bool) -> str:
    """Return the volume that a disk is copied into: live as the guest sees it, else byte by byte as its file is."""
    root = ET.Element("volume")
    ET.SubElement(root, "name").text = copy.name
    size = copy.source.capacity if live else copy.source.physical
    ET.SubElement(root, "capacity", unit="bytes").text = str(size)
    ET.SubElement(root, "allocation", unit="bytes").text = "0"
    target = ET.SubElement(root, "target")
    kind = copy.format if live else "raw"
    ET.SubElement(target, "format", type=kind)
    if kind == "qcow2":
        ET.SubElement(target, "compat").text = "1.1"
    return ET.tostring(root, encoding="unicode")
