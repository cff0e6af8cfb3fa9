# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/support-matrix.md says of capabilities what the contract demands and the driver claims."""

import pytest

from tests.conformance.matrix import BACKENDS, PAGE, claims
from tests.conformance.results import is_wanted
from tests.unit.contract_page import SECTIONS, Row, read_page, words

DEMANDED = {words(row["capability"])[0]: row for row in SECTIONS["10. Capabilities"].rows}
SHOWN = read_page(PAGE.read_text())


@pytest.mark.parametrize("row", SHOWN["Capabilities"].rows, ids=lambda row: row["capability"])
def test_what_is_shown_is_demanded_and_claimed(row: Row) -> None:
    (name,) = words(row["capability"])
    for backend, column in [one for one in BACKENDS.items() if is_wanted(one[0])]:
        assert (row[column] == "yes") == (DEMANDED[name][column] == "claimed")
        assert claims(backend)[name] or row[column] != "yes"


def test_every_capability_is_shown() -> None:
    assert [words(row["capability"])[0] for row in SHOWN["Capabilities"].rows] == list(DEMANDED)


@pytest.mark.parametrize("row", SHOWN["Proved"].rows, ids=lambda row: row["backend"])
def test_what_was_proved_had_no_failures(row: Row) -> None:
    assert (row["failed"], row["disagreements"]) == ("0", "0")
    assert int(row["passed"]) > 0
    assert int(row["truth cases"]) > 0
