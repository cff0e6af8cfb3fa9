# SPDX-License-Identifier: GPL-3.0-or-later
"""What is different on Xen: the VMs that are made, and those that stay where they are.

The capabilities are those of libvirt 9.0 with Xen 4.17, without what nobody looks at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.baggage import Baggage
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.definition import (
    Drive,
    copy_of,
    definition,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.departures import LibvirtDeparture
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.drafts import volume_name
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.moves import why_it_stays
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.storage import volume_xml
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.xen import machine_from
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import Unsupported
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import NicSpec, PowerState, Vm, VmSpec

CAPABILITIES = ET.fromstring((Path(__file__).parent / "payloads" / "capabilities-xen.xml").read_text())
WITHOUT_PVH = ET.fromstring(ET.tostring(CAPABILITIES).replace(b">xenpvh<", b">other<"))
MACHINE = machine_from(CAPABILITIES)
UUID = "6f1b5a2e-0b0f-4b0e-9c57-0d6a5a1f0001"
SPEC = VmSpec(name="web1", cpus=1, memory_bytes=64 << 20, nics=(NicSpec(network="lan", mac=None, model=None),))
DRIVES = [Drive("/pool/web1.raw", "xen"), Drive("/pool/web1-1.raw", "xen")]


@pytest.mark.parametrize(("capabilities", "kind"), [(CAPABILITIES, "xenpvh"), (WITHOUT_PVH, "linux")])
def test_vms_are_pvh_where_the_host_has_it(capabilities: ET.Element, kind: str) -> None:
    machine = machine_from(capabilities)
    assert (machine.kind, machine.arch, machine.os_type, machine.bootloader) == ("xen", "x86_64", kind, "pygrub")


def test_a_vm_boots_from_its_first_disk_and_has_nothing_of_qemu() -> None:
    root = ET.fromstring(definition(SPEC, UUID, MACHINE, DRIVES))
    assert root.get("type") == "xen"
    assert root.findtext("bootloader") == "pygrub"
    assert [child.tag for child in root.iterfind("os/*")] == ["type"]
    assert root.find("features") is None
    assert [child.tag for child in root.iterfind("devices/*")] == ["disk", "disk", "interface", "console"]
    assert [disk.attrib for disk in root.iterfind("devices/disk/driver")] == [{"name": "phy", "type": "raw"}] * 2
    assert [target.attrib for target in root.iterfind("devices/disk/target")] == [
        {"dev": "xvda", "bus": "xen"},
        {"dev": "xvdb", "bus": "xen"},
    ]
    assert root.find("devices/interface/model") is None


def test_a_copy_has_raw_disks() -> None:
    source = definition(SPEC, UUID, MACHINE, DRIVES[:1]).replace("phy", "qemu").replace("raw", "qcow2")
    (disk,) = ET.fromstring(copy_of(source, VmSpec(name="web2"), UUID, MACHINE, ["/pool/web2.raw"])).iter("disk")
    assert [child.attrib for child in disk if child.tag in ("driver", "source")] == [
        {"file": "/pool/web2.raw"},
        {"name": "phy", "type": "raw"},
    ]


@pytest.mark.parametrize(("thick", "allocation"), [(False, "0"), (True, "512")])
def test_a_raw_volume_takes_all_its_space_only_when_asked(thick: bool, allocation: str) -> None:  # noqa: FBT001
    volume = ET.fromstring(volume_xml("a", 512, "raw", thick=thick))
    assert (volume.findtext("allocation"), volume.find("target/compat")) == (allocation, None)
    assert [volume_name(SPEC, number, MACHINE) for number in (0, 1)] == ["web1.raw", "web1-1.raw"]


def departing(kind: str, *disks: Baggage, state: PowerState = PowerState.RUNNING) -> LibvirtDeparture:
    vm = Vm(name="web1", id=UUID, uuid=UUID, state=state, host="xen1", cpus=1, memory_bytes=64 << 20)
    xml = f"<domain type='xen'><os><type>{kind}</type></os></domain>"
    return LibvirtDeparture(vm=vm, session=cast("Any", None), now=xml, disks=disks)


def disk(kind: str, device: str = "disk", **facts: Any) -> Baggage:
    return Baggage(dev="xvda", device=device, kind=kind, path="/dev/vg/one", **facts)


@pytest.mark.parametrize(
    ("departure", "words"),
    [
        (departing("xenpvh", disk("block")), []),
        (departing("hvm", disk("block"), disk("file", "cdrom"), disk("file", read_only=True)), []),
        (departing("xenpvh", disk("block"), disk("file")), ["cache"]),
        (departing("linux", disk("volume")), ["PV VM", "cache"]),
        (departing("xen"), ["PV VM"]),
        (departing("xenpvh", state=PowerState.PAUSED), ["paused"]),
    ],
    ids=str,
)
def test_a_vm_that_runs_stays_for_reasons_that_are_named(departure: LibvirtDeparture, words: list[str]) -> None:
    reasons = list(why_it_stays(departure))
    assert [type(reason) for reason in reasons] == [Unsupported] * len(words)
    assert all(word in str(reason) for word, reason in zip(words, reasons, strict=True))
