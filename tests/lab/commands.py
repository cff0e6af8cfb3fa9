# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs, with an error that says which one failed and why."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path


class LabError(Exception):
    """Something the person at the terminal can do something about; the message is all they need."""


def run(
    *argv: str | Path, stdin: bytes | None = None, check: bool = True, environment: dict[str, str] | None = None
) -> str:
    """Run a program: its standard output as text; LabError with its standard error if it fails."""
    done = subprocess.run([str(arg) for arg in argv], input=stdin, capture_output=True, check=False, env=environment)
    if check and done.returncode:
        raise LabError(f"{' '.join(map(str, argv))}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")


def wait_until(holds: Callable[[], bool], what: str, timeout_seconds: float = 30) -> None:
    """Look every 50 ms; LabError naming `what` when it does not come true in time."""
    deadline = time.monotonic() + timeout_seconds
    while not holds():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not so after {timeout_seconds:g} seconds")
        time.sleep(0.05)
