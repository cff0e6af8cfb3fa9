# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's definition as it is to be at its target: other files, other networks, another name; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from .baggage import Baggage, Volume
from .convert import network_of
from .definition import drop, element, emptied, written
from .move_record import MOVE, PREFIX, MoveRecord

ET.register_namespace(PREFIX, MOVE)
NETWORKS, BRIDGE = "network", "bridge"


@dataclass(frozen=True, slots=True)
class Plug:
    """What a NIC is plugged into: `kind` is libvirt's word for its source."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A disk that is copied: what it is now, and the volume that it becomes at the target."""

    disk: Baggage
    source: Volume
    pool: str
    name: str
    path: str
    format: str

    @property
    def place(self) -> str:
        """The new volume, for people."""
        return f"{self.pool}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What becomes different."""

    copies: Sequence[Copy] = ()
    plugs: Mapping[str, Plug] = field(default_factory=dict)  # by what NICs are plugged into now
    emulator: str | None = None
    name: str | None = None


def at_target(definition: str, changes: Changes, record: MoveRecord | None) -> str:
    """Return the definition for the target, with or without the note of the move."""
    root = ET.fromstring(definition)
    root.attrib.pop("id", None)
    metadata = emptied(root, f"{{{MOVE}}}move")
    if record:
        metadata.append(record.element())
    if changes.name:
        element(root, "name").text = changes.name
    if changes.emulator:
        element(element(root, "devices"), "emulator").text = changes.emulator
    for disk in root.iterfind("devices/disk"):
        change_disk(disk, changes.copies)
    for nic in root.iterfind("devices/interface"):
        change_nic(nic, changes.plugs)
    return written(root)


def change_disk(disk: ET.Element, copies: Sequence[Copy]) -> None:
    """Let a drive use the copy of its file; it builds on nothing."""
    source = disk.find("source")
    if source is None:
        return
    for copy in copies:
        if (source.get("file") or source.get("dev")) == copy.source.path:
            source.set("file", copy.path)
            disk.set("type", "file")
            source.attrib.pop("dev", None)
        elif (source.get("pool"), source.get("volume")) == (copy.source.pool, copy.source.name):
            source.set("pool", copy.pool)
            source.set("volume", copy.name)
        else:
            continue
        element(disk, "driver").set("type", copy.format)
        source.attrib.pop("index", None)
        drop(disk, "backingStore")
        return


def change_nic(nic: ET.Element, plugs: Mapping[str, Plug]) -> None:
    """Plug a NIC in elsewhere; what libvirt has made for it on its host stays behind."""
    plug = plugs.get(network_of(nic) or "")
    old = nic.find("source")
    if plug is None or old is None:
        return
    kept = {"portgroup": old.get("portgroup")} if old.get(plug.kind) == plug.name else {}
    place = list(nic).index(old)
    drop(nic, "source", "target", "actual")
    nic.set("type", plug.kind)
    words = {plug.kind: plug.name, **{key: value for key, value in kept.items() if value}}
    nic.insert(place, ET.Element("source", words))
