# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/contract.md and the code say the same, in both directions."""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import MISSING, fields
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from ansible.plugins.doc_fragments import constructed, inventory_cache
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import errors, model, policy_file, reading
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.connection import (
    DEFAULTS,
    FOREIGN,
    HYPERVISOR,
    KEYS,
    settle,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.driver import Capability, Driver
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.driver import (
    NEEDS_VCENTER,
    VsphereDriver,
)
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import PowerState, Vm
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.power import ShutdownPolicy, plan_power
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.registry import driver_class
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.selection import BULK, WHICH
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.steps import Step

from tests.unit.contract_page import (
    SECTIONS,
    Option,
    Row,
    Section,
    column,
    keys_of,
    option_of,
    options_in,
    options_of,
    type_of,
    words,
)

ROOT = Path(__file__).parents[2]
COMMON_RETURNS = {"changed", "diff", "msg"}  # Ansible documents these for every module


def test_keys_of_hypervisor_are_those_that_connection_knows() -> None:
    rows = SECTIONS["Keys of hypervisor"].rows
    documented = {words(row["key"])[0]: option_of(row) for row in rows}
    known = options_of(HYPERVISOR["options"])
    assert documented == {
        key: Option(type=one.type, default=DEFAULTS.get(key), choices=one.choices) for key, one in known.items()
    }
    backends = {words(row["key"])[0]: row["backends"] for row in rows}
    for backend, keys in KEYS.items():
        assert keys == {key for key, who in backends.items() if who == "all" or backend in who.split(", ")}


def test_environment_variables_of_others_are_those_obeyed() -> None:
    documented = {
        words(row["variable"])[0]: words(row["fills"])[0]
        for row in SECTIONS["Environment"].rows
        if row["types"] == "vsphere"
    }
    assert documented == FOREIGN["vsphere"]


@pytest.mark.parametrize(
    ("heading", "spec"), [("Options for the choice of VMs", WHICH), ("Options for several VMs", BULK)]
)
def test_shared_options_are_documented(heading: str, spec: dict[str, Any]) -> None:
    assert options_in(SECTIONS[heading]) == options_of(spec)


MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
INFO = {name for name in MODULES if name.endswith("_info")}
OF_HOSTS = {"host_maintenance"}
CHOOSES_VMS = {name for name in MODULES if name.startswith("vm")} | {"placement_info"}


@cache
def documentation(kind: str = "module") -> dict[str, Any]:
    """Return what ansible-doc says, with all fragments, by short name."""
    names = [f"crossvirt.lifecycle.{name}" for name in (MODULES if kind == "module" else ["vms"])]
    program = [str(Path(sys.executable).with_name("ansible-doc")), "--type", kind, "--json", *names]
    env = os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")}
    done = subprocess.run(program, env=env, check=True, capture_output=True, text=True)
    return {name.rpartition(".")[2]: one for name, one in json.loads(done.stdout).items()}


def own_options(module: str) -> dict[str, Any]:
    """Return the argument spec of a module's own options."""
    found = importlib.import_module(f"ansible_collections.crossvirt.lifecycle.plugins.modules.{module}")
    return cast("dict[str, Any]", getattr(found, "OPTIONS", {}))


def test_every_module_has_its_place_on_the_page() -> None:
    told = {heading.rpartition(" ")[2] for heading in SECTIONS if heading.startswith(("Options of ", "Documents of "))}
    assert told - {"inventory"} == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_options_are_those_of_the_page(module: str) -> None:
    heading = f"Options of {module}"
    assert options_of(own_options(module)) == (options_in(SECTIONS[heading]) if heading in SECTIONS else {})


@pytest.mark.parametrize("module", MODULES)
def test_options_are_those_documented(module: str) -> None:
    which = WHICH if module in CHOOSES_VMS else {}
    bulk = BULK if module not in INFO | OF_HOSTS else {}
    spec = {"hypervisor": HYPERVISOR, **which, **bulk, **own_options(module)}
    assert options_of(documentation()[module]["doc"]["options"]) == options_of(spec)


def test_options_of_the_inventory_are_those_documented() -> None:
    fragments = (constructed, inventory_cache)
    shared = {key for one in fragments for key in yaml.safe_load(one.ModuleDocFragment.DOCUMENTATION)["options"]}
    options = options_of(documentation("inventory")["vms"]["doc"]["options"])
    own = {key: one for key, one in options.items() if key.partition(".")[0] not in shared}
    assert options_in(SECTIONS["Options of the inventory"]) == own


@pytest.mark.parametrize("module", sorted(set(MODULES) - INFO))
def test_results_of_changes_are_those_documented(module: str) -> None:
    returned = documentation()[module]["return"]
    top, one = types_in(SECTIONS["Result of a task"]), types_in(SECTIONS["Result of a VM"])
    if module in OF_HOSTS:
        top = {key.replace("vm", "host"): kind for key, kind in top.items()}
        one = {key: kind for key, kind in one.items() if key not in ("uuid", "host")}
    subjects = "hosts" if module in OF_HOSTS else "vms"
    assert {key: type_of(what) for key, what in returned.items()} | top == top
    assert set(top) - COMMON_RETURNS <= set(returned)
    assert {key: type_of(what) for key, what in returned[subjects]["contains"].items()} == {
        **one,
        **types_in(SECTIONS.get(f"Further results of {module}", Section())),
    }


@pytest.mark.parametrize("module", sorted(INFO))
def test_documents_are_those_documented(module: str) -> None:
    table = SECTIONS[f"Documents of {module}"]
    for name, one in documentation()[module]["return"].items():
        if name == "vm":  # the only one of `vms` once more
            continue
        rows = [row for row in table.rows if words(row.get("list", f"`{name}`")) == [name]]
        told = {words(row["key"])[0]: row["type"] for row in rows}
        found = keys_of(one["contains"])
        assert found.items() <= told.items()
        assert set(found) >= {key for key in told if "." not in key}


def types_in(section: Section) -> dict[str, str]:
    """Return the types of a table of results by key."""
    return {words(row["key"])[0]: row["type"] for row in section.rows}


def test_states_are_those_of_the_model() -> None:
    assert column(SECTIONS["States"], "state") == [state.value for state in PowerState]


def test_errors_are_the_class_tree() -> None:
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.CrossvirtError)]
    tree = {one.__name__: one.__bases__[0].__name__ for one in classes}
    tree["CrossvirtError"] = "-"
    assert {words(row["class"])[0]: row["parent"].strip("`") for row in SECTIONS["Errors"].rows} == tree


def test_keys_of_the_policy_are_those_that_it_knows() -> None:
    assert types_in(SECTIONS["Keys of the policy"]) == policy_file.KEYS


def test_operations_of_the_policy_are_the_steps() -> None:
    assert set(policy_file.ACTIONS) == {words(row["action"])[0] for row in SECTIONS["Steps"].rows}


def test_steps_are_those_that_change_something() -> None:
    documented = {words(row["action"])[0]: set(words(row["further keys"])) for row in SECTIONS["Steps"].rows}
    samples = [one for one in map(sample, below(Step)) if hasattr(Driver, one.action)]
    assert documented == {one.action: set(one.describe()) - {"action"} for one in samples}


def below(base: type[Step]) -> list[type[Step]]:
    """Return all classes below one."""
    return [deep for one in base.__subclasses__() for deep in (one, *below(one))]


def sample(kind: type[Step]) -> Step:
    """Return a step with something in every field."""
    samples = {
        "draft": model.Draft(spec=model.VmSpec(), host="kvm1"),
        "move": model.Move(spec=model.MoveSpec(), after={}),
    }
    needed = [one.name for one in fields(kind) if one.default is MISSING]
    values: dict[str, Any] = {name: samples.get(name, "x") for name in needed}
    return kind(**values)


class Cell:
    """One cell of the power table: ways to get from one state to another, each under its conditions."""

    def __init__(self, text: str) -> None:
        self.ways: dict[frozenset[str], str] = {}
        for way in text.split("; "):
            conditions, _colon, actions = way.rpartition(": ")
            self.ways[frozenset(conditions.replace("with ", "").split())] = actions

    def actions(self, facts: set[str]) -> list[str] | None:
        """Return what is done where these facts hold, by the way with the most conditions; None where it is refused."""
        way = self.ways[max((conditions for conditions in self.ways if conditions <= facts), key=len)]
        return None if way == "refused" else [] if way == "-" else way.split(", ")


CELLS = [(row["from \\ to"], to, cell) for row in SECTIONS["Power table"].rows for to, cell in list(row.items())[1:]]


@pytest.mark.parametrize(("current", "desired", "cell"), CELLS)
def test_power_table_is_what_is_planned(current: str, desired: str, cell: str) -> None:
    vm = Vm(name="web1", id="1", uuid="1", host="kvm1", state=PowerState(current))
    for method, deaf, discard_state in product(("guest", "hard", "auto"), (None, "no agent"), (False, True)):
        way = method if method != "auto" else "hard" if deaf else "guest"
        expected = Cell(cell).actions({way} | ({"discard_state"} if discard_state else set()))
        try:
            plan = plan_power(vm, desired, ShutdownPolicy(method=method), deaf=deaf, discard_state=discard_state)
            planned: list[str] | type[errors.CrossvirtError] = [step.action for step in plan.steps]
        except errors.CrossvirtError as error:
            planned = type(error)
        if expected and deaf and "shutdown" in expected:
            assert planned is errors.Unsupported
        else:
            assert planned == (errors.InvalidState if expected is None else expected)


def test_power_table_has_every_state_that_can_be_planned() -> None:
    transient = {PowerState.CHANGING, PowerState.UNKNOWN}
    assert {current for current, *_rest in CELLS} == {state.value for state in set(PowerState) - transient}


def test_documents_of_vms_are_the_model() -> None:
    rows = SECTIONS["Documents of vm_info"].rows
    documented = {words(row["key"])[0] for row in rows}
    parts = {f"{part}.{one.name}" for part, kind in PART_CLASSES.items() for one in fields(kind)}
    assert documented == {*reading.BASE, "type", "hypervisor", "labels", *PART_CLASSES, *parts} - NOT_SHOWN
    for row in rows:
        top = words(row["key"])[0].partition(".")[0]
        assert words(row["part"]) == [part for part in model.Part if part == top]


PART_CLASSES: dict[str, type] = {
    "config": model.Config,
    "disks": model.Disk,
    "nics": model.Nic,
    "snapshots": model.Snapshot,
    "guest": model.Guest,
    "guest.addresses": model.Address,
    "progress": model.Progress,
}
NOT_SHOWN = {"disks.image", "disks.users"}  # for planning only


@pytest.mark.parametrize(
    ("part", "kind"), [("hosts", model.Host), ("storage", model.Storage), ("networks", model.Network)]
)
def test_documents_of_hosts_are_the_model(part: str, kind: type) -> None:
    documented = [
        words(row["key"])[0] for row in SECTIONS["Documents of host_info"].rows if words(row["list"])[0] == part
    ]
    origin = ["type", "hypervisor", "endpoint"]  # of every row
    assert sorted(documented) == sorted([*(one.name for one in fields(kind)), *origin])


def test_capabilities_are_those_of_the_driver_contract() -> None:
    assert column(SECTIONS["10. Capabilities"], "capability") == [one.value for one in Capability]


@pytest.mark.parametrize("row", SECTIONS["10. Capabilities"].rows, ids=lambda row: words(row["capability"])[0])
def test_libvirt_claims_what_the_page_says(row: Row) -> None:
    capability = Capability(words(row["capability"])[0])
    libvirt = driver_class("libvirt")
    assert row["libvirt QEMU/KVM"] == claim(libvirt, capability)
    test_driver = libvirt.connect(
        settle({"type": "libvirt", "hosts": ["test:///default"]}, {}).settings, "test:///default"
    )
    refused = test_driver.refuses(capability)
    test_driver.close()
    assert row["libvirt test driver"] == ("refused" if refused else "claimed")


@pytest.mark.parametrize("row", SECTIONS["10. Capabilities"].rows, ids=lambda row: words(row["capability"])[0])
def test_vsphere_claims_what_the_page_says(row: Row) -> None:
    capability = Capability(words(row["capability"])[0])
    assert row["vSphere vCenter"] == claim(VsphereDriver, capability)
    assert row["vSphere ESXi"] == ("refused" if capability in NEEDS_VCENTER else row["vSphere vCenter"])


def claim(driver: type[Driver], capability: Capability) -> str:
    """Return what the page has to say of a capability: overriding the method is the claim."""
    return "claimed" if getattr(driver, capability) is not getattr(Driver, capability) else "refused"
