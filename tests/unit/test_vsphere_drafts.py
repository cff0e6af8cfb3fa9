# SPDX-License-Identifier: GPL-3.0-or-later
"""How creations on vSphere are worked out: what is refused, and what vSphere is then asked for."""

from datetime import UTC, datetime
from typing import Any

import pytest
import pyVmomi
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import errors
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere import copies, hardware, label_writing
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.drafts import volume_names
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.estate import Place
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.refusals import (
    refuse,
    refuse_new,
    refuse_thick_copy,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import (
    CloneSpec,
    DiskSpec,
    ImageSpec,
    NicSpec,
    VmSpec,
    Volume,
)

vim: Any = pyVmomi.vim
MIB = 1024 * 1024


def nic(mac: str | None = None, network: str | None = "dv") -> NicSpec:
    return NicSpec(network=network, mac=mac)


FILE = DiskSpec(image=ImageSpec(file="/tmp/a.vmdk"))  # noqa: S108 - never read


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"name": "a/b"}, errors.InvalidOption),
        ({"name": "a%"}, errors.InvalidOption),
        ({"name": ".."}, errors.InvalidOption),
        ({"name": "a "}, errors.InvalidOption),
        ({"name": "a" * 81}, errors.InvalidOption),
        ({"memory_bytes": 6 * MIB}, errors.InvalidOption),
        ({"guest_os": "debian"}, errors.InvalidOption),
        ({"disks": (FILE,)}, errors.Unsupported),
        ({"disks": (DiskSpec(),) * 61}, errors.CapacityExceeded),
        ({"disks": (DiskSpec(bus="sata"), DiskSpec())}, errors.InvalidOption),
        ({"disks": (DiskSpec(), DiskSpec(bus="scsi"), DiskSpec())}, errors.InvalidOption),
        ({"nics": (nic(),) * 11}, errors.CapacityExceeded),
        ({"nics": (nic(network=None),)}, errors.InvalidOption),
        ({"nics": (nic("00:50:56:40:00:00"),)}, errors.InvalidOption),
        ({"nics": (nic("00:0c:29:00:00:01"),)}, errors.InvalidOption),
    ],
)
def test_what_no_host_can_make_is_refused(facts: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        refuse(VmSpec(**{"name": "web1", **facts}), vim.vm.GuestOsDescriptor.GuestOsIdentifier.values)


def test_what_vsphere_takes_is_not_refused() -> None:
    nics = (nic("00:50:56:3f:ff:ff"), nic("52:54:00:c0:ff:ee"), nic())
    spec = VmSpec(name="w" * 80, memory_bytes=4 * MIB, guest_os="debian12_64Guest", disks=(DiskSpec(),) * 60, nics=nics)
    refuse(spec, vim.vm.GuestOsDescriptor.GuestOsIdentifier.values)
    refuse_new(spec)


def test_a_copy_is_as_thick_as_its_image() -> None:
    with pytest.raises(errors.Unsupported):
        refuse_thick_copy(DiskSpec(provisioning="thick", image=ImageSpec(storage="a", volume="b")))
    refuse_thick_copy(DiskSpec(provisioning="thick"))


@pytest.mark.parametrize("spec", [VmSpec(name="a"), VmSpec(name="a", memory_bytes=MIB, secure_boot=True)])
def test_a_new_vm_needs_memory_and_uefi_for_secure_boot(spec: VmSpec) -> None:
    with pytest.raises(errors.InvalidOption):
        refuse_new(spec)


def test_units_leave_out_that_of_the_controller_and_scsi_controllers_count_together() -> None:
    found = hardware.slots(["virtio"] * 16 + ["scsi"] * 2 + ["sata"] * 2)
    assert [unit for _controller, unit in found[:15]] == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15]
    assert found[15:] == [(1, 0), (2, 0), (2, 1), (0, 0), (0, 1)]


def test_disks_are_numbered_in_each_datastore() -> None:
    assert volume_names("a", ["x", "y", "x"]) == ["a/a.vmdk", "a/a.vmdk", "a/a_1.vmdk"]


def new_disk(number: int, bus: str = "virtio", **facts: Any) -> hardware.NewDisk:
    volume = Volume(storage="ds1", volume=f"a/a_{number}.vmdk", size_bytes=2 * MIB)
    return hardware.NewDisk(volume=volume, datastore="datastore-1", bus=bus, slot=(0, number), **facts)


def devices(config: Any) -> list[Any]:
    return [change.device for change in config.deviceChange]


def test_a_new_vm_in_vspheres_words() -> None:
    nics = [
        hardware.NewNic(model="virtio", mac=None, network="VM Network", network_id="network-1"),
        hardware.NewNic(
            model="e1000e", mac="52:54:00:00:00:01", network="dv", network_id="x", group=("key-1", "50 3a")
        ),
    ]
    spec = VmSpec(name="a", cpus=2, memory_bytes=64 * MIB, firmware="uefi", secure_boot=True, notes="n")
    config = hardware.new_vm(vim, spec, "ds1", [new_disk(0), new_disk(1, "sata", thick=True)], nics)
    assert (config.name, config.guestId, config.firmware) == ("a", "otherGuest64", "efi")
    assert (config.numCPUs, config.memoryMB, config.annotation) == (2, 64, "n")
    assert (config.files.vmPathName, config.bootOptions.efiSecureBootEnabled) == ("[ds1]", True)
    scsi, sata, first, second, plain, distributed = devices(config)
    assert isinstance(scsi, vim.vm.device.ParaVirtualSCSIController)
    assert isinstance(sata, vim.vm.device.VirtualAHCIController)
    assert [one.controllerKey for one in (first, second)] == [scsi.key, sata.key]
    assert [one.backing.thinProvisioned for one in (first, second)] == [True, False]
    assert {change.fileOperation for change in config.deviceChange[2:4]} == {"create"}
    assert (first.capacityInBytes, first.capacityInKB, first.backing.fileName) == (2 * MIB, 2048, "[ds1]")
    assert (plain.addressType, plain.backing.deviceName) == ("generated", "VM Network")
    assert (distributed.addressType, distributed.macAddress) == ("manual", "52:54:00:00:00:01")
    port = distributed.backing.port
    assert (port.portgroupKey, port.switchUuid) == ("key-1", "50 3a")
    assert len({one.key for one in devices(config)}) == len(devices(config))


def test_a_disk_that_is_there_is_attached_and_not_made() -> None:
    changes = hardware.disk_changes(vim, [new_disk(0), new_disk(1)], ["[ds1] a/a.vmdk", None])
    assert [change.fileOperation for change in changes] == [None, None, "create"]
    assert changes[1].device.backing.fileName == "[ds1] a/a.vmdk"
    assert changes[1].device.backing.thinProvisioned is None


def tree(name: str, *below: Any) -> Any:
    node = vim.vm.SnapshotTree(name=name, childSnapshotList=list(below), state="poweredOff", quiesced=False)
    node.snapshot, node.createTime = vim.vm.Snapshot(f"snapshot-{name}"), datetime(2026, 1, 1, tzinfo=UTC)
    return node


SNAPSHOTS = {
    "name": "a",
    "snapshot": vim.vm.SnapshotInfo(rootSnapshotList=[tree("one", tree("two"), tree("twin")), tree("twin")]),
}


def test_a_copy_is_of_the_snapshot_that_is_named() -> None:
    assert copies.snapshot_of(SNAPSHOTS, CloneSpec(source_id="vm-1", snapshot="two")) == "snapshot-two"
    assert copies.snapshot_of(SNAPSHOTS, CloneSpec(source_id="vm-1")) is None


@pytest.mark.parametrize(
    ("row", "clone", "error", "said"),
    [
        (SNAPSHOTS, {"snapshot": "six"}, errors.NotFound, "no snapshot 'six'; there are one, two, twin, twin"),
        (SNAPSHOTS, {"snapshot": "twin"}, errors.Ambiguous, "2 snapshots 'twin'"),
        (SNAPSHOTS, {"linked": True}, errors.Unsupported, "name one as clone.snapshot; there are one"),
        ({"name": "a"}, {"linked": True}, errors.Unsupported, "there are none"),
        ({"name": "a"}, {"snapshot": "one"}, errors.NotFound, "there are none"),
    ],
)
def test_no_other_snapshot_is_taken_instead(
    row: dict[str, Any], clone: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        copies.snapshot_of(row, CloneSpec(source_id="vm-1", **clone))


@pytest.mark.parametrize("facts", [{"firmware": "bios"}, {"secure_boot": True}])
def test_a_copy_boots_as_its_source(facts: dict[str, Any]) -> None:
    row = {"name": "a", "config.firmware": "efi", "config.bootOptions": vim.vm.BootOptions(efiSecureBootEnabled=False)}
    copies.refuse_changes(VmSpec(firmware="uefi", secure_boot=False), row)
    with pytest.raises(errors.Unsupported, match="of a copy is that of a"):
        copies.refuse_changes(VmSpec(**facts), row)


PLACE = Place(datacenter="dc", folder="vm-1", compute="blue-1", pool="prod", host="host-1", says="")


def copy_of(*cards: Any, linked: bool = False, cores: int = 1) -> copies.Copy:
    return copies.Copy(
        source="vm-1",
        place=PLACE,
        home="datastore-1",
        stores=(),
        disks=(),
        datastore="datastore-1",
        snapshot="snapshot-2",
        linked=linked,
        cards=cards,
        cores=cores,
        taken_bytes=0,
    )


@pytest.mark.parametrize(("linked", "move"), [(True, "createNewChildDiskBacking"), (False, "moveAllDiskBackings")])
def test_a_copy_in_vspheres_words(linked: bool, move: str) -> None:  # noqa: FBT001 - a parameter of the test
    spec = copies.clone_spec(vim, copy_of(linked=linked), vim.vm.ConfigSpec())
    ids = [one._moId for one in (spec.location.pool, spec.location.host, spec.location.datastore, spec.snapshot)]  # noqa: SLF001
    assert ids == ["prod", "host-1", "datastore-1", "snapshot-2"]
    assert spec.location.diskMoveType.startswith(move)
    assert (spec.powerOn, spec.template) == (False, False)


def card(key: int, address_type: str) -> Any:
    return vim.vm.device.VirtualVmxnet3(key=key, addressType=address_type, macAddress=f"52:54:00:00:00:0{key}")


def test_only_addresses_that_were_given_by_hand_are_changed_in_a_copy() -> None:
    config = copies.changes(vim, VmSpec(cpus=6), copy_of(card(1, "manual"), card(2, "assigned"), cores=4), None)
    (change,) = config.deviceChange
    assert (change.operation, change.device.key) == ("edit", 1)
    assert (change.device.addressType, change.device.macAddress) == ("generated", None)
    assert (config.numCPUs, config.numCoresPerSocket) == (6, 1)


def test_nics_of_a_copy_are_those_that_are_given() -> None:
    nics = [hardware.NewNic(model="virtio", mac=None, network="VM Network", network_id="network-1")]
    config = copies.changes(vim, VmSpec(cpus=8), copy_of(card(1, "manual"), card(2, "assigned"), cores=4), nics)
    assert [change.operation for change in config.deviceChange] == ["remove", "remove", "add"]
    assert config.numCoresPerSocket is None


ROLE = label_writing.Category(several=True, tags={"web": "urn:web", "db": "urn:db"})
STAGE = label_writing.Category(several=False, tags={"test": "urn:test", "prod": "urn:prod"})


def test_tags_are_those_that_the_category_has() -> None:
    assert label_writing.tags_of(ROLE, "role", ["web", "db"]) == ["urn:web", "urn:db"]
    with pytest.raises(errors.InvalidOption, match=r"no tag 'mail'.* there are web, db"):
        label_writing.tags_of(ROLE, "role", ["web", "mail"])
    with pytest.raises(errors.InvalidOption, match="one tag of category stage"):
        label_writing.tags_of(STAGE, "stage", ["test", "prod"])


def test_a_custom_attribute_has_one_value() -> None:
    assert label_writing.only("owner", ["me"]) == "me"
    with pytest.raises(errors.InvalidOption, match="owner is a custom attribute"):
        label_writing.only("owner", ["me", "you"])
