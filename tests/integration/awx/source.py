# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates an inventory as AWX does it, and cuts it into the slices of sliced jobs.

The rules are those of `RunInventoryUpdate` and of `Inventory.get_script_data`, which sorts hosts by name and gives each
slice every n-th: https://github.com/ansible/awx/blob/devel/awx/main/models/inventory.py
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.awx.credential import PATTERN
from tests.integration.awx.job import Inventory, Job
from tests.integration.bench import Bench

SOURCE = PATTERN / "inventory/fleet.crossvirt.yml"
ENVIRON = {
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    "ANSIBLE_INVENTORY_EXPORT": "True",
    "ANSIBLE_VERBOSE_TO_STDERR": "True",
    "ANSIBLE_HOST_PATTERN_MISMATCH": "error",
    "ANSIBLE_INVENTORY_ENABLED": "host_list,script,auto,yaml,ini,toml",
}


def update(bench: Bench, job: Job, folder: Path, *argv: str, source: Path = SOURCE) -> tuple[Inventory, str]:
    """Read a source with the job's credential; returns the inventory and what was printed."""
    folder.mkdir(exist_ok=True)
    output = folder / "output.json"
    environ = ENVIRON | job.credential.inject(job.inputs, folder)
    options = ("--list", "--export", "-i", str(source), "--output", str(output), "--playbook-dir", str(source.parent))
    code, stdout, stderr = bench.command("ansible-inventory", *options, *argv, environ=environ)
    assert code == 0, stderr
    inventory: Inventory = json.loads(output.read_text())
    return inventory, stdout + stderr


def cut(inventory: Inventory, number: int, count: int) -> Inventory:
    """Return one slice of several, the first of which is 1, as the script that its job reads prints it."""
    variables = inventory["_meta"]["hostvars"]
    mine = sorted(variables)[number - 1 :: count]
    groups = {
        name: {"hosts": [host for host in group["hosts"] if host in mine]}
        for name, group in inventory.items()
        if name not in ("_meta", "all") and "hosts" in group
    }
    everything = {"hosts": [], "children": sorted(groups)}
    return {"all": everything, "_meta": {"hostvars": {host: variables[host] for host in mine}}, **groups}
