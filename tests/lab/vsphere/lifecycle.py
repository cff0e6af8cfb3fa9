# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulators that stay up for people and playbooks: `vcenter`, `vcenter2` with the same uuids, and `esx`.

The connection `lab` is `vcenter`, so that what plays on the lab of libvirt plays here.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.lab.commands import LabError
from tests.lab.files import write
from tests.lab.processes import command_line, end
from tests.lab.settings import CHECKOUT, INSTANCE, OUTPUT
from tests.lab.vsphere.client import Control
from tests.lab.vsphere.govc import Govc
from tests.lab.vsphere.server import NET, PASSWORD, USERNAME, VIEWER, Layout, Place, entry, launch

CONNECTIONS, FACTS, FOLDER = OUTPUT / "vsphere.yml", OUTPUT / "vsphere.json", OUTPUT / "vsphere"
CA = FOLDER / "ca.pem"
PORT, CONTROL_PORT = 8443, 8444

CENTER = Layout(clusters=2, datacenters=2, pools=1, datastores=2, local_datastores=True, on=True, guest="tools")
LAYOUTS = {
    "vcenter": CENTER,
    "vcenter2": Layout(**{**vars(CENTER), "name": "vcenter2"}),
    "esx": Layout(esx=True, datastores=2, on=True, guest="tools"),
}


@dataclass(frozen=True)
class Member:
    """One simulator of the lab: its address follows from its number."""

    name: str
    number: int

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{NET}.{self.number}"

    @property
    def pid_file(self) -> Path:
        """Where its process is noted."""
        return FOLDER / f"{self.name}.pid"

    def runs(self) -> bool:
        """Say whether its process is there."""
        return bool(process_of(self))

    def start(self) -> None:
        """Start it, in the background."""
        place = Place(self.address, FOLDER, FOLDER / f"{self.name}.log", PORT, CONTROL_PORT)
        process, _ready = launch(LAYOUTS[self.name], place, attached=False)
        self.pid_file.write_text(str(process.pid))


MEMBERS = [Member(name, number) for number, name in enumerate(LAYOUTS, 1)]


def up() -> None:
    """Start a fresh lab, whatever an earlier one left behind."""
    down()
    FOLDER.mkdir(mode=0o700, parents=True)
    for member in MEMBERS:
        member.start()
    entries = {member.name: entry(member.address, PORT, CA) for member in MEMBERS}
    for name in ("vcenter", "vcenter2"):
        define_roles(Govc(entries[name]))
    entries["lab"] = entries["vcenter"]
    header = "# Written by tests/lab; gone with `lab down`.\n"
    write(CONNECTIONS, header + yaml.safe_dump({"hypervisors": entries}, sort_keys=False))
    write(FACTS, json.dumps(facts(), indent=2) + "\n")


def define_roles(govc: Govc) -> None:
    """Define what an administrator has to before VMs can have the label `role`."""
    govc("tags.category.create", "-t", "VirtualMachine", "role")
    for role in ("web", "db"):
        govc("tags.create", "-c", "role", role)


def facts() -> dict[str, Any]:
    """Collect what tests need beside the connections."""
    return {
        "instance": INSTANCE,
        "ca": str(CA),
        "users": {"administrator": USERNAME, "viewer": VIEWER, "password": PASSWORD},
        "control": {member.name: f"{member.address}:{CONTROL_PORT}" for member in MEMBERS},
    }


def down() -> None:
    """End everything of this instance and remove what it wrote, also after a crash."""
    end([pid for member in MEMBERS if (pid := process_of(member))])
    for path in (CONNECTIONS, FACTS):
        path.unlink(missing_ok=True)
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    for folder in (OUTPUT, CHECKOUT / ".lab"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def process_of(member: Member) -> int:
    """Find the process of a member by its note; 0 if it has ended, whoever has the number now."""
    if not member.pid_file.exists():
        return 0
    pid = int(member.pid_file.read_text())
    return pid if f"-listen={member.address}:" in command_line(pid) else 0


def control(name: str) -> Control:
    """Give orders to a member; LabError if there is no lab."""
    if not FACTS.exists():
        raise LabError("there is no lab: run `python -m tests.lab up vsphere` (and set CROSSVIRT_LAB as for it)")
    return Control(json.loads(FACTS.read_text())["control"][name])


def table() -> str:
    """One line per simulator: where it is and whether it runs."""
    rows = [f"{each.name:9} {'up' if each.runs() else 'down':5} https://{each.address}:{PORT}" for each in MEMBERS]
    return "\n".join([f"lab {INSTANCE}, connections in {CONNECTIONS}", *rows])
