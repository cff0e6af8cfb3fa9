# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment in which both sides run: the newest Python here, and one release of everything else."""

import json
import os
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
VENV, WORK = ROOT / ".build" / "rivals", ROOT / ".build" / "benchmarks"
NEWEST = ("3.14", "3.13", "3.12", "3")  # the newest collections ask for more than we do
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "CROSSVIRT_"))} | {
    "LC_ALL": "C.UTF-8",
    "ANSIBLE_CONFIG": str(WORK / "ansible.cfg"),
    "ANSIBLE_COLLECTIONS_PATH": subprocess.check_output([ROOT / "tests/tools/installed.sh"], text=True).strip(),
    "ANSIBLE_HOME": str(WORK / "home"),
    "ANSIBLE_INVENTORY_PLUGINS": str(Path(__file__).with_name("plugins")),
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    "ANSIBLE_DEPRECATION_WARNINGS": "false",
}


def prepare() -> None:
    """Make the environment, unless it is there; half a gigabyte, because collections come together as one package."""
    stamp = VENV / "stamp"
    if not stamp.exists() or stamp.stat().st_mtime < REQUIREMENTS.stat().st_mtime:
        python = subprocess.check_output([ROOT / "tests" / "tools" / "python.sh", *NEWEST], text=True).strip()
        subprocess.run([python, "-m", "venv", "--clear", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
        stamp.touch()
    WORK.mkdir(parents=True, exist_ok=True)
    Path(ENVIRONMENT["ANSIBLE_CONFIG"]).touch()


def program(name: str) -> str:
    """Return the path of a program of that environment."""
    return str(VENV / "bin" / name)


def versions(*names: str) -> dict[str, str]:
    """Return the versions of ours, of Python, and of packages and collections; the names of collections have a dot."""
    listed = json.loads(subprocess.check_output([program("pip"), "list", "--format", "json"]))
    packages = {one["name"]: one["version"] for one in listed}
    return {
        "crossvirt.lifecycle": yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"],
        "Python": subprocess.check_output([program("python"), "--version"], text=True).split()[1],
        "ansible-core": packages["ansible-core"],
        **{name: collection_version(name) if "." in name else packages[name] for name in names},
    }


def collection_version(name: str) -> str:
    """Return the version of a collection that came with ansible."""
    manifest = f"lib/*/site-packages/ansible_collections/{name.replace('.', '/')}/MANIFEST.json"
    return str(json.loads(next(VENV.glob(manifest)).read_text())["collection_info"]["version"])
