# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory sources of one vCenter: ours, the rivals' as they come, and community.vmware's as fast as it can be."""

from typing import Any

from tests.lab.vsphere.server import Simulator

OURS = "crossvirt"
TUNED = "community.vmware, tuned"
COMMUNITY = "community.vmware, defaults"
VMWARE = "vmware.vmware, defaults"
CONNECTION = "fleet"
# What our variables are made of. Ansible 2.19 and later are slow with variables whose names have dots.
PROPERTIES = [
    "name",
    "parent",
    "resourcePool",
    "runtime.host",
    "runtime.powerState",
    "runtime.connectionState",
    "config.instanceUuid",
    "summary.config.template",
    "summary.config.numCpu",
    "summary.config.memorySizeMB",
]


def source(name: str, simulator: Simulator, connections_file: str) -> dict[str, Any]:
    """Return a source by its name; `connections_file` has the simulator as `fleet`."""
    if name == OURS:
        return {
            "plugin": "crossvirt.lifecycle.vms",
            "hypervisors": [{"name": CONNECTION}],
            "connections_file": connections_file,
        }
    if name == VMWARE:
        return {"plugin": "vmware.vmware.vms", **login(simulator)}
    community = {"plugin": "community.vmware.vmware_vm_inventory", "with_tags": False, **login(simulator)}
    tuned = {
        "properties": PROPERTIES,
        "hostnames": ["name"],
        "with_nested_properties": True,
        "with_sanitized_property_name": True,
        "enable_backward_compatibility": False,
    }
    return community | tuned if name == TUNED else community


def login(simulator: Simulator) -> dict[str, Any]:
    """Return how the others connect; they know no certificate authority of one's own, and so verify nothing."""
    return {
        "hostname": simulator.address,
        "port": simulator.port,
        "username": simulator.username,
        "password": simulator.password,
        "validate_certs": False,
    }
