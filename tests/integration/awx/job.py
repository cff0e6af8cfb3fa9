# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a job template through ansible-runner, in a private data directory laid out as AWX does it.

What is where, and the command line, are those of AWX's `RunJob`:
https://github.com/ansible/awx/blob/devel/awx/main/tasks/jobs.py
AWX starts Ansible in a container, in which no process outlives the first one. `isolated` does the same with bubblewrap,
which ansible-runner can use, too; else Ansible is a process like any other.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.integration.awx.credential import CredentialType
from tests.integration.awx.template import JobTemplate, unsafe
from tests.integration.bench import Process, collections

IDENT = "1"
PLAYBOOKS = "extensions/patterns/vm_lifecycle/playbooks"
NUMBERS = count(1)
Inventory = dict[str, Any]


@dataclass
class Job:
    """What is needed to launch one job, and what there is of it later."""

    folder: Path
    credential: CredentialType
    inputs: dict[str, Any]
    inventory: Inventory = field(default_factory=lambda: {"all": {"hosts": []}, "_meta": {"hostvars": {}}})
    arguments: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    isolated: bool = False

    def launch(self, template: JobTemplate, extra: dict[str, Any] | None = None, **answers: Any) -> Running:
        """Begin a job of the pattern, with answers to its survey and extra variables of the template itself."""
        return self.launch_file(f"{PLAYBOOKS}/{template.playbook}", (extra or {}) | template.variables(answers))

    def launch_file(self, playbook: str | Path, variables: dict[str, Any]) -> Running:
        """Begin a job with any playbook of the project, or an absolute path, and extra variables."""
        place = self.folder / f"job-{next(NUMBERS)}"
        data = place / "runner"
        for name in ("env", "inventory", "cp"):
            (data / name).mkdir(parents=True, mode=0o700)
        for name in ("tmp", "home", "inside"):
            (place / name).mkdir()
        shutil.copytree(
            Path(collections()) / "ansible_collections/crossvirt/lifecycle", data / "project", symlinks=True
        )
        injected = self.credential.inject(self.inputs, data / "env")
        script = f"#! /usr/bin/env python3\nprint({json.dumps(self.inventory)!r})\n"
        self._write(data / "inventory/hosts", script, 0o700)
        self._write(data / "env/extravars", unsafe(variables | {"awx_job_id": int(IDENT), "awx_user_name": "admin"}))
        self._write(data / "env/cmdline", " ".join(("-u", "root", *self.arguments)))
        settings: dict[str, Any] = {"job_timeout": 0, "suppress_ansible_output": True}
        if self.isolated:
            settings |= {"process_isolation": True, "process_isolation_executable": "bwrap"}
            shown = (sys.prefix, sys.base_prefix, collections(), str(place / "home"), str(place / "inside"))
            settings["process_isolation_show_paths"] = shown
        self._write(data / "env/settings", json.dumps(settings))
        self._write(data / "env/envvars", json.dumps(_environment(place, data) | injected | self.environ))
        argv = [sys.executable, "-m", "ansible_runner", "run", str(data), "-p", str(playbook), "--ident", IDENT]
        env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(place / "home")}
        return Running(Process(argv, place, env | {"TMPDIR": str(place / "tmp")}, patience_seconds=120), data)

    @staticmethod
    def _write(path: Path, text: str, mode: int = 0o600) -> None:
        path.write_text(text)
        path.chmod(mode)


def _environment(place: Path, data: Path) -> dict[str, str]:
    """Return what AWX sets for a job, with the image's collections where the installed ones are."""
    return {
        "AWX_PRIVATE_DATA_DIR": str(data),
        "JOB_ID": IDENT,
        "INVENTORY_ID": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_FORCE_COLOR": "True",
        "MAX_EVENT_RES": "700000",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(data / "cp"),
        "ANSIBLE_COLLECTIONS_PATH": f"{data / 'requirements_collections'}:{collections()}",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "inside"),
        "ANSIBLE_REMOTE_TMP": str(place / "home/remote"),
    }


@dataclass
class Running:
    """A job that was launched."""

    process: Process
    data: Path

    def cancel(self) -> None:
        """Do what AWX does through Receptor: tell ansible-runner to stop, which kills Ansible's process group."""
        self.process.popen.send_signal(signal.SIGTERM)

    def end(self) -> Done:
        """Wait for the end."""
        _code, stdout, stderr = self.process.end()
        artifacts = self.data / "artifacts" / IDENT
        status = (artifacts / "status").read_text()
        left = [] if status == "canceled" else list((self.data.parent / "inside").iterdir())
        assert left == [], "temporary files, which only the end of a container may leave"
        return Done(status, events(artifacts), stdout + stderr, self.data)


@dataclass
class Done:
    """A job that has ended."""

    status: str
    events: list[dict[str, Any]]
    printed: str
    data: Path

    def told(self, action: str) -> list[dict[str, Any]]:
        """Return the results of an action, as AWX keeps them; those of a loop one by one."""
        kept = ("runner_on_ok", "runner_on_failed", "runner_item_on_ok", "runner_item_on_failed")
        data = [event["event_data"] for event in self.events if event["event"] in kept]
        mine = [one["res"] for one in data if one["task_action"].rpartition(".")[2] == action]
        return [result for result in mine if "results" not in result]

    def results(self, module: str) -> list[dict[str, Any]]:
        """Return the results of one of our modules."""
        return self.told(module)

    def shown(self) -> str:
        """Return what a user of AWX sees."""
        return "\n".join(event["stdout"] for event in self.events)

    def stats(self) -> dict[str, Any]:
        """Return the artifacts that a job hands to a workflow."""
        ended = [event["event_data"] for event in self.events if event["event"] == "playbook_on_stats"]
        stats: dict[str, Any] = ended[0]["artifact_data"]
        return stats

    def leaks(self, *secrets: str) -> list[str]:
        """List the files that hold a secret, in any line of it, beside those that the credential consists of."""
        lines = [line.encode() for secret in secrets for line in secret.splitlines() if len(line) > 3]
        files = [path for path in self.data.parent.rglob("*") if path.is_file() and "/env/tmp" not in str(path)]
        assert lines
        assert [path for path in files if "job_events" in path.parts]
        found = [str(path) for path in files if any(line in path.read_bytes() for line in lines)]
        return found + ["what ansible-runner printed"] * any(line in self.printed.encode() for line in lines)


def events(artifacts: Path) -> list[dict[str, Any]]:
    """Read the events of a job in their order."""
    files = [path for path in (artifacts / "job_events").glob("*.json") if "partial" not in path.name]
    return [json.loads(path.read_text()) for path in sorted(files, key=lambda path: int(path.name.partition("-")[0]))]
