# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of drivers that only some modules send along.

Ansible sends with a module every file that an import of it names, wherever the import stands, and reads all of them in
every task. A part that few modules need is therefore named by a text here, and sent by the registry of those few.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def half(package: str | None, name: str) -> Any:
    """Return a part of the package that asks for it."""
    return import_module(f".{name}", package)
