# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules and playbooks as processes of their own, and sees to it that they leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

from tests.lab.commands import wait_until

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
MODULES = "ansible_collections.crossvirt.lifecycle.plugins.modules"
FOREIGN = ("CROSSVIRT_", "VMWARE_", "ANSIBLE_")
LINGER_SECONDS = 5

Result = dict[str, Any]


@cache
def collections() -> str:
    """Return where Ansible finds the collection: as installed from its archive, or the checkout with CHECKOUT=1."""
    found = subprocess.run([ROOT / "tests/tools/installed.sh"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


class Process:
    """A program in a session of its own, with a private folder for temporary files."""

    def __init__(self, argv: list[str], place: Path, env: dict[str, str], patience_seconds: float) -> None:
        self.temporary = place / "tmp"
        self.patience_seconds = patience_seconds
        self.seconds = 0.0
        begun = time.monotonic()
        self.popen = subprocess.Popen(
            argv,
            cwd=place,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

        def read() -> None:
            self.printed = self.popen.communicate()
            self.seconds = time.monotonic() - begun

        self._reader = Thread(target=read)
        self._reader.start()

    def end(self) -> tuple[int, str, str]:
        """Return exit status and both outputs; nothing is left of it, neither processes nor temporary files."""
        self._reader.join(self.patience_seconds)
        if self._reader.is_alive():
            os.killpg(self.popen.pid, signal.SIGKILL)
            self._reader.join()
            raise AssertionError(f"{self.popen.args!r} hangs after {self.patience_seconds} s: {self.printed}")
        assert list(self.temporary.iterdir()) == []
        wait_until(lambda: not self.processes(), "end of what a process has started", LINGER_SECONDS)
        return self.popen.returncode, *self.printed

    def processes(self) -> list[str]:
        """List what still runs in the session."""
        found = subprocess.run(
            ["ps", "-o", "args=", "-s", str(self.popen.pid)], capture_output=True, text=True, check=False
        )
        return found.stdout.splitlines()


class Module(Process):
    """A module that runs."""

    def result(self) -> Result:
        """Return what it printed: one JSON object, and nothing on standard error."""
        code, stdout, stderr = self.end()
        assert not stderr, stderr
        result: Result = json.loads(stdout)
        assert code == int("error" in result)
        return result


@dataclass
class Played:
    """What a playbook did: results in order, and what was printed."""

    code: int
    results: list[Result]
    printed: str

    @property
    def changed(self) -> list[bool]:
        """Of each task."""
        return [bool(result.get("changed")) for result in self.results]


class Bench(ABC):
    """Runs modules and programs of Ansible's with a connections file; everything they write is below `folder`."""

    patience_seconds: ClassVar[float] = 120  # what takes longer hangs

    def __init__(self, folder: Path, connections_file: Path) -> None:
        self.folder, self.connections_file = folder, connections_file
        self._numbers = count()

    def begin(
        self, module: str, /, *, check_mode: bool = False, environ: dict[str, str] | None = None, **options: Any
    ) -> Module:
        """Start a module, on the connection `lab` unless another is given."""
        place, env = self._place(environ)
        arguments = {"hypervisor": {"name": "lab"}, **options, "_ansible_check_mode": check_mode, "_ansible_diff": True}
        file = place / "arguments.json"
        file.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        return Module([sys.executable, "-m", f"{MODULES}.{module}", str(file)], place, env, self.patience_seconds)

    def run(self, module: str, /, **options: Any) -> Result:
        """Run a module to its end."""
        return self.begin(module, **options).result()

    @abstractmethod
    def picture(self) -> object:
        """Return what refused tasks leave as it was; told by a witness that is not the collection."""

    def refused(self, error: str, *words: str, module: str = "vm_state", **options: Any) -> Result:
        """Run a module that must fail with this class and a message that names these, and change nothing."""
        before = self.picture()
        result = self.run(module, **options)
        assert_refused(result, error, *words)
        assert self.picture() == before
        return result

    def play(
        self, playbook: str | Path, *argv: str, environ: dict[str, str] | None = None, fails: bool = False, **extra: Any
    ) -> Played:
        """Run a playbook of this folder, or any by its path or by its name in a collection, with extra variables."""
        records = self.folder / f"results-{next(self._numbers)}"
        more = ("-e", json.dumps(extra)) if extra else ()
        named = str(playbook).startswith("crossvirt.")
        path = playbook if named else HERE / "playbooks" / playbook  # an absolute path stays what it is
        env = {"RECORD_TO": str(records)} | (environ or {})
        code, stdout, stderr = self.command("ansible-playbook", str(path), *argv, *more, environ=env)
        results = [json.loads(line) for line in records.read_text().splitlines()] if records.exists() else []
        assert (code != 0) == fails, stdout + stderr
        return Played(code, results, stdout + stderr)

    def command(self, program: str, *argv: str, environ: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Run one of Ansible's programs."""
        place, env = self._place(environ)
        return Process([str(Path(sys.executable).parent / program), *argv], place, env, self.patience_seconds).end()

    def _place(self, environ: dict[str, str] | None) -> tuple[Path, dict[str, str]]:
        """Return a new folder, and an environment in which everything temporary goes into its `tmp`."""
        place = self.folder / str(next(self._numbers))
        temporary = place / "tmp"
        temporary.mkdir(parents=True)
        own = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        return place, own | {
            "PYTHONPATH": collections(),
            "TMPDIR": str(temporary),
            "CROSSVIRT_CONNECTIONS": str(self.connections_file),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": collections(),
            "ANSIBLE_HOME": str(place / "home"),
            "ANSIBLE_LOCAL_TEMP": str(temporary),
            "ANSIBLE_REMOTE_TMP": str(place / "home/remote"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "RECORD_TO": os.devnull,
            **(environ or {}),
        }


def assert_refused(result: Result, error: str, *words: str) -> None:
    """Hold a result to a class, to a message that names what it is about, and to having changed nothing."""
    assert (result["error"], result["changed"]) == (error, False), result
    assert not [word for word in words if word not in result["msg"]], result["msg"]
    assert not any(one["changed"] or one["steps"] for one in [*result.get("vms", ()), *result.get("hosts", ())])


def steps_of(result: Result) -> list[list[tuple[str, str | None]]]:
    """Return each VM's steps as (action, outcome)."""
    return [[(step["action"], step.get("outcome")) for step in vm["steps"]] for vm in result["vms"]]
