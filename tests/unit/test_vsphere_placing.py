# SPDX-License-Identifier: GPL-3.0-or-later
"""Where creations on vSphere go: words lead to one place or are refused, and what is taken is taken once."""

from typing import Any

import pytest
import pyVmomi
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import errors
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.estate import Estate
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.files import Search
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.ledger import Ledger
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.placing import choose

vim: Any = pyVmomi.vim
ROOT = "group-d1"


def host(compute: str, number: int, **facts: Any) -> dict[str, Any]:
    return {
        "name": f"esx{number}",
        "parent": compute,
        "runtime.connectionState": "connected",
        "runtime.inMaintenanceMode": False,
        "datastore": [f"datastore-{compute}", "datastore-lost"],
        "network": [f"network-{compute}", "dvportgroup-1", "dvportgroup-up"],
        **facts,
    }


def cluster(name: str, folder: str, *, drs: bool) -> dict[str, Any]:
    settings = vim.cluster.ConfigInfoEx(drsConfig=vim.cluster.DrsConfigInfo(enabled=drs))
    return {"name": name, "parent": folder, "resourcePool": f"root-{name}-{folder}", "configurationEx": settings}


def datastore(**facts: Any) -> dict[str, Any]:
    return {"summary.accessible": True, "summary.maintenanceMode": "normal", "summary.freeSpace": 1000, **facts}


# Two datacenters, each with a cluster "blue"; dc1 also has the cluster "red" without DRS and a host that stands alone.
ROWS: dict[str, dict[str, dict[str, Any]]] = {
    "Datacenter": {
        "datacenter-1": {"name": "dc1", "parent": ROOT, "vmFolder": "vm-1"},
        "datacenter-2": {"name": "dc2", "parent": ROOT, "vmFolder": "vm-2"},
    },
    "Folder": {
        "vm-1": {"name": "vm", "parent": "datacenter-1", "childType": ["VirtualMachine", "Folder"]},
        "vm-2": {"name": "vm", "parent": "datacenter-2", "childType": ["VirtualMachine", "Folder"]},
        "web": {"name": "web", "parent": "vm-1", "childType": ["VirtualMachine", "Folder"]},
        "hosts-1": {"name": "host", "parent": "datacenter-1", "childType": ["ComputeResource"]},
        "hosts-2": {"name": "host", "parent": "datacenter-2", "childType": ["ComputeResource"]},
    },
    "ClusterComputeResource": {
        "blue-1": cluster("blue", "hosts-1", drs=True),
        "red": cluster("red", "hosts-1", drs=False),
        "blue-2": cluster("blue", "hosts-2", drs=True),
    },
    "ComputeResource": {"alone": {"name": "esx9", "parent": "hosts-1", "resourcePool": "root-alone"}},
    "HostSystem": {
        "host-1": host("blue-1", 1),
        "host-2": host("blue-1", 2),
        "host-3": host("red", 3),
        "host-4": host("red", 4, **{"runtime.inMaintenanceMode": True}),
        "host-5": host("red", 5),
        "host-6": host("blue-2", 6),
        "host-7": host("blue-2", 7),
        "host-9": host("alone", 9, **{"runtime.connectionState": "notResponding"}),
    },
    "ResourcePool": {
        "root-blue": {"name": "Resources", "parent": "blue-1", "owner": "blue-1"},
        "prod": {"name": "prod", "parent": "root-blue", "owner": "blue-1"},
        "batch": {"name": "batch", "parent": "prod", "owner": "blue-1"},
    },
    "Datastore": {
        "datastore-blue-1": datastore(name="ds1", parent="datacenter-1"),
        "datastore-red": datastore(name="ds2", parent="datacenter-1"),
        "datastore-lost": datastore(name="lost", parent="datacenter-1", **{"summary.accessible": False}),
    },
    "Network": {"network-blue-1": {"name": "VM Network", "parent": "datacenter-1"}},
    "DistributedVirtualPortgroup": {
        "dvportgroup-1": {"name": "dv", "key": "key-1", "config.distributedVirtualSwitch": "dvs-1"},
        "dvportgroup-up": {"name": "uplinks", "key": "key-2", "config.uplink": True},
    },
    "DistributedVirtualSwitch": {"dvs-1": {"uuid": "50 3a"}},
}
ESTATE = Estate(ROWS, ROOT, "vc1")
BLUE = choose(ESTATE, cluster="blue", folder="/dc1/vm")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"host": "esx2"}, ("vm-1", "blue-1", "root-blue-hosts-1", "host-2", "host esx2")),
        ({"cluster": "blue", "folder": "/dc2/vm"}, ("vm-2", "blue-2", "root-blue-hosts-2", None, "cluster blue")),
        ({"cluster": "blue", "folder": "/dc1/vm/web"}, ("web", "blue-1", "root-blue-hosts-1", None, "cluster blue")),
        ({"pool": "prod/batch"}, ("vm-1", "blue-1", "batch", None, "cluster blue")),
        ({"pool": "prod", "host": "esx1", "cluster": "blue"}, ("vm-1", "blue-1", "prod", "host-1", "host esx1")),
        (
            {"host": "esx1", "beside": {"parent": "web", "resourcePool": "prod"}},
            ("web", "blue-1", "prod", "host-1", "host esx1"),
        ),
        (
            {"host": "esx3", "beside": {"parent": "web", "resourcePool": "prod"}},
            ("web", "red", "root-red-hosts-1", "host-3", "host esx3"),
        ),
        (
            {"host": "esx6", "beside": {"parent": "web", "resourcePool": None}},
            ("vm-2", "blue-2", "root-blue-hosts-2", "host-6", "host esx6"),
        ),
    ],
)
def test_words_lead_to_one_place(words: dict[str, Any], expected: tuple[Any, ...]) -> None:
    place = choose(ESTATE, **words)
    assert (place.folder, place.compute, place.pool, place.host, place.says) == expected


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ({}, errors.InvalidOption, "host or cluster is needed on vc1; there are /dc1/host/blue, /dc1/host/esx9"),
        ({"host": "esx77"}, errors.NotFound, "no host 'esx77' on vc1; there are esx1, esx2"),
        ({"cluster": "esx9"}, errors.NotFound, "no cluster 'esx9' on vc1; there are blue, red$"),
        ({"pool": "Resources"}, errors.NotFound, "no pool 'Resources' on vc1; there are prod, prod/batch$"),
        ({"folder": "/dc1/host"}, errors.NotFound, "no folder '/dc1/host'.* there are /dc1/vm, /dc1/vm/web, /dc2/vm$"),
        ({"cluster": "blue"}, errors.Ambiguous, "cluster blue can mean /dc1/host/blue, /dc2/host/blue"),
        ({"cluster": "red", "host": "esx1"}, errors.InvalidOption, "no host that fits all of host, cluster"),
        ({"cluster": "red", "folder": "/dc2/vm"}, errors.InvalidOption, "no host that fits"),
        ({"cluster": "red"}, errors.InvalidOption, "host is needed.* red, where DRS is off; there are esx3, esx5$"),
        ({"host": "esx4"}, errors.InvalidState, "host esx4 is in maintenance"),
        ({"host": "esx9"}, errors.InvalidState, "host esx9 is notResponding"),
    ],
)
def test_what_leads_nowhere_or_to_several_places_is_refused(
    words: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        choose(ESTATE, **words)


def test_storage_may_be_left_out_where_one_is_active() -> None:
    assert ESTATE.datastore(BLUE, None) == ESTATE.datastore(BLUE, "ds1") == "datastore-blue-1"
    with pytest.raises(errors.NotFound, match="no storage 'ds2' on cluster blue; there are ds1, lost"):
        ESTATE.datastore(BLUE, "ds2")
    with pytest.raises(errors.InvalidState, match="lost"):
        ESTATE.datastore(BLUE, "lost")


def test_networks_are_those_that_vms_are_plugged_into() -> None:
    assert ESTATE.network(BLUE, "VM Network") == "network-blue-1"
    assert ESTATE.switch_uuid(ESTATE.network(BLUE, "dv")) == "50 3a"
    with pytest.raises(errors.Unsupported, match="uplinks"):
        ESTATE.network(BLUE, "uplinks")
    with pytest.raises(errors.NotFound, match=r"no network 'x' on cluster blue; there are VM Network, dv$"):
        ESTATE.network(BLUE, "x")


def test_folders_and_room_are_given_once() -> None:
    ledger = Ledger(ESTATE, {Search("datastore-red", "", frozenset(["Web1"]), images=False): {"Web1": None}})
    with pytest.raises(errors.AlreadyExists, match="a folder web1 in storage ds2 already"):
        ledger.take_folder("datastore-red", "web1")
    ledger.take_folder("datastore-blue-1", "web1")
    with pytest.raises(errors.AlreadyExists, match="two VMs of this task"):
        ledger.take_folder("datastore-blue-1", "WEB1")
    ledger.take_room("datastore-red", 600, "a")
    with pytest.raises(errors.CapacityExceeded, match="ds2 lacks 200 bytes for b"):
        ledger.take_room("datastore-red", 600, "b")


def test_the_size_of_an_image_is_what_the_browser_tells() -> None:
    disk = vim.host.DatastoreBrowser.VmDiskInfo(path="a.vmdk", capacityKb=2048, fileSize=4096)
    search = Search("datastore-red", "images", frozenset(["a.vmdk"]), images=True)
    ledger = Ledger(ESTATE, {search: {"a.vmdk": disk}})
    image = ledger.image("datastore-red", "images/a.vmdk")
    assert (image.size_bytes, image.taken_bytes) == (2048 * 1024, 4096)
    with pytest.raises(errors.NotFound, match=r"'images/b\.vmdk' in storage ds2"):
        ledger.image("datastore-red", "images/b.vmdk")
