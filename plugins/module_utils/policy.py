# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the policy of this machine is, and whether it is one: nothing that a task says leads elsewhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import PolicyRefused

if TYPE_CHECKING:  # machines without a policy need not compile it
    from .planning.policy import Policy

PATH = Path("/etc/crossvirt/policy.yml")


def load(warn: Callable[[str], None], path: Path = PATH) -> Policy | None:
    """Return the policy; None on a machine without.

    Raises PolicyRefused for one that cannot be read or is not valid, MissingLibrary without PyYAML. Whoever could
    change it is warned: such a policy binds nobody.
    """
    try:
        if not is_there(path):
            return None
        if not stat.S_ISREG(path.stat().st_mode):
            raise PolicyRefused(f"the policy {path} is no file, and so nothing is changed")
        text = path.read_bytes().decode()  # never by the locale, which a task can choose
        weak = weak_place(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PolicyRefused(f"the policy {path} cannot be read, and so nothing is changed: {reason}") from error
    if weak:
        warn(
            f"the policy {path} does not bind the account that this task runs as, uid {os.geteuid()}: it can change "
            f"{weak}; only another account, such as root, may own and write it and all that leads there"
        )
    from .policy_file import policy_from

    return policy_from(text, path)


def is_there(path: Path) -> bool:
    """Say whether there is a policy; its folder may hold other files. Raises OSError where nobody can tell."""
    try:
        path.parent.lstat()
    except FileNotFoundError:
        return False
    try:
        path.lstat()
    except FileNotFoundError:
        path.parent.stat()  # a link that leads nowhere is no folder without a policy
        return False
    return True


def weak_place(path: Path) -> Path | None:
    """Return what this process could change of all that leads to a file, links included: it could write or chmod it."""
    waiting, seen = [path], set[Path]()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        effective = os.access in os.supports_effective_ids
        if os.access(one, os.W_OK, effective_ids=effective) or one.lstat().st_uid == os.geteuid():
            return one
        waiting.append(one.parent)
        if one.is_symlink():
            waiting.append(one.parent / one.readlink())
    return None
