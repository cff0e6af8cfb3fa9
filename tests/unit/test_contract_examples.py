# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/contract.md are played, each task through its own module, and give the results shown."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.contract_page import SECTIONS, words
from tests.unit.harness import run
from tests.unit.memory import drivers_of
from tests.unit.world import GIB, Volume, World

SHOWN = {
    heading.rpartition(" ")[2]: section.examples for heading, section in SECTIONS.items() if "Example of" in heading
}
MODULES = sorted(SHOWN.keys() - {"inventory"})


def fleet() -> World:
    """Return the hypervisor that all examples play on."""
    world = World("kvm1", "kvm2")
    world.sites["kvm1"].volumes["default"]["debian-12.qcow2"] = Volume(2 * GIB)
    for row in SECTIONS["The VMs of the examples"].rows:
        facts = {key: int(row[key]) for key in ("cpus", "memory_bytes")}
        labels = {key: [value] for key, value in [row["labels"].split(": ")]}
        machine = world.add(words(row["VM"])[0], row["host"], row["state"], uuid=row["uuid"], labels=labels, **facts)
        for name in words(row["snapshots"]):
            world.snap(machine, name)
    return world


def completed(shown: dict[str, Any]) -> dict[str, Any]:
    """Return a result with what an example leaves out: the diff, and the only VM once more."""
    vms = shown.get("vms", [])
    if "steps" not in (vms or [{}])[0]:
        return shown
    titles = [f"{vm['name']} ({vm['id']})" if "id" in vm else vm["name"] for vm in vms]
    diff = [
        {"before_header": title, "after_header": title, "before": vm["before"], "after": vm["after"]}
        for title, vm in zip(titles, vms, strict=True)
        if vm["changed"]
    ]
    return {"diff": diff, **({"vm": vms[0]} if len(vms) == 1 else {}), **shown}


@pytest.mark.parametrize("module", MODULES)
def test_task_gives_the_result_shown(module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    connections = tmp_path / "connections.yml"
    connections.write_text(yaml.safe_dump({"hypervisors": {"kvm": {"type": "libvirt", "hosts": ["kvm1", "kvm2"]}}}))
    monkeypatch.setenv("CROSSVIRT_CONNECTIONS", str(connections))
    ((task,), shown) = SHOWN[module]
    options, check_mode = task[f"crossvirt.lifecycle.{module}"], task.get("check_mode", False)
    result = run(module, options, check_mode=check_mode, drivers=drivers_of(fleet()))
    assert {key: value for key, value in result.items() if key not in ("invocation", "warnings")} == completed(shown)
