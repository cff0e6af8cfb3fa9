# SPDX-License-Identifier: GPL-3.0-or-later
"""What a definition recorded on libvirt 9.0 becomes for its target, with the note of the move, and back."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.baggage import Baggage, Volume
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.move_record import (
    MOVE,
    MoveRecord,
    Place,
    record_in,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.obstacles import local_devices
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.target_xml import (
    Changes,
    Copy,
    Plug,
    at_target,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import Unsupported

RUNNING = (Path(__file__).parent / "payloads" / "moving-live.xml").read_text()
UUID = "7c0e3a52-6d1f-4b0e-9c57-0d6a5a1f0001"
FILE = Volume(
    pool="default",
    name="web1.qcow2",
    path="/var/lib/libvirt/images/web1.qcow2",
    format="qcow2",
    capacity=32 << 20,
    allocation=19 << 20,
    physical=19 << 20,
)
COPY = Copy(
    disk=Baggage(dev="vda", device="disk", kind="file", path=FILE.path, format="qcow2", volume=FILE),
    source=FILE,
    pool="fast",
    name="web1.qcow2",
    path="/srv/fast/web1.qcow2",
    format="qcow2",
)
RECORD = MoveRecord(
    claim="t",
    vm=UUID,
    source="s",
    source_name="kvm1",
    target="u",
    target_name="kvm2",
    live=True,
    awake=True,
    held=True,
    made=(Place("fast", "web1.qcow2"),),
    old=(Place("default", "web1.qcow2", "12.5"),),
)


def moved(changes: Changes, record: MoveRecord | None = None, definition: str = RUNNING) -> ET.Element:
    return ET.fromstring(at_target(definition, changes, record))


def same(one: ET.Element, other: ET.Element) -> bool:
    return ET.canonicalize(ET.tostring(one, "unicode"), strip_text=True) == ET.canonicalize(
        ET.tostring(other, "unicode"), strip_text=True
    )


def with_device(text: str) -> ET.Element:
    root = ET.fromstring(RUNNING)
    devices = root.find("devices")
    assert devices is not None
    devices.append(ET.fromstring(text))
    return root


def test_a_copied_disk_is_its_copy_and_builds_on_nothing() -> None:
    disk = moved(Changes(copies=(COPY,))).find("devices/disk")
    assert disk is not None
    assert [one.get("file") for one in disk.iterfind("source")] == ["/srv/fast/web1.qcow2"]
    assert disk.find("backingStore") is None


def test_a_disk_that_a_pool_holds_stays_in_a_pool() -> None:
    by_name = RUNNING.replace("file='/var/lib/libvirt/images/web1.qcow2'", "pool='default' volume='web1.qcow2'")
    source = moved(Changes(copies=(COPY,)), definition=by_name).find("devices/disk/source")
    assert source is not None
    assert source.attrib == {"pool": "fast", "volume": "web1.qcow2"}


def test_a_nic_is_plugged_in_elsewhere_with_its_address_kept() -> None:
    nic = moved(Changes(plugs={"default": Plug("bridge", "br7")})).find("devices/interface")
    assert nic is not None
    source, mac = nic.find("source"), nic.find("mac")
    assert source is not None
    assert mac is not None
    assert (nic.get("type"), source.attrib, mac.get("address")) == ("bridge", {"bridge": "br7"}, "52:54:00:73:c1:c3")


def test_nothing_else_changes() -> None:
    before, after = ET.fromstring(RUNNING), moved(Changes(plugs={"default": Plug("network", "default")}))
    metadata = after.find("metadata")
    assert metadata is not None
    after.remove(metadata)
    assert same(before, after)


def test_a_note_travels_and_comes_back_whole() -> None:
    assert record_in(moved(Changes(), RECORD)) == RECORD
    assert record_in(moved(Changes(), None, at_target(RUNNING, Changes(), RECORD))) is None


def test_a_newer_note_replaces_an_older_one() -> None:
    twice = moved(Changes(), RECORD, at_target(RUNNING, Changes(), RECORD))
    assert len(twice.findall(f"metadata/{{{MOVE}}}move")) == 1


def test_the_note_of_the_vm_that_this_one_was_copied_from_means_nothing() -> None:
    copy = at_target(RUNNING, Changes(), RECORD).replace(f"<uuid>{UUID}", "<uuid>00000000-0000-4000-8000-000000000000")
    assert record_in(ET.fromstring(copy)) is None


def test_a_vm_without_local_devices_may_go() -> None:
    assert local_devices("web1", ET.fromstring(RUNNING), running=True) == []
    assert local_devices("web1", ET.fromstring(RUNNING), running=False) == []


@pytest.mark.parametrize(
    ("device", "word"),
    [
        ("<hostdev mode='subsystem' type='pci'/>", "pci device"),
        ("<interface type='hostdev'><mac address='52:54:00:00:00:01'/></interface>", "52:54:00:00:00:01"),
        ("<filesystem type='mount'><source dir='/srv'/><target dir='x'/></filesystem>", "/srv"),
        ("<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>", "TPM"),
        ("<serial type='dev'><source path='/dev/ttyS0'/></serial>", "/dev/ttyS0"),
    ],
)
def test_what_belongs_to_the_host_keeps_the_vm_there(device: str, word: str) -> None:
    (reason,) = local_devices("web1", with_device(device), running=True)
    assert isinstance(reason, Unsupported)
    assert word in str(reason)


def test_an_emulated_tpm_moves_only_with_the_memory() -> None:
    definition = with_device("<tpm><backend type='emulator' version='2.0'/></tpm>")
    assert local_devices("web1", definition, running=True) == []
    assert len(local_devices("web1", definition, running=False)) == 1
