# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes that a disk cannot have, and what becomes of a creation that fails."""

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import BackendError, InvalidOption
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.support.making import refuse_size, taken_back


@pytest.mark.parametrize(
    ("size", "image", "said"),
    [(0, 0, "neither size_bytes nor image"), (1024, 2048, "2048 of its image"), (1536, 0, "multiple of 1024 bytes")],
)
def test_sizes_that_cannot_be_are_refused(size: int, image: int, said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        refuse_size("web1", size, image, 1024)


@pytest.mark.parametrize(("size", "image"), [(1024, 0), (2048, 2048), (4096, 2048)])
def test_sizes_that_can_be_are_not(size: int, image: int) -> None:
    refuse_size("web1", size, image, 1024)


@pytest.mark.parametrize(("left", "facts"), [(["a.vmdk"], {"left_behind": ["a.vmdk"]}), ([], {})])
def test_an_error_tells_what_would_not_go(left: list[str], facts: dict[str, list[str]]) -> None:
    with pytest.raises(BackendError) as caught, taken_back(lambda: left):
        raise BackendError("no room")
    assert caught.value.facts == facts


def test_what_nobody_foresaw_is_taken_back_as_well_and_success_is_not() -> None:
    undone: list[str] = []

    def take_back() -> list[str]:
        undone.append("all")
        return []

    with taken_back(take_back):
        pass
    assert undone == []
    with pytest.raises(KeyError), taken_back(take_back):
        raise KeyError
    assert undone == ["all"]
