# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images in files: what is taken, what is refused, and checksums."""

from hashlib import sha256
from pathlib import Path
from struct import pack

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import InvalidOption
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.support.images import ImageFile, inspect, verify

SIZE = 5 * 1024**3


def qcow2(version: int = 3, backing: int = 0, encryption: int = 0, incompatible: int = 0) -> bytes:
    """Return a header, field by field as QEMU's specification of the format has them."""
    fields = pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, backing, 0, 16, SIZE, encryption, 0, 0, 0, 0, 0, 0)
    return fields + (pack(">QQQII", incompatible, 0, 0, 4, 104) if version > 2 else b"")


@pytest.mark.parametrize(
    ("content", "kind", "size"),
    [
        (qcow2(), "qcow2", SIZE),
        (qcow2(version=2), "qcow2", SIZE),
        (qcow2(incompatible=1), "qcow2", SIZE),  # only marked dirty
        (b"\0" * 1024, "raw", 1024),
    ],
)
def test_complete_images_are_taken(tmp_path: Path, content: bytes, kind: str, size: int) -> None:
    path = tmp_path / "image"
    path.write_bytes(content)
    assert inspect(str(path)) == ImageFile(str(path), kind, size, len(content))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (qcow2(backing=512), "builds on another"),
        (qcow2(incompatible=4), "builds on another"),
        (qcow2(encryption=1), "encrypted"),
        (b"KDMV" + b"\0" * 508, "VMDK"),
        (b"vhdxfile" + b"\0" * 504, "VHDX"),
        (b"\xfd7zXZ\0" + b"\0" * 506, "xz"),
        (b"\x1f\x8b" + b"\0" * 510, "gzip"),
        (b"", "no disk image"),
        (b"<html>not found</html>", "no disk image"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(content)
    with pytest.raises(InvalidOption, match=word):
        inspect(str(path))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="gone: No such file"):
        inspect(str(tmp_path / "gone"))
    with pytest.raises(InvalidOption, match="gone: No such file"):
        verify(str(tmp_path / "gone"), f"sha256:{'0' * 64}")


def test_a_checksum_holds_or_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"content")
    digits = sha256(b"content").hexdigest()
    verify(str(path), f"sha256:{digits.upper()}")
    for wrong in (f"sha256:{digits[::-1]}", f"md5:{digits}", digits, "sha256:", f"sha256:{digits}0"):
        with pytest.raises(InvalidOption, match=r"image\.checksum"):
            verify(str(path), wrong)
