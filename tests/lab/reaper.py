# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a daemon and, as long as it has children, collects those that nobody else waits for, at once.

libvirt takes a QEMU for alive until its process is collected. That is the work of a machine's first process, and the
one of many a container takes seconds for it: each VM would take as long to stop, or to hand over after a migration.
"""

import contextlib
import ctypes
import os
import subprocess
import sys
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def main(argv: list[str]) -> int:
    """Return the daemon's exit status once it is in the background; the reaper stays there, too."""
    hears, tells = os.pipe()
    if os.fork():
        os.close(tells)
        return int.from_bytes(os.read(hears, 1) or b"\1")
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    status = subprocess.run(argv, check=False).returncode
    with Path(os.devnull).open("r+b", buffering=0) as nowhere:
        for stream in (0, 1, 2):  # the caller reads them to their end
            os.dup2(nowhere.fileno(), stream)
    os.write(tells, bytes([status & 0xFF]))
    os.close(tells)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
