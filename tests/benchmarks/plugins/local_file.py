# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts, variables and groups of a local file: what they cost Ansible itself, wherever they come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = """
name: local_file
short_description: Hosts of a local file
options:
  plugin: {description: Makes the file a source of this plugin., type: str, required: true, choices: [local_file]}
  data: {description: The file., type: path, required: true}
  by_method: {description: Set variables one by one with Ansible's method, or all at once., type: bool, default: true}
"""


class InventoryModule(BaseInventoryPlugin):
    NAME = "local_file"

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: FBT001, FBT002
        """Fill the inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        data = json.loads(Path(self.get_option("data")).read_text())
        by_method = self.get_option("by_method")
        for name, variables in data["hosts"].items():
            inventory.add_host(name)
            if by_method:
                for key, value in variables.items():
                    inventory.set_variable(name, key, value)
            else:
                inventory.hosts[name].vars.update(variables)
        for group, hosts in data["groups"].items():
            inventory.add_group(group)
            for host in hosts:
                inventory.add_child(group, host)
