# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own servers in the root namespace: each is a process with a pid file, which it writes when it is ready."""

import os
import subprocess
import sys
from pathlib import Path

from tests.lab.commands import LabError, wait_until
from tests.lab.settings import CHECKOUT, RUNTIME


def start(name: str, module: str, *arguments: str | Path, folder: Path = RUNTIME) -> None:
    """Run `python -m tests.lab.MODULE PID_FILE ARGUMENTS` in the background and wait until it is ready."""
    pid_file = folder / f"{name}.pid"
    server = subprocess.Popen(
        [sys.executable, "-m", f"tests.lab.{module}", pid_file, *map(str, arguments)],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(folder / f"{name}.log").open("wb"),
        start_new_session=True,
    )
    wait_until(lambda: pid_file.exists() or server.poll() is not None, f"{name} is ready")
    if not pid_file.exists():
        raise LabError(f"{name}: {(folder / f'{name}.log').read_text().strip()}")


def ready(pid_file: Path) -> None:
    """Say that the server of this process listens now."""
    scratch = pid_file.with_suffix(".new")
    scratch.write_text(str(os.getpid()))
    scratch.rename(pid_file)
