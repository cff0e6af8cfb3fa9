# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds what a Xen host boots: Xen, kernel and initramfs of dom0, and its disk, a Debian with libvirt's libxl driver.

It takes less than a minute and is kept in the cache under a hash of the recipe. What differs between hosts is on
another disk, see `host.py`.
"""

import gzip
import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.commands import run
from tests.lab.requirements import names_in
from tests.lab.settings import CACHE

SOURCES = Path(__file__).parent / "inside"
RELEASE = "bookworm"
DISK_SIZE = "2G"

# Half of the space: what a dom0 of these hosts never loads.
LEFT_OUT = [
    *(f"/usr/share/{name}/*" for name in ("doc", "info", "locale", "man")),
    *(f"/lib/modules/*/kernel/{name}/*" for name in ("sound", "net/wireless", "drivers/net/ethernet")),
    *(
        f"/lib/modules/*/kernel/drivers/{name}/*"
        for name in ("gpu", "media", "infiniband", "staging", "iio", "hwmon", "usb", "mtd", "isdn", "scsi", "input")
    ),
]
INITRAMFS = {
    "etc/initramfs-tools/conf.d/lab": "MODULES=list\nCOMPRESS=gzip\n",
    "usr/share/initramfs-tools/modules.d/lab": "virtio_pci\nvirtio_blk\next4\n",
}


@dataclass(frozen=True)
class Dom0:
    """The built files."""

    xen: Path
    kernel: Path
    initramfs: Path
    disk: Path


def dom0() -> Dom0:
    """Find the files of this version of the recipe; build them first if need be."""
    folder = CACHE / f"xen-{fingerprint()}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            built = Path(scratch) / "built"
            built.mkdir()
            build(Path(scratch) / "root", built)
            try:
                built.rename(folder)
            except OSError:  # another lab was faster
                if not folder.is_dir():
                    raise
    return Dom0(folder / "xen.elf", folder / "vmlinuz", folder / "initrd", folder / "dom0.raw")


def fingerprint() -> str:
    """Hash the recipe, which names Debian's release, and what ends up on the disk."""
    digest = hashlib.sha256()
    for path in (Path(__file__), SOURCES / "packages.txt", SOURCES / "first"):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def build(root: Path, folder: Path) -> None:
    """Make the Debian and cut it into its parts."""
    install(root)
    shutil.copy(SOURCES / "first", root / "first")
    (root / "lab").mkdir()
    # Under QEMU's emulation Xen hides SEP, and libvirt then finds no model that fits and has no driver for Xen.
    model = root / "usr/share/libvirt/cpu_map/x86_qemu64.xml"
    model.write_text(model.read_text().replace("<feature name='sep'/>", ""))
    xen = next((root / "boot").glob("xen-*-amd64.gz"))
    (folder / "xen.elf").write_bytes(gzip.decompress(xen.read_bytes()))  # QEMU loads no compressed multiboot kernel
    shutil.copy(next((root / "boot").glob("vmlinuz-*")), folder / "vmlinuz")
    shutil.copy(next((root / "boot").glob("initrd.img-*")), folder / "initrd")
    run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root, folder / "dom0.raw", DISK_SIZE)


def install(root: Path) -> None:
    """Install Debian with this machine's ways to reach it: apt's settings for proxies and dates."""
    with tempfile.TemporaryDirectory() as scratch:
        files = []
        for name, text in INITRAMFS.items():
            source = Path(scratch) / name.replace("/", "_")
            source.write_text(text)
            files += [f'--essential-hook=install -D -m 644 {source} "$1/{name}"']
        run(
            "mmdebstrap",
            "--mode=root",
            "--variant=apt",
            f"--include={','.join(names_in(SOURCES / 'packages.txt'))}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
            *(f"--aptopt={line.removesuffix(';')}" for line in apt_settings()),
            *files,
            RELEASE,
            root,
        )


def apt_settings() -> list[str]:
    """List how this machine's apt fetches."""
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-")
    return [line for line in run("apt-config", "dump").splitlines() if line.startswith(wanted) and '""' not in line]
