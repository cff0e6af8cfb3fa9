# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/coming-from.md: whatever it says of ours exists, with that value."""

import re
from functools import cache
from typing import Any

import pytest
import yaml

from tests.unit.contract_page import SECTIONS, Option, column, options_of, rows_of, words
from tests.unit.test_contract import ROOT, documentation

PAGE = (ROOT / "docs/coming-from.md").read_text()
TABLES = [rows_of(table) for table in re.findall(r"(?:^\|.*\|\n)+", PAGE, re.MULTILINE)]
ROWS = [row for table in TABLES for row in table if row.keys() >= {"theirs", "module"}]
OURS = [(words(row["module"])[0], word) for row in ROWS if row["module"] != "-" for word in words(row["here"])]
VARIABLES = [row for table in TABLES for row in table if "their variable" in row]
STATE_GROUP = "crossvirt_state_"


@cache
def options(module: str) -> dict[str, Option]:
    """Return the options of a module, or of the inventory, by dotted name."""
    shown = documentation("inventory" if module == "vms" else "module")[module]["doc"]["options"]
    found = options_of(shown)
    if module == "vms":  # there the keys of a connection and of a choice are checked by the plugin, as the modules' are
        found |= {name: one for name, one in options("vm_info").items() if name.startswith("select.")}
    return found


def meant(word: str) -> tuple[str, Any]:
    """Return the option and the value that stand between two backticks."""
    name, _colon, value = word.partition(": ")
    return name, yaml.safe_load(value) if value else None


@pytest.mark.parametrize(("module", "word"), sorted(set(OURS)))
def test_what_is_ours_exists(module: str, word: str) -> None:
    name, value = meant(word)
    option = options(module)[name]
    if value is None:
        return
    assert isinstance(value, list) == option.type.startswith("list")
    for one in value if isinstance(value, list) else [value]:
        assert not option.choices or one in option.choices


def test_every_row_says_where_or_that_nothing_is_there() -> None:
    assert all((row["module"] == "-") == (row["here"] == "-") for row in ROWS)
    assert all(words(row["here"]) for row in ROWS if row["here"] != "-")
    assert all(row["differs"] != "-" or row["here"] != "-" or "compat" in row["theirs"] for row in ROWS)


def test_variables_are_those_of_the_inventory() -> None:
    documents = column(SECTIONS["Documents of vm_info"], "key")
    fixed = set(column(SECTIONS["Variables of a host"], "variable"))
    known = fixed | {f"crossvirt_{key}" for key in documents if "." not in key}
    named = [word for row in VARIABLES for word in words(row["here"])]
    assert set(named) <= known
    for row in VARIABLES:
        for word in words(row["needs"]):
            name, value = meant(word)
            assert name == "ansible_host" or set(value) <= set(options("vms")[name].choices)


def test_groups_by_state_are_states() -> None:
    named = re.findall(rf"`{STATE_GROUP}(\w+)`", PAGE)
    assert named
    assert set(named) <= set(column(SECTIONS["States"], "state"))
