# SPDX-License-Identifier: GPL-3.0-or-later
"""What drivers that make VMs have in common: sizes that a disk cannot have, and taking back what was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import CrossvirtError, InvalidOption


def refuse_size(vm: str | None, size_bytes: int, image_bytes: int, step_bytes: int) -> None:
    """Raise InvalidOption for a disk without a size, smaller than its image, or not a multiple of `step_bytes`."""
    if not size_bytes:
        raise InvalidOption(f"a disk of {vm} has neither size_bytes nor image")
    if size_bytes < image_bytes:
        raise InvalidOption(f"size_bytes {size_bytes} of a disk of {vm} is less than the {image_bytes} of its image")
    if size_bytes % step_bytes:
        raise InvalidOption(f"size_bytes {size_bytes} of a disk of {vm} is not a multiple of {step_bytes} bytes")


@contextmanager
def taken_back(take_back: Callable[[], list[str]]) -> Iterator[None]:
    """Take back what was made when the block fails; an error of ours tells as `left_behind` what would not go."""
    try:
        yield
    except CrossvirtError as error:
        if left := take_back():
            error.facts["left_behind"] = left
        raise
    except BaseException:
        take_back()
        raise
