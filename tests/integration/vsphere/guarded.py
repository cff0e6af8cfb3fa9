# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules and playbooks as a job of AWX does, with policies at /etc/crossvirt that only their mounts see."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from tests.integration import bench
from tests.integration.vsphere.bench import Bench, connections
from tests.lab.vsphere.server import Simulator

UID, GID = 1000, 0  # of jobs in execution environments: any user, and the group of root
MOUNT = """
mount --bind "$0" /etc
if [ -d "$1" ]; then mount --bind "$1" /etc/crossvirt; fi
shift
exec "$@"
"""
Options = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """One task that a policy forbids: a module, its options, and around them whatever a job could think of."""

    module: str
    options: Options
    environ: dict[str, str] = field(default_factory=dict)
    policy: str = "strict"
    check_mode: bool = False


class Guarded(Bench):
    """A bench whose processes are another user's, in mounts of their own, below a policy.

    `policies` are folders that stand in the place of /etc/crossvirt; the machine's own /etc is let be.
    """

    def __init__(self, sim: Simulator, folder: Path) -> None:
        super().__init__(sim, folder)
        self.etc, self.policies, self.policy = folder / "etc", folder / "policies", "none"
        self.policies.mkdir()
        shutil.copytree("/etc", self.etc, symlinks=True, ignore=not_for_everybody)
        self.crossvirt = self.etc / "crossvirt"
        self.crossvirt.mkdir()
        ca = shutil.copy(sim.ca_path, folder / "ca.pem")
        self.lab = sim.connection(ca_path=str(ca))
        connections(folder, {"lab": self.lab})
        os.chown(self.connections_file, owner(), -1)

    @classmethod
    @contextmanager
    def on(cls, sim: Simulator) -> Iterator[Self]:
        """A bench in a folder that others may enter, which pytest's are not."""
        with tempfile.TemporaryDirectory(prefix="crossvirt-policy-") as folder:
            Path(folder).chmod(0o755)
            yield cls(sim, Path(folder))

    def can_mount(self) -> bool:
        """Say whether this machine lets anybody have mounts of their own."""
        return subprocess.run(self.fenced("none", ["true"]), capture_output=True, check=False).returncode == 0

    def write(self, name: str, policy: Any) -> Path:
        """Write a policy, as keys or as bytes, that a task may then be held to by its name."""
        folder = self.policies / name
        folder.mkdir()
        file = folder / "policy.yml"
        file.write_bytes(policy if isinstance(policy, bytes) else yaml.safe_dump(policy, allow_unicode=True).encode())
        return file

    def another_etc(self, name: str) -> Path:
        """Return the place of /etc/crossvirt in an /etc of its own, for what is no folder with a file."""
        etc = self.policies / f"{name}-etc"
        shutil.copytree(self.etc, etc, symlinks=True, copy_function=os.link)
        (etc / "crossvirt").rmdir()
        return etc / "crossvirt"

    def begin_way(self, way: Way) -> bench.Module:
        """Start a module."""
        place, env = self._place(way.environ)
        options = {"hypervisor": {"name": "lab"}, **way.options}
        arguments = {**options, "_ansible_check_mode": way.check_mode, "_ansible_diff": True}
        file = place / "arguments.json"
        file.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        program = [sys.executable, "-m", f"{bench.MODULES}.{way.module}", str(file)]
        return bench.Module(self.fenced(way.policy, program), place, env, self.patience_seconds)

    def run_all(self, ways: dict[str, Way]) -> dict[str, bench.Result]:
        """Run many modules, a few at a time."""
        with ThreadPoolExecutor(3) as pool:
            return dict(zip(ways, pool.map(lambda way: self.begin_way(way).result(), ways.values()), strict=True))

    def command(self, program: str, *argv: str, environ: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Run one of Ansible's programs, below the policy that is set."""
        place, env = self._place(environ)
        path = str(Path(sys.executable).parent / program)
        return bench.Process(self.fenced(self.policy, [path, *argv]), place, env, self.patience_seconds).end()

    def fenced(self, policy: str, program: list[str]) -> list[str]:
        """Return a program with its mounts, as another user; what is root's alone may be read all the same."""
        mounts = ["unshare", "--mount", "--propagation", "private"]
        user = ["setpriv", "--reuid", str(UID), "--regid", str(GID), "--clear-groups"]
        reading = ["--inh-caps", "-all,+dac_read_search", "--ambient-caps", "-all,+dac_read_search"]
        if os.geteuid():
            mounts, user, reading = [*mounts, "--user", "--map-root-user"], [], []
        other = self.policies / f"{policy}-etc"
        etc = other if other.is_dir() else self.etc
        folder = str(self.policies / policy)
        return [*mounts, "sh", "-euc", MOUNT, str(etc), folder, *user, *reading, *program]

    def _place(self, environ: dict[str, str] | None) -> tuple[Path, dict[str, str]]:
        """Return a new folder that is that user's."""
        place, env = super()._place({"HOME": str(self.folder / "nobody"), **(environ or {})})
        for one in (place, place / "tmp"):
            os.chown(one, owner(), -1)
        return place, env


def owner() -> int:
    """Return whose files a job may write."""
    return os.geteuid() or UID


def not_for_everybody(folder: str, names: list[str]) -> list[str]:
    """Return what of a folder only root may read."""
    return [name for name in names if not os.lstat(Path(folder) / name).st_mode & 0o004]
