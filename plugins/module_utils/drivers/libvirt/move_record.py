# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move notes in the VM's own metadata before it makes anything, so that whoever comes next can end it.

The note travels with the VM. It is written at the source first, and removed last, on whichever side the VM is whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

MOVE = "urn:crossvirt:move:1"
PREFIX = "crossvirtmove"
WORDS = ("claim", "vm", "source", "source_name", "target", "target_name")
FLAGS = ("live", "awake", "held", "autostart")


@dataclass(frozen=True, slots=True)
class Place:
    """A volume by its storage and name; `modified` is when its file was written last, as libvirt words it."""

    pool: str
    volume: str
    modified: str = ""

    def __str__(self) -> str:
        return f"{self.pool}/{self.volume}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRecord:
    """One move: `source` and `target` are UUIDs of hosts, `made` is removed at the target where the move is taken back,
    `old` at the source where it is finished, `scratch` at the source in any case.

    `awake` says that it ran, `held` that libvirt leaves it paused at the target: it goes on only when it is certain
    that it does not at the source.
    """

    claim: str
    vm: str
    source: str
    source_name: str
    target: str
    target_name: str
    live: bool
    awake: bool = False
    held: bool = False
    autostart: bool = False
    made: tuple[Place, ...] = ()
    old: tuple[Place, ...] = ()
    scratch: tuple[Place, ...] = ()

    def element(self) -> ET.Element:
        """Return it as it stands in a definition."""
        flags = {key: str(int(getattr(self, key))) for key in FLAGS}
        words = {key: getattr(self, key) for key in WORDS}
        root = ET.Element(f"{{{MOVE}}}move", words | flags)
        for tag, places in (("made", self.made), ("old", self.old), ("scratch", self.scratch)):
            for place in places:
                ET.SubElement(root, f"{{{MOVE}}}{tag}", pool=place.pool, volume=place.volume, modified=place.modified)
        return root


def record_in(definition: ET.Element) -> MoveRecord | None:
    """Return the note of a move of this very VM; that of another came along with a copy and means nothing."""
    root = definition.find(f"metadata/{{{MOVE}}}move")
    if root is None or root.get("vm") != definition.findtext("uuid"):
        return None

    def places(tag: str) -> tuple[Place, ...]:
        return tuple(
            Place(one.get("pool", ""), one.get("volume", ""), one.get("modified", ""))
            for one in root.iterfind(f"{{{MOVE}}}{tag}")
        )

    noted: dict[str, Any] = {key: root.get(key, "") for key in WORDS} | {key: root.get(key) == "1" for key in FLAGS}
    return MoveRecord(**noted, made=places("made"), old=places("old"), scratch=places("scratch"))


def write(libvirt: Any, domain: Any, record: MoveRecord | None) -> None:
    """Set the note, or remove it, in the definition and in the VM that runs; waits for no job, but fails under one."""
    text = None
    if record:
        root = record.element()
        for one in root.iter():  # libvirt declares the namespace itself, and refuses a second declaration
            one.tag = one.tag.partition("}")[2]
        text = ET.tostring(root, encoding="unicode")
    flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG if domain.isPersistent() else 0
    if domain.isActive():
        flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, PREFIX, MOVE, flags)


def noted(libvirt: Any, domain: Any) -> MoveRecord | None:
    """Return the note of a VM as it is now."""
    return record_in(ET.fromstring(domain.XMLDesc(0 if domain.isActive() else libvirt.VIR_DOMAIN_XML_INACTIVE)))
