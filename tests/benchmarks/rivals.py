# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment in which both sides run: one Python, one ansible-core, one libvirt-python."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
VENV, WORK = ROOT / ".build" / "rivals", ROOT / ".build" / "benchmarks"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "CROSSVIRT_"))} | {
    "LC_ALL": "C.UTF-8",
    "ANSIBLE_CONFIG": str(WORK / "ansible.cfg"),
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
}


def prepare() -> None:
    """Make the environment, unless it is there; half a gigabyte, because collections come together as one package."""
    stamp = VENV / "stamp"
    if not stamp.exists() or stamp.stat().st_mtime < REQUIREMENTS.stat().st_mtime:
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
        stamp.touch()
    WORK.mkdir(parents=True, exist_ok=True)
    Path(ENVIRONMENT["ANSIBLE_CONFIG"]).touch()


def program(name: str) -> str:
    """Return the path of a program of that environment."""
    return str(VENV / "bin" / name)


def plain(connection: dict[str, Any]) -> str:
    """Return the plaintext URI of a connection of the lab: encryption would cost both sides the same."""
    return str(connection["hosts"][0]).replace("qemu+tls:", "qemu+tcp:")


def versions() -> dict[str, str]:
    """Return the versions of what is compared, by name."""
    ask = (
        "import importlib.metadata as m, json, platform, ansible_collections.community.libvirt as c;"
        "print(json.dumps({'Python': platform.python_version(), **{n: m.version(n) for n in"
        " ('ansible-core', 'libvirt-python')}, 'community': list(c.__path__)[0]}))"
    )
    found: dict[str, str] = json.loads(subprocess.check_output([program("python"), "-c", ask], env=ENVIRONMENT))
    manifest = json.loads((Path(found.pop("community")) / "MANIFEST.json").read_text())
    return {**found, "community.libvirt": manifest["collection_info"]["version"]}
