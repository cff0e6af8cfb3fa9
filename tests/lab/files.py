# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that hold secrets."""

import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Write a file of mode 0600, whatever was there."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
