# SPDX-License-Identifier: GPL-3.0-or-later
"""Specifications from options, comparison with a VM that is there, creation and removal: planned by tables."""

from dataclasses import replace
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import InvalidOption, InvalidState
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import (
    CloneSpec,
    Config,
    Disk,
    Draft,
    Nic,
    Part,
    PowerState,
    Vm,
    Volume,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.plan import Plan
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.provision import (
    desired_fields,
    is_removal,
    plan_creation,
    plan_removal,
    plan_vm,
    spec_from,
    what_is_read,
)
from ansible_collections.crossvirt.lifecycle.plugins.modules.vm import OPTIONS

from tests.unit.memory import drivers_of
from tests.unit.world import World

GIB = 1024**3
DRIVER = drivers_of(World("kvm1"))("libvirt").connect({}, "kvm1")
VM = Vm(
    name="web1",
    id="1",
    uuid="u1",
    host="kvm1",
    state=PowerState.STOPPED,
    cpus=2,
    memory_bytes=2 * GIB,
    labels={"role": ["web"]},
    config=Config(guest_os="debian12", notes="hello", firmware="uefi", secure_boot=False),
    disks=(
        Disk(volume="web1.qcow2", storage="default", size_bytes=10 * GIB, bus="virtio", provisioning="thin"),
        Disk(volume="media.iso", storage="default", device="cdrom", bus="sata"),
        Disk(volume="web1-1.qcow2", storage="fast", size_bytes=4 * GIB, bus="scsi", provisioning="thick"),
    ),
    nics=(Nic(network="default", mac="52:54:00:AA:00:01", model="virtio"),),
)


def params(**options: Any) -> dict[str, Any]:
    """Return what Ansible reads from a task's options."""
    validator: Any = ArgumentSpecValidator  # Ansible's own are untyped
    result = validator(OPTIONS).validate(options)
    assert not result.error_messages
    return dict(result.validated_parameters) | {"vms": None, "select": None}


def planned(vm: Vm = VM, **options: Any) -> Plan:
    """Plan a task on a VM that is there."""
    return plan_vm(DRIVER, vm, params(**options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cpus": 2, "memory_bytes": "2G", "firmware": "uefi", "secure_boot": False, "notes": "hello"},
        {"labels": {"role": "web"}, "guest_os": "debian12", "host": "kvm1"},
        {"disks": [{"size_bytes": "10G"}, {"storage": "fast", "bus": "scsi", "provisioning": "thick"}]},
        {"disks": [{"bus": "auto", "image": {"file": "/nowhere"}}, {}]},
        {"storage": "default", "disks": [{}, {"storage": "fast"}]},
        {"nics": [{"network": "default", "mac": "52-54-00-aa-00-01", "model": "auto"}]},
        {"clone": {"source": {"name": "gone"}}},
        {"remove": ["disks"]},
    ],
)
def test_a_vm_that_is_as_asked_stays_as_it_is(options: dict[str, Any]) -> None:
    plan = planned(**options)
    assert plan.steps == ()
    assert plan.before == plan.after == desired_fields(spec_from(params(**options)))


@pytest.mark.parametrize(
    ("options", "field", "current", "desired"),
    [
        ({"cpus": 3}, "cpus", 2, 3),
        ({"memory_bytes": "4G"}, "memory_bytes", 2 * GIB, 4 * GIB),
        ({"firmware": "bios"}, "firmware", "uefi", "bios"),
        ({"secure_boot": True}, "secure_boot", False, True),
        ({"guest_os": "fedora40"}, "guest_os", "debian12", "fedora40"),
        ({"notes": ""}, "notes", "hello", ""),
        ({"labels": {}}, "labels", {"role": ["web"]}, {}),
        ({"labels": {"role": ["web", "db"]}}, "labels", {"role": ["web"]}, {"role": ["db", "web"]}),
        ({"host": "kvm2"}, "host", "kvm1", "kvm2"),
        ({"folder": "/prod"}, "folder", None, "/prod"),
        ({"storage": "default"}, "storage", ["default", "fast"], "default"),
        ({"storage": "slow", "disks": [{"storage": "default"}, {}]}, "disks[1].storage", "fast", "slow"),
        ({"disks": [{"size_bytes": "11G"}, {}]}, "disks[0].size_bytes", 10 * GIB, 11 * GIB),
        ({"disks": [{}, {"provisioning": "thin"}]}, "disks[1].provisioning", "thick", "thin"),
        (
            {"disks": [{"bus": "virtio"}]},
            "disks",
            [{"bus": "virtio"}, {"size_bytes": 4 * GIB, "storage": "fast"}],
            [{"bus": "virtio"}],
        ),
        ({"disks": [{}, {}, {}]}, "disks", [{}, {}], [{}, {}, {}]),
        ({"nics": []}, "nics", [{"network": "default", "mac": "52:54:00:aa:00:01"}], []),
        ({"nics": [{"model": "e1000e"}]}, "nics[0].model", "virtio", "e1000e"),
    ],
)
def test_what_differs_is_listed(options: dict[str, Any], field: str, current: Any, desired: Any) -> None:
    with pytest.raises(InvalidState) as refused:
        planned(**options)
    assert refused.value.facts == {"differences": [{"field": field, "current": current, "desired": desired}]}
    assert field in str(refused.value)


def test_every_difference_is_listed_at_once() -> None:
    with pytest.raises(InvalidState) as refused:
        planned(cpus=1, notes="x", nics=[{"network": "lan", "mac": "52:54:00:00:00:09"}])
    fields = [one["field"] for one in refused.value.facts["differences"]]
    assert fields == ["cpus", "notes", "nics[0].network", "nics[0].mac"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"cpus": 0}, "cpus"),
        ({"memory_bytes": "0"}, "memory_bytes"),
        ({"secure_boot": True, "firmware": "bios"}, "secure_boot"),
        ({"clone": {"source": {"name": "x"}}, "disks": []}, "clone"),
        ({"disks": [{"size_bytes": "0"}]}, "size_bytes"),
        ({"labels": {"a": {"b": "c"}}}, "labels"),
        ({"nics": [{"mac": "52:54:00:00:00"}]}, "52:54:00:00:00"),
        ({"nics": [{"mac": "01:00:5e:00:00:01"}]}, "01:00:5e:00:00:01"),
    ],
)
def test_values_that_make_no_sense_are_refused(options: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidOption, match=word):
        spec_from(params(**options))


def test_texts_take_the_form_in_which_they_are_read_back() -> None:
    spec = spec_from(params(notes="a\r\nb\rc\n", labels={"n": 1, "none": []}, nics=[{"mac": "AA-BB-CC-00-00-01"}]))
    assert (spec.notes, spec.labels) == ("a\nb\nc\n", {"n": ["1"]})
    assert spec.nics
    assert spec.nics[0].mac == "aa:bb:cc:00:00:01"


@pytest.mark.parametrize(("clone", "action"), [(None, "create"), (CloneSpec(source_id="2"), "clone")])
def test_a_creation_is_one_step_that_names_every_volume(clone: CloneSpec | None, action: str) -> None:
    spec = spec_from(params(cpus=2, disks=[{"size_bytes": "10G"}, {"size_bytes": "4G"}]), "web1")
    volumes = (Volume(storage="default", volume="web1.qcow2", size_bytes=10 * GIB, image="debian"),)
    plan = plan_creation(spec, Draft(spec=spec, host="kvm1", volumes=volumes, clone=clone))
    (step,) = plan.steps
    assert step.describe() == {
        "action": action,
        "host": "kvm1",
        "volumes": [{"storage": "default", "volume": "web1.qcow2", "size_bytes": 10 * GIB, "image": "debian"}],
    }
    assert plan.before == plan.view(None) == {}
    assert plan.after == plan.view(VM) == {"state": "stopped", **desired_fields(spec)}


def test_what_the_hypervisor_keeps_stays_with_the_disks_only() -> None:
    keeps = ("snapshots", "nvram")
    (step,) = plan_removal(HOLDER, [], keeps).steps
    assert step.describe() == {"action": "delete", "remove": [], "volumes": []}
    (step,) = plan_removal(HOLDER, ["snapshots"], keeps).steps
    assert step.describe()["remove"] == ["snapshots"]
    with pytest.raises(InvalidState, match=r"snapshots \(s1, s2\)"):
        plan_removal(HOLDER, ["disks", "nvram"], keeps)


def removal(vm: Vm = VM, *remove: str) -> Plan:
    """Plan to remove a VM."""
    return planned(vm, state="absent", remove=list(remove))


HOLDER = replace(VM, belongings={"snapshots": ("s1", "s2"), "nvram": ("vars.fd",)})
SUSPENDED = replace(VM, state=PowerState.SUSPENDED, belongings={"saved_state": ("its memory",)})
DISKS = [
    {"storage": "default", "volume": "web1.qcow2", "size_bytes": 10 * GIB},
    {"storage": "fast", "volume": "web1-1.qcow2", "size_bytes": 4 * GIB},
]


@pytest.mark.parametrize(
    ("vm", "remove", "taken", "volumes"),
    [
        (VM, [], [], []),
        (VM, ["disks"], ["disks"], DISKS),
        (VM, ["nvram", "disks", "snapshots", "saved_state"], ["disks"], DISKS),
        (replace(VM, disks=()), ["disks"], ["disks"], []),
        (HOLDER, ["nvram", "snapshots"], ["snapshots", "nvram"], []),
        (SUSPENDED, ["saved_state"], ["saved_state"], []),
    ],
)
def test_a_removal_takes_what_is_named_and_there(
    vm: Vm, remove: list[str], taken: list[str], volumes: list[dict[str, Any]]
) -> None:
    plan = removal(vm, *remove)
    assert [step.describe() for step in plan.steps] == [{"action": "delete", "remove": taken, "volumes": volumes}]
    assert (plan.before, plan.after, plan.view(None)) == ({"state": vm.state.value}, {}, {})


def with_disk(**facts: Any) -> Vm:
    return replace(VM, disks=(replace(VM.disks[0], **facts),) if VM.disks else ())


@pytest.mark.parametrize(
    ("vm", "remove", "words"),
    [
        *((replace(VM, state=state), [], str(state)) for state in PowerState if state is not PowerState.STOPPED),
        (SUSPENDED, ["disks"], "suspended"),
        (HOLDER, ["disks", "nvram"], r"snapshots \(s1, s2\)"),
        (HOLDER, ["snapshots"], r"nvram \(vars.fd\)"),
        (with_disk(shared=True), ["disks"], "shared"),
        (with_disk(users=("web2", "web3")), ["disks"], "used by web2, web3"),
        (with_disk(storage=None, volume="/dev/sdb"), ["disks"], "/dev/sdb is in no storage"),
    ],
)
def test_what_must_stay_is_refused_by_name(vm: Vm, remove: list[str], words: str) -> None:
    with pytest.raises(InvalidState, match=words):
        removal(vm, *remove)


def test_a_disk_that_stays_anyway_may_be_shared() -> None:
    assert removal(with_disk(shared=True, users=("web2",))).steps


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"cpus": 1, "host": "kvm1"}, set()),
        ({"notes": ""}, {Part.CONFIG}),
        ({"firmware": "bios", "labels": {}}, {Part.CONFIG, Part.LABELS}),
        ({"disks": [], "nics": []}, {Part.DISKS, Part.NICS}),
        ({"storage": "default"}, {Part.DISKS}),
        ({"state": "absent", "disks": []}, {Part.BELONGINGS}),
        ({"state": "absent", "remove": ["disks", "nvram"]}, {Part.BELONGINGS, Part.DISKS, Part.DISK_USERS}),
    ],
)
def test_only_what_planning_needs_is_read(options: dict[str, Any], parts: set[Part]) -> None:
    assert set(what_is_read(params(**options))) == parts


def test_entries_add_to_what_is_read() -> None:
    given = params(cpus=1) | {"vms": ["web1", {"name": "web2", "nics": []}, {"name": "web3", "notes": None}]}
    assert what_is_read(given) == (Part.NICS,)


def test_a_selection_is_only_removed() -> None:
    with pytest.raises(InvalidOption, match="select"):
        what_is_read(params() | {"select": {"name": "*"}})
    assert [is_removal(params(state=state)) for state in ("present", "absent")] == [False, True]
