# SPDX-License-Identifier: GPL-3.0-or-later
"""Specifications into libvirt's XML: what is written is what is read back."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt import convert
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.definition import (
    Drive,
    Machine,
    copy_of,
    definition,
    machine_from,
    machine_with,
    targets,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.drafts import (
    in_groups,
    refuse_words,
    volume_name,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.storage import volume_xml
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import (
    CrossvirtError,
    InvalidOption,
    Unsupported,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Config, DiskSpec, Nic, NicSpec, VmSpec

PAYLOADS = Path(__file__).parent / "payloads"
CAPABILITIES = (PAYLOADS / "capabilities-emulated.xml").read_text()
OFFERED = (PAYLOADS / "domain-capabilities.xml").read_text()
KVM = CAPABILITIES.replace('<domain type="qemu" />', '<domain type="qemu" /><domain type="kvm" />')
EMULATED = Machine(kind="qemu", arch="x86_64", os_type="hvm", hardware="q35")
UUID = "6f1b5a2e-0b0f-4b0e-9c57-0d6a5a1f0001"
MIB = 1024 * 1024
SPEC = VmSpec(name="web1", cpus=2, memory_bytes=512 * MIB)
TEXTS = ["", "plain", "  lines\n\nand tabs\t \n", "<b>&amp; ]]> \"quotes\" 'too'", "žluťoučký 東 🙂", "-rf"]


def machine(capabilities: str, offered: str = OFFERED) -> Machine:
    return machine_with(machine_from(capabilities), offered)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (machine_from(CAPABILITIES), EMULATED),
        (machine(CAPABILITIES), replace(EMULATED, uefi=True, secure_boot=True)),
        (machine(KVM), replace(EMULATED, kind="kvm", cpu="host-model", uefi=True, secure_boot=True)),
        (machine(CAPABILITIES, OFFERED.replace("efi", "none")), EMULATED),
        (machine(CAPABILITIES, OFFERED.replace("yes</value>", "no</value>")), replace(EMULATED, uefi=True)),
        (machine_from(CAPABILITIES.replace("<arch>x86_64", "<arch>i686")), replace(EMULATED, arch="i686")),
        (machine_from(CAPABILITIES.replace(">q35<", ">virt<")), replace(EMULATED, hardware=None)),
    ],
)
def test_a_host_offers_the_best_that_it_has(found: Machine, expected: Machine) -> None:
    assert found == expected


def built(spec: VmSpec, *drives: Drive, on: Machine = EMULATED) -> ET.Element:
    """Return the definition of a new VM."""
    return ET.fromstring(definition(spec, UUID, on, drives))


@pytest.mark.parametrize("text", TEXTS)
def test_texts_survive(text: str) -> None:
    labels = {text or "key": sorted({text or "value", "second"})}
    domain = built(replace(SPEC, name=text, notes=text, labels=labels, guest_os=text or None))
    assert (domain.findtext("name"), convert.config(domain).notes) == (text, text)
    assert (convert.labels(domain), convert.config(domain).guest_os) == (labels, text or None)


def test_a_known_system_is_told_where_others_look() -> None:
    domain = built(replace(SPEC, guest_os="http://debian.org/debian/12"))
    assert convert.config(domain).guest_os == "http://debian.org/debian/12"
    assert domain.find("metadata/{http://libosinfo.org/xmlns/libvirt/domain/1.0}libosinfo") is not None


@pytest.mark.parametrize(
    ("spec", "config"),
    [
        ({}, Config(hardware="q35")),
        ({"firmware": "bios"}, Config(hardware="q35")),
        ({"firmware": "uefi"}, Config(hardware="q35", firmware="uefi")),
        ({"firmware": "uefi", "secure_boot": True}, Config(hardware="q35", firmware="uefi", secure_boot=True)),
    ],
)
def test_firmware_is_read_back(spec: dict[str, Any], config: Config) -> None:
    domain = built(replace(SPEC, **spec))
    assert convert.config(domain) == config
    features = {one.get("name"): one.get("enabled") for one in domain.iterfind("os/firmware/feature")}
    assert (features.get("secure-boot") == "yes", domain.find("features/smm") is not None) == (config.secure_boot,) * 2
    assert (features.get("secure-boot") is None) == (config.firmware == "bios")


def test_a_vm_has_what_the_collection_needs() -> None:
    nics = (NicSpec(network="default", model="virtio"), NicSpec(network="lan", mac="52:54:00:00:00:01", model="e1000e"))
    drives = (Drive("/a b&c", "virtio"), Drive("/d", "scsi"), Drive("/e", "sata"))
    domain = built(replace(SPEC, nics=nics), *drives)
    assert (domain.get("type"), domain.findtext("uuid"), domain.findtext("vcpu")) == ("qemu", UUID, "2")
    assert (domain.findtext("memory"), convert.attribute(domain, "memory", "unit")) == (str(512 * 1024), "KiB")
    assert convert.nics(domain) == (
        Nic(network="default", mac=None, model="virtio"),
        Nic(network="lan", mac="52:54:00:00:00:01", model="e1000e"),
    )
    found = [
        (convert.attribute(disk, "source", "file"), convert.attribute(disk, "target", "dev"))
        for disk in domain.iterfind("devices/disk")
    ]
    assert found == [("/a b&c", "vda"), ("/d", "sda"), ("/e", "sdb")]
    assert domain.find("devices/controller[@type='scsi'][@model='virtio-scsi']") is not None
    assert domain.find(f"devices/channel/target[@name='{convert.AGENT_CHANNEL}']") is not None
    assert convert.has_acpi(domain)
    assert domain.find("cpu") is None
    assert convert.attribute(built(SPEC, on=machine(KVM)), "cpu", "mode") == "host-model"


@pytest.mark.parametrize(
    ("buses", "names"),
    [
        (["virtio"] * 3, ["vda", "vdb", "vdc"]),
        (["scsi", "sata", "virtio"], ["sda", "sdb", "vda"]),
        (["virtio"] * 28, [*(f"vd{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"), "vdaa", "vdab"]),
    ],
)
def test_disks_are_named_in_their_order(buses: list[str], names: list[str]) -> None:
    assert targets(buses) == names


def copied(spec: VmSpec, source: str, *paths: str) -> ET.Element:
    """Return the definition of a copy."""
    return ET.fromstring(copy_of(source, spec, UUID, EMULATED, paths))


def test_a_copy_has_its_own_disks_and_addresses() -> None:
    source = (PAYLOADS / "drives.xml").read_text()
    own = [f"/copy{number}" for number in range(6)]
    copy = copied(VmSpec(name="<copy>"), source, *own)
    assert (copy.findtext("name"), copy.findtext("uuid")) == ("<copy>", UUID)
    sources = [disk.find("source") for disk in copy.iterfind("devices/disk")]
    assert [None if one is None else one.attrib for one in sources] == [
        {"file": "/copy0"},
        {"file": "/copy1"},
        {"pool": "fast", "volume": "thin.img"},  # shared
        {"file": "/copy2"},
        {"file": "/copy3"},
        {"file": "/copy4"},
        {"file": "/copy5"},
        {"file": "/var/lib/libvirt/images/media.iso"},
        None,
    ]
    writable = [disk.find("readonly") is None for disk in copy.iterfind("devices/disk")]
    assert writable == [True] * 7 + [False] * 2
    assert convert.nics(copy) == (Nic(network="default", mac=None, model="virtio"),)
    assert copy.find("devices/channel/source") is None


def test_a_copy_is_what_its_source_is_but_for_what_is_given() -> None:
    texts: dict[str, Any] = {"notes": "old", "labels": {"a": ["b"]}, "guest_os": "debian12"}
    nics = (NicSpec(network="default", model="virtio"),)
    source = definition(replace(SPEC, nics=nics, **texts), UUID, EMULATED, [])
    same = copied(VmSpec(name="copy"), source)
    assert (convert.config(same).notes, convert.labels(same), same.findtext("vcpu")) == ("old", {"a": ["b"]}, "2")
    changes = VmSpec(
        name="copy",
        cpus=4,
        memory_bytes=MIB,
        notes="new",
        labels={"c": ["d"]},
        guest_os="http://fedoraproject.org/fedora/40",
        nics=(NicSpec(network="lan", model="e1000e"),),
    )
    other = copied(changes, source)
    assert (other.findtext("vcpu"), other.findtext("memory"), other.find("currentMemory")) == ("4", "1024", None)
    assert (convert.config(other).notes, convert.labels(other)) == ("new", {"c": ["d"]})
    assert convert.config(other).guest_os == "http://fedoraproject.org/fedora/40"
    assert convert.nics(other) == (Nic(network="lan", mac=None, model="e1000e"),)


def test_volumes_are_written() -> None:
    volume = ET.fromstring(volume_xml("a<b", 512, "qcow2", thick=True, backing=("/base & co", "raw")))
    texts = ("name", "capacity", "allocation", "backingStore/path", "target/compat")
    assert [volume.findtext(path) for path in texts] == ["a<b", "512", "512", "/base & co", "1.1"]
    assert ET.fromstring(volume_xml("a", 512, "qcow2")).find("allocation") is None
    assert [volume_name(SPEC, number, EMULATED) for number in (0, 1)] == ["web1.qcow2", "web1-1.qcow2"]


@pytest.mark.parametrize(
    ("spec", "error", "word"),
    [
        ({"cluster": "a"}, Unsupported, "cluster"),
        ({"folder": "a"}, Unsupported, "folder"),
        ({"pool": "a"}, Unsupported, "pool"),
        ({"memory_bytes": MIB + 1}, InvalidOption, "MiB"),
        ({"notes": "a\x07"}, InvalidOption, "control"),
        ({"labels": {"a": ["\x00"]}}, InvalidOption, "control"),
        ({"guest_os": "\ud800"}, InvalidOption, "control"),
        *(({"name": name}, InvalidOption, "name") for name in ("a/b", "a\nb", " ", ".", "..")),
    ],
)
def test_what_libvirt_has_no_place_for_is_refused(spec: dict[str, Any], error: type[CrossvirtError], word: str) -> None:
    with pytest.raises(error, match=word):
        refuse_words(replace(SPEC, **spec))


def disks_on(*buses: str | None) -> tuple[DiskSpec, ...]:
    return tuple(DiskSpec(bus=bus) for bus in buses)


@pytest.mark.parametrize("buses", [[], [None, "auto", "virtio"], ["sata", "virtio", "virtio", "scsi"]])
def test_an_order_that_libvirt_keeps_is_taken(buses: list[str | None]) -> None:
    assert in_groups(disks_on(*buses)) == disks_on(*buses)


@pytest.mark.parametrize(
    "buses",
    [
        ["virtio", "sata", "virtio"],
        ["virtio", "sata", None],
        ["virtio", "virtio", "sata", "sata", "virtio"],
        ["virtio"] * 703,
    ],
)
def test_an_order_that_libvirt_would_change_is_refused(buses: list[str | None]) -> None:
    with pytest.raises(InvalidOption):
        in_groups(disks_on(*buses))
