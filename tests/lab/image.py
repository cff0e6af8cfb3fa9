# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the guest: two small bootable disk images, kept in the cache under a hash of all that goes into them.

p1 is FAT with kernel, initramfs, and what tells syslinux (bios), systemd-boot (uefi) and pygrub (Xen) of them; p2 is a
small ext4, the guest's /data.
`deaf.qcow2` differs in one word of the kernel's command line: no agent, no power button.
"""

import gzip
import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.commands import LabError, run
from tests.lab.settings import CACHE

SOURCES = Path(__file__).parent / "guest"
INGREDIENTS = ("busybox-static", "qemu-guest-agent", "syslinux", "systemd-boot-efi")

# In dependency order for people; the loading order is modprobe's. The cloud kernel has no AHCI and no e1000 driver:
# a guest on a sata disk boots, because its root is the initramfs, but has no /data.
MODULES = (
    "virtio_pci",
    "virtio_console",
    "button",
    "evdev",
    "virtio_blk",
    "virtio_net",
    "virtio_scsi",
    "sd_mod",
    "virtio_balloon",
    "xen_blkfront",
    "xen_netfront",
)

# swiotlb=noforce: with hot-pluggable memory the kernel would set 64 MiB aside and a 128 MiB guest dies silently.
# The others save boot time under TCG.
CMDLINE = "console=tty0 console=ttyS0 quiet swiotlb=noforce mitigations=off nokaslr no_timer_check tsc=reliable"

MIB = 1024 * 1024
SECTOR = 512
BOOT_MIB, DATA_MIB = 23, 8
DISK_MIB = 1 + BOOT_MIB + DATA_MIB


@dataclass(frozen=True)
class Images:
    """The built images and their size as the guest sees it."""

    guest: Path
    deaf: Path
    virtual_bytes: int


def images() -> Images:
    """Find the images of this version of the sources; build them first if need be (two seconds)."""
    kernel = newest_kernel()
    folder = CACHE / f"guest-{fingerprint(kernel)}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            built = Path(scratch) / "built"
            built.mkdir()
            build(kernel, built)
            try:
                built.rename(folder)
            except OSError:  # another lab was faster
                if not folder.is_dir():
                    raise
    return Images(folder / "guest.qcow2", folder / "deaf.qcow2", DISK_MIB * MIB)


def newest_kernel() -> str:
    """Find the version of the newest installed cloud kernel."""
    versions = [path.name.removeprefix("vmlinuz-") for path in Path("/boot").glob("vmlinuz-*-cloud-amd64")]
    if not versions:
        raise LabError("no cloud kernel below /boot: install linux-image-cloud-amd64")
    return max(versions, key=lambda version: [int(number) for number in re.findall(r"\d+", version)])


def fingerprint(kernel: str) -> str:
    """Hash the sources and the versions of the kernel and the packages that end up inside."""
    digest = hashlib.sha256()
    for path in (Path(__file__), *sorted(SOURCES.iterdir())):
        digest.update(path.read_bytes())
    digest.update(run("dpkg-query", "-W", *INGREDIENTS, f"linux-image-{kernel}").encode())
    return digest.hexdigest()[:16]


def build(kernel: str, folder: Path) -> None:
    """Write guest.qcow2 and deaf.qcow2 into a folder."""
    initrd = initramfs(kernel)
    for name, cmdline in (("guest", CMDLINE), ("deaf", f"{CMDLINE} lab.deaf")):
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            raw = disk(Path(scratch), Path(f"/boot/vmlinuz-{kernel}"), initrd, cmdline)
            run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, folder / f"{name}.qcow2")


def initramfs(kernel: str) -> bytes:
    """Pack busybox, the agent, its libraries and the modules."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for name in (
            "bin",
            "sbin",
            "lib/modules",
            "proc",
            "sys",
            "dev",
            "run",
            "tmp",
            "var",
            "data",
            "data2",
            "etc/acpi/PWRF",
        ):
            (root / name).mkdir(parents=True)
        install_programs(root)
        install_modules(root, kernel)
        for source, target in (
            ("init", "init"),
            ("power-button", "etc/acpi/PWRF/00000080"),
            ("poweroff", "sbin/poweroff"),
            ("poweroff", "sbin/reboot"),
            ("shutdown", "sbin/shutdown"),
            ("udhcpc", "sbin/udhcpc"),
        ):
            shutil.copy(SOURCES / source, root / target)
            (root / target).chmod(0o755)
        names = "\n".join(sorted(str(path.relative_to(root)) for path in root.rglob("*")))
        archive = root.with_suffix(".cpio")
        run("cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0", "-D", root, "-F", archive, stdin=names.encode())
        packed = gzip.compress(archive.read_bytes(), mtime=0)
        archive.unlink()
        return packed


def install_programs(root: Path) -> None:
    """Copy busybox under all its names, and qemu-ga with the libraries it is linked to."""
    busybox = shutil.which("busybox")
    assert busybox  # its package was checked
    shutil.copy(busybox, root / "bin/busybox")
    for applet in run(busybox, "--list").split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    shutil.copy("/usr/sbin/qemu-ga", root / "sbin")
    for library in re.findall(r"(/\S+)", run("ldd", "/usr/sbin/qemu-ga")):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


def install_modules(root: Path, kernel: str) -> None:
    """Copy the modules and those they need, and their names in loading order."""
    order: list[str] = []
    for module in MODULES:
        for line in run("modprobe", "-S", kernel, "--show-depends", module).splitlines():
            path = Path(line.split()[1])
            if path.stem not in order:
                order.append(path.stem)
                shutil.copy(path, root / "lib/modules")
    (root / "lib/modules/order").write_text("".join(f"{name}\n" for name in order))


def disk(scratch: Path, kernel: Path, initrd: bytes, cmdline: str) -> Path:
    """Make a raw disk: master boot record, p1 with boot loaders, kernel and initramfs, p2 empty."""
    boot, data, raw = scratch / "boot", scratch / "data", scratch / "disk"
    for path, size in ((boot, BOOT_MIB * MIB), (data, DATA_MIB * MIB)):
        with path.open("wb") as file:
            file.truncate(size)
    run("mkfs.vfat", "-h", str(MIB // SECTOR), "-n", "LABBOOT", boot)
    run("mke2fs", "-q", "-t", "ext4", "-L", "labdata", "-O", "^has_journal", data)
    run("mmd", "-i", boot, "::EFI", "::EFI/BOOT", "::loader", "::loader/entries", "::grub")
    run("mcopy", "-i", boot, kernel, "::vmlinuz")
    run("mcopy", "-i", boot, "-", "::initrd", stdin=initrd)
    run("mcopy", "-i", boot, "/usr/lib/systemd/boot/efi/systemd-bootx64.efi", "::EFI/BOOT/BOOTX64.EFI")
    for name, text in (
        (
            "syslinux.cfg",
            f"DEFAULT lab\nPROMPT 0\nTIMEOUT 0\nLABEL lab\nLINUX /vmlinuz\nINITRD /initrd\nAPPEND {cmdline}\n",
        ),
        (
            "grub/grub.cfg",
            f"set timeout=0\nmenuentry 'lab' {{\n linux /vmlinuz {cmdline} console=hvc0\n initrd /initrd\n}}\n",
        ),
        ("loader/loader.conf", "timeout 0\ndefault lab.conf\neditor no\n"),
        ("loader/entries/lab.conf", f"title lab\nlinux /vmlinuz\ninitrd /initrd\noptions {cmdline}\n"),
    ):
        run("mcopy", "-i", boot, "-", f"::{name}", stdin=text.encode())
    run("syslinux", "--install", boot)
    with raw.open("wb") as file:
        file.write(master_boot_record())
        file.seek(MIB)
        file.write(boot.read_bytes())
        file.write(data.read_bytes())
        file.truncate(DISK_MIB * MIB)
    return raw


def master_boot_record() -> bytes:
    """Put two entries behind syslinux's boot code: an active EFI system partition from 1 MiB on, then a Linux one."""
    code = Path("/usr/lib/syslinux/mbr/mbr.bin").read_bytes().ljust(446, b"\0")
    first = partition(0x80, 0xEF, 1, BOOT_MIB)
    second = partition(0, 0x83, 1 + BOOT_MIB, DATA_MIB)
    return code + first + second + bytes(32) + b"\x55\xaa"


def partition(active: int, kind: int, start_mib: int, size_mib: int) -> bytes:
    """Write an entry of the partition table; its geometry fields say "see the sector numbers"."""
    geometry = b"\xfe\xff\xff"
    sectors = [(number * MIB // SECTOR).to_bytes(4, "little") for number in (start_mib, size_mib)]
    return bytes([active]) + geometry + bytes([kind]) + geometry + b"".join(sectors)
