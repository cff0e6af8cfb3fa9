# SPDX-License-Identifier: GPL-3.0-or-later
"""qemu+ssh: a key for the lab, and an ssh server's settings."""

import shutil
from pathlib import Path

from tests.lab.commands import run
from tests.lab.settings import CACHE, RUNTIME

FOLDER = RUNTIME / "ssh"
CLIENT_KEY = FOLDER / "id"
CONFIG = FOLDER / "sshd_config"
# Kept between labs: a client remembers the key of an address, and a new one would look like an attack.
HOST_KEY = CACHE / "ssh_host_key"

SSHD_CONFIG = f"""\
HostKey {FOLDER}/host_key
AuthorizedKeysFile {CLIENT_KEY}.pub
PidFile /run/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
"""


def create() -> None:
    """Keys and settings."""
    FOLDER.mkdir(mode=0o700)
    if not HOST_KEY.exists():
        new_key(HOST_KEY)
    shutil.copy(HOST_KEY, FOLDER / "host_key")
    new_key(CLIENT_KEY)
    CONFIG.write_text(SSHD_CONFIG)


def new_key(path: Path) -> None:
    """Make an ed25519 key without a passphrase."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "crossvirt lab", "-f", path)


def uri(address: str) -> str:
    """Write libvirt's URI with the lab's key; the host key is not verified, nothing knows it."""
    return f"qemu+ssh://root@{address}/system?keyfile={CLIENT_KEY}&no_verify=1&sshauth=privkey"
