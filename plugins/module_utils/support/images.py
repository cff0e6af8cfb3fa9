# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images in files where the module runs: format and virtual size, read from the header alone, and checksum."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from struct import unpack_from

from ..errors import InvalidOption

HEADER_BYTES = 104
QCOW2 = b"QFI\xfb"
FOREIGN = {
    b"KDMV": "a VMDK image",
    b"vhdxfile": "a VHDX image",
    b"conectix": "a VHD image",
    b"\xfd7zXZ": "compressed with xz",
    b"\x1f\x8b": "compressed with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"BZh": "compressed with bzip2",
    b"PK\x03\x04": "a zip archive",
}
VERSION_WITH_FEATURES = 3  # https://www.qemu.org/docs/master/interop/qcow2.html
EXTERNAL_DATA_FILE = 1 << 2  # an incompatible feature
CHECKSUM = re.compile("sha256:[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A disk image: `format` is qcow2 or raw, `size_bytes` what a guest sees, `file_bytes` what is sent."""

    path: str
    format: str
    size_bytes: int
    file_bytes: int


def inspect(path: str) -> ImageFile:
    """Read an image's header; raises InvalidOption for a file that is no complete disk image by itself."""
    try:
        file_bytes = Path(path).stat().st_size
        with Path(path).open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError as error:
        raise InvalidOption(f"image.file: {path}: {error.strerror}") from error
    if kind := next((kind for magic, kind in FOREIGN.items() if header.startswith(magic)), None):
        raise InvalidOption(f"image.file: {path} is {kind}; a qcow2 or raw image is needed")
    if not header.startswith(QCOW2):
        if not file_bytes or file_bytes % 512:
            raise InvalidOption(f"image.file: {path} is no disk image: it has {file_bytes} bytes, not whole sectors")
        return ImageFile(path, "raw", file_bytes, file_bytes)
    return ImageFile(path, "qcow2", qcow2_size(path, header.ljust(HEADER_BYTES, b"\0")), file_bytes)


def qcow2_size(path: str, header: bytes) -> int:
    """Return the virtual size; an image that needs another file, or a password, is refused."""
    version, backing, _length, _bits, size, encryption = unpack_from(">IQIIQI", header, 4)
    incompatible = unpack_from(">Q", header, 72)[0] if version >= VERSION_WITH_FEATURES else 0
    if backing or incompatible & EXTERNAL_DATA_FILE:
        raise InvalidOption(f"image.file: {path} builds on another file; a complete image is needed")
    if encryption:
        raise InvalidOption(f"image.file: {path} is encrypted")
    return int(size)


def verify(path: str, checksum: str) -> None:
    """Compare a file with a checksum such as `sha256:` and 64 digits; raises InvalidOption where it differs."""
    if not CHECKSUM.fullmatch(checksum):
        raise InvalidOption(f"image.checksum: {checksum!r} is not sha256: and 64 hexadecimal digits")
    try:
        with Path(path).open("rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise InvalidOption(f"image.file: {path}: {error.strerror}") from error
    if found != checksum.lower():
        raise InvalidOption(f"image.checksum: {path} has {found}, not {checksum}")
