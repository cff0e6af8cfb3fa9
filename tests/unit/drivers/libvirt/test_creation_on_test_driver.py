# SPDX-License-Identifier: GPL-3.0-or-later
"""vm on libvirt's own test driver, in this process: what libvirt itself makes of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.libvirt.session import prepared

from tests.unit.harness import Result, run

URI = "test:///default"
CONNECTION = {"hypervisor": {"type": "libvirt", "hosts": [URI]}}
NEW: dict[str, Any] = {"memory_bytes": "64M", "disks": [{"size_bytes": "8M"}]}


@pytest.fixture
def conn() -> Iterator[Any]:
    """A host with nothing but the VM `test`; it lives as long as any connection to it, also one of an earlier test."""
    prepared()
    conn = libvirt.open(URI)
    for domain in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE):
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
    for volume in conn.storagePoolLookupByName("default-pool").listAllVolumes():
        volume.delete()
    yield conn
    conn.close()


def state_of(conn: Any) -> tuple[dict[str, str], list[str]]:
    """Return what libvirt says, without our reading of it: definitions and volumes."""
    pool = conn.storagePoolLookupByName("default-pool")
    definitions = {domain.name(): domain.XMLDesc() for domain in conn.listAllDomains()}
    return definitions, sorted(volume.name() for volume in pool.listAllVolumes())


def play(conn: Any, **options: Any) -> Result:
    """Run a task in check mode and in earnest: they tell the same, and a second run finds nothing to do."""
    before = state_of(conn)
    checked = run("vm", CONNECTION | options, check_mode=True)
    assert state_of(conn) == before
    result = run("vm", CONNECTION | options)
    assert run("vm", CONNECTION | options)["changed"] is False
    for told, done in zip(checked["vms"], result["vms"], strict=True):
        steps = [{key: value for key, value in step.items() if key != "outcome"} for step in done["steps"]]
        assert {**done, "steps": steps} == {**told, "id": done["id"], "uuid": done["uuid"]}
    return result


def refused(conn: Any, **options: Any) -> Result:
    """Run a task that nothing comes of."""
    before = state_of(conn)
    result = run("vm", CONNECTION | options)
    assert (result["changed"], state_of(conn)) == (False, before)
    return result


@pytest.mark.parametrize("name", ["web1", '-rf <"it\'s" & 東>'])
def test_a_life_from_creation_to_removal(conn: Any, name: str) -> None:
    given = {
        **NEW,
        "cpus": 2,
        "notes": f"<{name}>\n",
        "labels": {name: ["a", "b"]},
        "guest_os": name,
        "disks": [{"size_bytes": "8M"}, {"size_bytes": "4M", "bus": "scsi", "storage": "default-pool"}],
        "nics": [{"network": "default"}, {"mac": "52:54:00:00:00:07", "network": "default", "model": "e1000e"}],
    }
    play(conn, name=name, **given)
    play(conn, name="copy", clone={"source": {"name": name}}, cpus=1)
    assert state_of(conn)[1] == sorted([f"{name}.qcow2", f"{name}-1.qcow2", "copy.qcow2", "copy-1.qcow2"])
    play(conn, name=name, state="absent")
    play(conn, name="copy", state="absent", remove=["disks"])
    assert (list(state_of(conn)[0]), state_of(conn)[1]) == (["test"], sorted([f"{name}.qcow2", f"{name}-1.qcow2"]))
    assert refused(conn, name=name, **given)["error"] == "AlreadyExists"


def test_an_image_is_copied(conn: Any) -> None:
    play(conn, name="golden", **NEW)
    image = {"storage": "default-pool", "volume": "golden.qcow2"}
    vm = play(conn, vms=["web1", "web2"], memory_bytes="64M", disks=[{"image": image}])["vms"][1]
    assert vm["steps"][0]["volumes"] == [
        {"storage": "default-pool", "volume": "web2.qcow2", "size_bytes": 8 * 1024 * 1024, "image": "golden.qcow2"}
    ]


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"disks": []}, "InvalidOption", "memory_bytes"),
        ({**NEW, "storage": "nowhere"}, "NotFound", "default-pool"),
        ({**NEW, "nics": [{"network": "nowhere"}]}, "NotFound", "default"),
        ({**NEW, "nics": [{}]}, "InvalidOption", "network"),
        ({**NEW, "firmware": "uefi"}, "Unsupported", "uefi"),
        ({**NEW, "disks": [{}]}, "InvalidOption", "neither size_bytes nor image"),
        ({**NEW, "disks": [{"size_bytes": 513}]}, "InvalidOption", "multiple of 512 bytes"),
        ({**NEW, "disks": [{"image": {"storage": "default-pool", "volume": "x"}}]}, "NotFound", "'x'"),
        ({**NEW, "disks": [{"size_bytes": "4M", "provisioning": "thick"}]}, "Unsupported", "thin"),
        ({"clone": {"source": {"name": "test"}}}, "InvalidState", "not stopped"),
        ({"clone": {"source": {"name": "test"}, "snapshot": "s"}}, "Unsupported", "'s' of test"),
        ({**NEW, "host": "elsewhere"}, "InvalidOption", "elsewhere"),
    ],
)
def test_what_cannot_be_made_is_refused(conn: Any, options: dict[str, Any], error: str, word: str) -> None:
    result = refused(conn, name="web1", **options)
    assert result["error"] == error
    assert word in result["msg"]


def test_two_vms_cannot_have_one_volume(conn: Any) -> None:
    two = [{"size_bytes": "4M"}] * 2
    vms = [{"name": "web-1"}, {"name": "web", "disks": two}]
    assert "web-1.qcow2" in refused(conn, vms=vms, **NEW)["msg"]


def test_files_are_checked_and_then_refused(conn: Any, tmp_path: Path) -> None:
    path = tmp_path / "image.raw"
    path.write_bytes(b"\0" * 1024)
    wrong = {"file": str(path), "checksum": f"sha256:{'0' * 64}"}
    assert refused(conn, name="web1", memory_bytes="64M", disks=[{"image": wrong}])["error"] == "InvalidOption"
    image = {"file": str(path)}
    assert refused(conn, name="web1", memory_bytes="64M", disks=[{"image": image}])["error"] == "Unsupported"


def test_what_uses_a_disk_keeps_it(conn: Any) -> None:
    play(conn, vms=["web1", "web2"], **NEW)
    both = conn.lookupByName("web2").XMLDesc().replace("/web2.qcow2", "/web1.qcow2")
    conn.defineXML(both)
    assert "used by web2" in refused(conn, name="web1", state="absent", remove=["disks"])["msg"]


def test_a_snapshot_must_be_named(conn: Any) -> None:
    play(conn, name="web1", **NEW)
    conn.lookupByName("web1").snapshotCreateXML("<domainsnapshot><name>s 1</name></domainsnapshot>")
    assert "snapshots (s 1)" in refused(conn, name="web1", state="absent", remove=["disks"])["msg"]
    play(conn, name="web1", state="absent", remove=["disks", "snapshots"])
