# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage that libvirt itself takes for shared: one folder, seen by every host through one FUSE mount.

libvirt asks for the type of a file system before it moves a running VM without its disks, and knows of FUSE only what
/proc/mounts calls `fuse.glusterfs` or `fuse.quobyte`. So bindfs, which passes everything through, is mounted as that.
"""

import subprocess
from pathlib import Path

from tests.lab.commands import LabError, run, wait_until
from tests.lab.settings import RUNTIME

BEHIND, MOUNT, LOG = RUNTIME / "shared-files", RUNTIME / "shared", RUNTIME / "shared.log"


def mount() -> None:
    """Mount it in the root namespace, before hosts get theirs; its process ends like the lab's other servers."""
    for folder in (BEHIND, MOUNT):
        folder.mkdir()
    server = subprocess.Popen(
        ["bindfs", "-f", "-o", "subtype=glusterfs", BEHIND, MOUNT],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=LOG.open("wb"),
        start_new_session=True,
    )
    MOUNT.with_suffix(".pid").write_text(str(server.pid))
    wait_until(lambda: mounted() or server.poll() is not None, "the shared storage is mounted")
    if not mounted():
        raise LabError(f"bindfs: {LOG.read_text().strip()}")


def mounted() -> bool:
    """Whether it is, also where its process has died: os.path.ismount() would say no."""
    return any(line.split()[1] == str(MOUNT) for line in Path("/proc/self/mounts").read_text().splitlines())


def unmount() -> None:
    """Remove the mount if its process did not."""
    if mounted():
        run("umount", "--lazy", MOUNT)
