# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a VM and all of it is, as govc tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.lab.vsphere.govc import Govc


@dataclass(frozen=True)
class Whereabouts:
    """A VM by the names of what it is on, in and plugged into; `files` are its own and those of its disks."""

    host: str
    folder: str
    pool: str
    state: str
    files: tuple[str, ...]
    networks: tuple[str, ...]
    uuid: str


def whereabouts(govc: Govc, path: str) -> Whereabouts:
    """Ask for a VM at this path."""
    vm = govc.vm(path)

    def name(reference: dict[str, Any] | None) -> str:
        if reference is None:
            return ""
        return govc("object.collect", "-s", f"{reference['type']}:{reference['value']}", "name")

    drives = [one for one in vm["config"]["hardware"]["device"] if "capacityInKB" in one]
    return Whereabouts(
        host=name(vm["runtime"]["host"]),
        folder=name(vm["parent"]),
        pool=name(vm.get("resourcePool")),
        state=vm["runtime"]["powerState"],
        files=(vm["config"]["files"]["vmPathName"], *(one["backing"]["fileName"] for one in drives)),
        networks=tuple(name(one) for one in vm.get("network") or ()),
        uuid=vm["config"]["instanceUuid"],
    )
