# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab needs of its machine: root, and the packages of packages.txt."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.lab.commands import LabError

PACKAGES = Path(__file__).with_name("packages.txt")


def names_in(*lists: Path) -> list[str]:
    """Read the names in lists of packages."""
    lines = [line for path in lists for line in path.read_text().splitlines()]
    return [name for line in lines if (name := line.partition("#")[0].strip())]


def check(*more: Path) -> None:
    """LabError that names everything that is missing; `more` are lists of packages beside the lab's own."""
    wanted = names_in(PACKAGES, *more)
    if os.geteuid():
        raise LabError("the lab needs root: network namespaces and libvirtd")
    if not shutil.which("dpkg-query"):
        raise LabError("the lab needs Debian: its packages are named in tests/lab/packages.txt")
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *wanted]
    answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[1] for line in answer.splitlines() if line.startswith("installed ")}
    if missing := [name for name in wanted if name not in installed]:
        raise LabError(f"missing packages: apt-get install --no-install-recommends {' '.join(missing)}")
    try:
        import libvirt  # noqa: F401
        import yaml  # noqa: F401
    except ImportError as error:
        raise LabError(f"missing Python package: {error.name} (make venv)") from None
