# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's own disk, /lab in its dom0: settings, certificates, keys, dom0's init, and the folders of its pools."""

import shutil
from pathlib import Path

from tests.lab import pki
from tests.lab.commands import run
from tests.lab.xen.dom0 import SOURCES
from tests.lab.xen.settings import NET, RUNTIME

SIZE = "3G"  # sparse
PKI = RUNTIME / "pki"
SSH = RUNTIME / "ssh"

LIBVIRTD_CONF = """\
listen_tls = 1
listen_tcp = 1
listen_addr = "0.0.0.0"
auth_tcp = "none"
auth_unix_rw = "none"
host_uuid = "{uuid}"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
keepalive_interval = 5
keepalive_count = 5
max_clients = 500
"""
SSHD_CONFIG = """\
HostKey /lab/host_key
AuthorizedKeysFile /lab/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
UseDNS no
MaxSessions 50
"""


def create(name: str, address: str, uuid: str, folder: Path, images: list[Path]) -> Path:
    """Write the disk of a host into its folder; `images` become raw files of its pool `default`."""
    root = folder / "lab"
    for below in ("boot", "images", "fast", "etc/libvirt", "etc/ssh"):
        (root / below).mkdir(parents=True)
    for script in ("init", "libvirtd", "type"):
        shutil.copy(SOURCES / script, root)
    (root / "host").write_text(f"NAME={name}\nADDRESS={address}\n")
    (root / "etc/libvirt/libvirtd.conf").write_text(LIBVIRTD_CONF.format(uuid=uuid))
    (root / "etc/ssh/sshd_config").write_text(SSHD_CONFIG)
    shutil.copy(SSH / "host_key", root)
    shutil.copy(SSH / "id.pub", root / "authorized_keys")
    pki.install(root / "etc/pki", name, address, PKI)
    # A host that cannot find its own name waits ten seconds for a name server that is not there.
    lines = ["127.0.0.1 localhost", *(f"{NET}.{number} xen{number}" for number in (1, 2))]
    (root / "etc/hosts").write_text("\n".join(lines) + "\n")
    (root / "etc/resolv.conf").touch()
    for image in images:
        run("qemu-img", "convert", "-O", "raw", image, root / "images" / f"{image.stem}.raw")
    for part in ("vmlinuz", "initrd"):  # a kernel given by its path starts sooner than one that pygrub has to find
        run("mcopy", "-i", f"{root}/images/{images[0].stem}.raw@@1M", f"::{part}", root / "boot")
    disk = folder / "own.raw"
    run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root, disk, SIZE)
    shutil.rmtree(root)
    return disk
