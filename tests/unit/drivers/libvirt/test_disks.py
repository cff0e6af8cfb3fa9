# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks as recorded on libvirt 9.0 into our words, and who uses what."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.disks import (
    Sizes,
    Users,
    disks,
    paths_of,
    sizes_from,
)

DRIVES = (Path(__file__).parent / "payloads" / "drives.xml").read_text()
STORAGE = {"/var/lib/libvirt/images": "default", "/var/lib/libvirt/fast": "fast"}
MIB = 1024 * 1024
# What libvirt said of these disks. It says nothing of one that a pool holds by name, or that is not on this host.
STATISTICS = {
    "block.count": 9,
    "block.0.name": "vda",
    "block.0.capacity": 64 * MIB,
    "block.0.allocation": 200704,
    "block.0.physical": 196616,
    "block.1.name": "vdb",
    "block.1.capacity": 8 * MIB,
    "block.1.allocation": 8654848,
    "block.1.physical": 8716288,
    "block.2.name": "vdc",
    "block.3.name": "vdd",
    "block.4.name": "sda",
    "block.4.capacity": 8 * MIB,
    "block.4.allocation": 8 * MIB,
    "block.4.physical": 8 * MIB,
    "block.5.name": "sdb",
    "block.6.name": "sdc",
    "block.7.name": "sdd",
    "block.8.name": "sde",
}


def place(path: str) -> tuple[str | None, str]:
    """Return storage and volume as two pools would have it."""
    folder, _slash, name = path.rpartition("/")
    return (STORAGE[folder], name) if folder in STORAGE else (None, path)


def test_every_kind_of_drive_is_read() -> None:
    found = disks(ET.fromstring(DRIVES), place, sizes_from(STATISTICS))
    keys = ("storage", "volume", "size_bytes", "provisioning", "bus", "device", "shared", "read_only")
    assert [tuple(getattr(disk, key) for key in keys) for disk in found] == [
        ("default", "thin.qcow2", 64 * MIB, "thin", "virtio", "disk", False, False),
        ("fast", "thick.qcow2", 8 * MIB, "thick", "virtio", "disk", False, False),
        ("fast", "thin.img", None, None, "virtio", "disk", True, False),
        (None, "pool/image", None, None, "virtio", "disk", False, False),
        ("fast", "thick.img", 8 * MIB, "thick", "scsi", "disk", False, True),
        (None, "/elsewhere/gone.img", None, None, "scsi", "disk", False, False),
        (None, "/dev/disk/by-id/lun-1", None, None, "scsi", "lun", False, False),
        ("default", "media.iso", None, None, "sata", "cdrom", False, True),
        (None, None, None, None, "sata", "cdrom", False, True),
    ]


@pytest.mark.parametrize(
    ("sizes", "kind", "provisioning"),
    [
        (Sizes(100, 0, 100), "qcow2", "thick"),
        (Sizes(100, 100, 99), "qcow2", "thin"),
        (Sizes(100, 0, 100), "raw", "thin"),  # a raw file is as long as the disk, however little is taken
        (Sizes(100, 100, 100), "raw", "thick"),
        (Sizes(100), "qcow2", None),
        (Sizes(), None, None),
    ],
)
def test_space_is_taken_or_not(sizes: Sizes, kind: str | None, provisioning: str | None) -> None:
    assert sizes.provisioning(kind) == provisioning


def in_pool(storage: str, volume: str) -> str | None:
    return f"/{storage}/{volume}" if storage else None


def test_paths_are_those_of_all_drives() -> None:
    assert list(paths_of(ET.fromstring(DRIVES), in_pool)) == [
        "/var/lib/libvirt/images/thin.qcow2",
        "/var/lib/libvirt/fast/thick.qcow2",
        "/fast/thin.img",
        "/var/lib/libvirt/fast/thick.img",
        "/elsewhere/gone.img",
        "/dev/disk/by-id/lun-1",
        "/var/lib/libvirt/images/media.iso",
    ]


def test_a_running_vm_uses_what_its_disks_build_on() -> None:
    disk = "<source file='/top'/><backingStore><source file='/middle'/><backingStore><source file='/base'/>"
    domain = ET.fromstring(f"<domain><devices><disk>{disk}</backingStore></backingStore></disk></devices></domain>")
    assert list(paths_of(domain, in_pool)) == ["/top", "/middle", "/base"]


BACKING = {"/top": "/middle", "/middle": "/base", "/orphan": "/base", "/loop": "/loop"}


@pytest.mark.parametrize(
    ("path", "uuid", "others"),
    [
        ("/top", "1", ()),
        ("/top", "2", ("one",)),
        ("/middle", "2", ("one",)),
        ("/base", "2", ("/orphan", "one")),
        ("/base", "1", ("/orphan", "two")),
        ("/loop", "1", ("three",)),
        ("/free", "1", ()),
    ],
)
def test_users_are_vms_and_what_builds_on_it(path: str, uuid: str, others: tuple[str, ...]) -> None:
    users = Users(BACKING)
    vms: dict[str, Any] = {"1": ("one", ["/top"]), "2": ("two", ["/base"]), "3": ("three", ["/loop"])}
    for who, (name, paths) in vms.items():
        users.add(who, name, iter(paths))
    assert users.others(path, uuid) == others
