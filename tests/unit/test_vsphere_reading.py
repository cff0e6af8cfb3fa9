# SPDX-License-Identifier: GPL-3.0-or-later
"""vSphere's rows of properties into our words: where a VM is, its state, its devices, what its guest says."""

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere import (
    convert,
    devices,
    label_reading,
    places,
    surroundings,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.places import Places
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.properties import Rows
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.users import Users
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Address, Disk, Guest, Nic, PowerState, Vm
from pyVmomi import vim

ROOT = "group-d1"
TREE: dict[str, dict[str, dict[str, Any]]] = {
    "Folder": {
        "group-d2": {"name": "eu", "parent": ROOT},
        "group-v3": {"name": "vm", "parent": "datacenter-2"},
        "group-v4": {"name": "a%2fb", "parent": "group-v3"},
        "group-h3": {"name": "host", "parent": "datacenter-2"},
    },
    "Datacenter": {"datacenter-2": {"name": "dc1", "parent": "group-d2"}},
    "ClusterComputeResource": {"domain-c7": {"name": "blue", "parent": "group-h3"}},
    "ComputeResource": {"domain-s8": {"name": "esx2", "parent": "group-h3"}},
    "HostSystem": {
        "host-1": {"name": "esx1", "parent": "domain-c7"},
        "host-2": {"name": "esx2", "parent": "domain-s8"},
    },
    "ResourcePool": {
        "resgroup-1": {"name": "Resources", "parent": "domain-c7"},
        "resgroup-2": {"name": "prod", "parent": "resgroup-1"},
        "resgroup-3": {"name": "web%2fdb", "parent": "resgroup-2"},
    },
    "VirtualApp": {
        "resgroup-v5": {"name": "shop", "parent": "resgroup-2", "parentFolder": "group-v4"},
        "resgroup-v6": {"name": "inner", "parent": "resgroup-v5"},
    },
}
ROW: dict[str, Any] = {
    "name": "web%2f1",
    "parent": "group-v4",
    "resourcePool": "resgroup-3",
    "runtime.host": "host-1",
    "runtime.powerState": "poweredOn",
    "runtime.connectionState": "connected",
    "config.instanceUuid": "5020ABCD-0000-4000-8000-000000000001",
    "summary.config.template": False,
    "summary.config.numCpu": 2,
    "summary.config.memorySizeMB": 2048,
}


def where() -> Places:
    return Places(TREE, ROOT)


def read(**changes: Any) -> Vm:
    row = {**ROW, **{key.replace("__", "."): value for key, value in changes.items()}}
    return convert.base("vm-1", {key: value for key, value in row.items() if value is not None}, where(), "vc1")


def test_a_vm_has_its_place_in_the_inventory() -> None:
    assert read() == Vm(
        name="web/1",
        id="vm-1",
        uuid="5020abcd-0000-4000-8000-000000000001",
        state=PowerState.RUNNING,
        host="esx1",
        cluster="blue",
        folder="/eu/dc1/vm/a%2fb",
        path="/eu/dc1/vm/a%2fb/web%2f1",
        pool="prod/web%2fdb",
        cpus=2,
        memory_bytes=2 * 1024**3,
    )


def test_a_host_that_stands_alone_is_no_cluster_and_the_root_pool_no_pool() -> None:
    vm = read(runtime__host="host-2", resourcePool="resgroup-1")
    assert (vm.host, vm.cluster, vm.pool) == ("esx2", None, None)
    assert read(resourcePool=None, summary__config__template=True).pool is None


@pytest.mark.parametrize(
    ("app", "pool", "path"),
    [
        ("resgroup-v5", "prod/shop", "/eu/dc1/vm/a%2fb/shop/web%2f1"),
        ("resgroup-v6", "prod/shop/inner", "/eu/dc1/vm/a%2fb/shop/inner/web%2f1"),
    ],
)
def test_a_vm_of_a_vapp_is_in_the_folder_of_that(app: str, pool: str, path: str) -> None:
    vm = read(parent=None, parentVApp=app, resourcePool=app)
    assert (vm.folder, vm.pool, vm.path) == ("/eu/dc1/vm/a%2fb", pool, path)


def test_what_the_account_may_not_see_has_no_path() -> None:
    vm = read(parent="group-v99", runtime__host="host-99", resourcePool="resgroup-99")
    assert (vm.folder, vm.path, vm.pool, vm.cluster, vm.host) == (None, None, None, None, "host-99")
    assert read(runtime__host=None).host == "vc1"


@pytest.mark.parametrize("name", ["plain", "a/b", "50%", r"back\slash", "%2f", "%41"])
def test_names_survive_their_escapes(name: str) -> None:
    assert places.unescaped(places.escaped(name)) == name
    assert "/" not in places.escaped(name)


def test_only_what_vsphere_escapes_is_unescaped() -> None:
    assert places.unescaped("%2F%5C%25 %41 50% %") == r"/\% %41 50% %"


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, "running", None),
        ({"runtime__powerState": "poweredOff"}, "stopped", None),
        ({"runtime__powerState": "suspended"}, "suspended", None),
        ({"runtime__powerState": None}, "unknown", None),
        ({"runtime__connectionState": "disconnected"}, "unknown", "its host is disconnected"),
        ({"runtime__connectionState": "inaccessible"}, "unknown", "its files cannot be reached"),
        ({"runtime__connectionState": None}, "unknown", "vSphere does not tell its state"),
        ({"config__instanceUuid": None}, "unknown", "it is still being created, or its configuration cannot be read"),
        ({"runtime__consolidationNeeded": True}, "running", "its disks need consolidation"),
        ({"runtime__consolidationNeeded": False}, "running", None),
        (
            {"runtime__question": vim.vm.QuestionInfo(text="moved or copied?"), "runtime__consolidationNeeded": True},
            "running",
            "waits for an answer to: moved or copied?; its disks need consolidation",
        ),
    ],
)
def test_a_state_says_why(changes: dict[str, Any], state: str, reason: str | None) -> None:
    vm = read(**changes)
    assert (vm.state, vm.state_reason) == (state, reason)


def test_a_vm_without_configuration_is_still_listed() -> None:
    vm = convert.base("vm-9", {}, where(), "vc1")
    assert (vm.name, vm.uuid, vm.state, vm.host, vm.cpus) == ("vm-9", "vm-9", PowerState.UNKNOWN, "vc1", None)


def backing(kind: str, **facts: Any) -> Any:
    return getattr(vim.vm.device.VirtualDisk, f"{kind}BackingInfo")(**facts)


def disk(file: str, controller: int = 1000, parent: str | None = None) -> Any:
    below = backing("FlatVer2", fileName=parent) if parent else None
    own = backing("FlatVer2", fileName=file, thinProvisioned=True, parent=below)
    return vim.vm.device.VirtualDisk(key=2000, controllerKey=controller, capacityInBytes=4096, backing=own)


def hardware(*added: Any) -> dict[str, Any]:
    kinds = vim.vm.device
    return {
        "config.hardware.device": [
            kinds.VirtualIDEController(key=200),
            kinds.ParaVirtualSCSIController(key=1000, sharedBus="noSharing"),
            kinds.VirtualLsiLogicSASController(key=1001, sharedBus="physicalSharing"),
            kinds.VirtualAHCIController(key=15000),
            kinds.VirtualPointingDevice(key=700),
            *added,
        ]
    }


def test_disks_say_where_they_are_and_how_they_are_attached() -> None:
    lun = backing("RawDiskMappingVer1", fileName="[ds1] web1/lun.vmdk")
    sharing = backing("FlatVer2", fileName="[ds 2] q/q.vmdk", sharing="sharingMultiWriter", thinProvisioned=False)
    kinds = vim.vm.device
    found = devices.disks(
        hardware(
            disk("[ds1] web1/web1.vmdk"),
            kinds.VirtualDisk(key=2001, controllerKey=15000, capacityInKB=4, backing=sharing),
            kinds.VirtualDisk(key=2016, controllerKey=1001, capacityInBytes=4096, backing=lun),
            kinds.VirtualCdrom(
                key=3000, controllerKey=200, backing=kinds.VirtualCdrom.IsoBackingInfo(fileName="[] /iso/tools.iso")
            ),
            kinds.VirtualCdrom(
                key=3001, controllerKey=200, backing=kinds.VirtualCdrom.RemotePassthroughBackingInfo(deviceName="")
            ),
        )
    )
    assert found == (
        Disk(volume="web1/web1.vmdk", storage="ds1", size_bytes=4096, bus="virtio", provisioning="thin"),
        Disk(volume="q/q.vmdk", storage="ds 2", size_bytes=4096, bus="sata", provisioning="thick", shared=True),
        Disk(volume="web1/lun.vmdk", storage="ds1", size_bytes=4096, bus="scsi", device="lun", shared=True),
        Disk(volume="/iso/tools.iso", bus="ide", device="cdrom", read_only=True),
        Disk(volume=None, bus="ide", device="cdrom", read_only=True),
    )


def test_nics_name_their_network_whatever_its_kind() -> None:
    kinds = vim.vm.device
    card = kinds.VirtualEthernetCard
    port = vim.dvs.PortConnection(portgroupKey="dvportgroup-5")
    rows: Rows = {
        "Network": {"network-1": {"name": "a%2fb"}},
        "DistributedVirtualPortgroup": {"dvportgroup-5": {"name": "dmz", "key": "dvportgroup-5"}},
        "OpaqueNetwork": {"network-o9": {"name": "nsx", "summary": vim.OpaqueNetwork.Summary(opaqueNetworkId="o-9")}},
    }
    found = devices.Networks(rows).nics(
        hardware(
            kinds.VirtualVmxnet3(
                macAddress="00:50:56:AA:00:01",
                backing=card.NetworkBackingInfo(deviceName="old name", network=vim.Network("network-1")),
            ),
            kinds.VirtualE1000e(
                macAddress="00:50:56:aa:00:02", backing=card.DistributedVirtualPortBackingInfo(port=port)
            ),
            kinds.VirtualE1000(backing=card.OpaqueNetworkBackingInfo(opaqueNetworkId="o-9")),
            kinds.VirtualPCNet32(backing=card.NetworkBackingInfo(deviceName="unseen")),
            kinds.VirtualVmxnet3(
                backing=card.DistributedVirtualPortBackingInfo(port=vim.dvs.PortConnection(portgroupKey="dv-7"))
            ),
        )
    )
    assert found == (
        Nic(network="a/b", mac="00:50:56:aa:00:01", model="virtio"),
        Nic(network="dmz", mac="00:50:56:aa:00:02", model="e1000e"),
        Nic(network="nsx", mac=None, model="e1000"),
        Nic(network="unseen", mac=None, model="pcnet32"),
        Nic(network="dv-7", mac=None, model="virtio"),
    )


def layout(*names: str) -> list[Any]:
    return [vim.vm.FileLayoutEx.FileInfo(name=name, type="diskDescriptor") for name in names]


def users_of(vms: dict[str, dict[str, Any]], thing: str = "vm-1") -> Iterator[tuple[str, ...] | None]:
    there = {"parent": "group-v3"}
    rows = {**TREE, "VirtualMachine": {one: {**there, "name": one, **row} for one, row in vms.items()}}
    row = rows["VirtualMachine"][thing]
    return (one.users for one in Users(rows, ROOT).with_users(thing, row, devices.disks(row)))


def test_who_builds_on_a_disk_or_on_its_snapshots_uses_it() -> None:
    two = hardware(disk("[ds1] a/a.vmdk"), disk("[ds1] a/a_1-000002.vmdk", parent="[ds1] a/a_1.vmdk"))
    clone = hardware(disk("[ds1] b/b.vmdk", parent="[ds1] a/a_1.vmdk"))
    assert list(users_of({"vm-1": two, "vm-2": clone})) == [(), ("vm-2",)]
    assert list(users_of({"vm-1": two, "vm-2": clone}, "vm-2")) == [()]
    of_snapshot = hardware(disk("[ds1] c/c.vmdk", parent="[ds1] a/a_1-000001.vmdk"))
    listed = {**two, "layoutEx.file": layout("[ds1] a/a.vmdk", "[ds1] a/a_1-000001.vmdk")}
    assert list(users_of({"vm-1": listed, "vm-3": of_snapshot})) == [("vm-3",), ("vm-3",)]


def test_a_medium_is_nobodys_and_equal_names_in_another_datacenter_are_other_files() -> None:
    drive: Any = vim.vm.device.VirtualCdrom
    iso = drive(controllerKey=200, backing=drive.IsoBackingInfo(fileName="[ds1] iso/tools.iso"))
    assert list(users_of({"vm-1": hardware(iso), "vm-2": hardware(iso)})) == [()]
    twin = {**hardware(disk("[ds1] a/a.vmdk")), "parent": "group-elsewhere"}
    assert list(users_of({"vm-1": hardware(disk("[ds1] a/a.vmdk")), "vm-2": twin})) == [()]


def test_the_configuration() -> None:
    row = {"config.guestId": "debian12_64Guest", "config.firmware": "efi", "config.version": "vmx-21"}
    found = convert.config({**row, "config.bootOptions.efiSecureBootEnabled": True})
    assert (found.guest_os, found.firmware, found.secure_boot) == ("debian12_64Guest", "uefi", True)
    assert (found.hardware, found.notes) == ("vmx-21", "")
    assert convert.config({}).firmware == "bios"


def test_a_guest_speaks_through_tools_and_only_while_it_runs() -> None:
    nic = vim.vm.GuestInfo.NicInfo(macAddress="00:50:56:AA:00:01", ipAddress=["192.0.2.5", "2001:db8::5"])
    row = {
        "runtime.powerState": "poweredOn",
        "guest.toolsRunningStatus": "guestToolsRunning",
        "guest.hostName": "web1",
        "guest.guestFullName": "Debian",
        "guest.net": [nic],
    }
    mac = "00:50:56:aa:00:01"
    addresses = (Address(address="192.0.2.5", mac=mac), Address(address="2001:db8::5", mac=mac))
    assert convert.guest(row) == Guest(reachable=True, hostname="web1", os="Debian", addresses=addresses)
    assert convert.limits(row) == {}
    deaf = {"runtime.powerState": "poweredOn", "guest.ipAddress": "192.0.2.6"}
    assert convert.guest(deaf) == Guest(reachable=False, addresses=(Address(address="192.0.2.6"),))
    assert "Tools do not run" in convert.limits(deaf)["shutdown"]
    assert convert.guest({**row, "runtime.powerState": "suspended"}) == Guest(reachable=False)
    assert convert.limits({"runtime.powerState": "suspended"}) == {}


def test_labels_are_tags_and_custom_attributes() -> None:
    values = [
        vim.CustomFieldsManager.StringValue(key=key, value=value) for key, value in ((1, "ann"), (2, ""), (3, "x"))
    ]
    attributes = convert.attributes({"customValue": values}, {1: "owner", 2: "note"})
    assert attributes == {"owner": ["ann"]}
    found = label_reading.merged({"role": ["db", "web"], "owner": ["bob", "ann"]}, attributes)
    assert found == {"owner": ["ann", "bob"], "role": ["db", "web"]}


@pytest.mark.parametrize(
    ("connection", "maintenance", "state"),
    [
        ("connected", False, "up"),
        ("connected", True, "maintenance"),
        ("notResponding", False, "down"),
        ("disconnected", True, "down"),
        (None, None, "down"),
    ],
)
def test_a_host_is_up_down_or_in_maintenance(connection: str | None, maintenance: bool | None, state: str) -> None:  # noqa: FBT001
    row = {"runtime.connectionState": connection, "runtime.inMaintenanceMode": maintenance, "parent": "domain-c7"}
    (host,) = surroundings.hosts({**TREE, "HostSystem": {"host-1": row}})
    assert (host.name, host.cluster, host.state, host.memory_free_bytes) == ("host-1", "blue", state, None)


def test_free_memory_is_what_is_not_used() -> None:
    row = {"summary.hardware.memorySize": 4096 * 1024**2, "summary.quickStats.overallMemoryUsage": 1024}
    (host,) = surroundings.hosts({"HostSystem": {"host-1": row}})
    assert host.memory_free_bytes == 3072 * 1024**2


def test_datastores_and_networks_are_those_of_their_hosts() -> None:
    rows: Rows = {
        "HostSystem": {"host-1": {"name": "esx1", "datastore": ["datastore-1"], "network": ["dvportgroup-5"]}},
        "Datastore": {
            "datastore-1": {"name": "ds1", "summary.accessible": True, "summary.maintenanceMode": "normal"},
            "datastore-2": {"name": "ds2", "summary.accessible": True, "summary.maintenanceMode": "inMaintenance"},
        },
        "DistributedVirtualPortgroup": {
            "dvportgroup-5": {"name": "dmz", "summary.accessible": True},
            "dvportgroup-6": {"name": "uplinks", "config.uplink": True},
        },
    }
    assert [(one.name, one.active, one.hosts) for one in surroundings.storage(rows)] == [
        ("ds1", True, ("esx1",)),
        ("ds2", False, ()),
    ]
    assert [(one.name, one.kind, one.hosts) for one in surroundings.networks(rows)] == [
        ("dmz", "distributed", ("esx1",))
    ]
