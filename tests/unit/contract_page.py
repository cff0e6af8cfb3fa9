# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads docs/contract.md: its tables and fenced examples, by the heading above them."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

PAGE = Path(__file__).parents[2] / "docs" / "contract.md"
Row = dict[str, str]


@dataclass
class Section:
    """What stands below one heading: the rows of its only table, and its YAML examples."""

    rows: list[Row] = field(default_factory=list)
    examples: list[Any] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option as a user sees it."""

    type: str
    default: Any = None
    choices: tuple[Any, ...] = ()
    required: bool = False


def read_page(text: str) -> dict[str, Section]:
    """Return the sections of the page; raises ValueError for a page that cannot be read without guessing."""
    sections: dict[str, Section] = {}
    for heading, body in re.findall(r"^##+ (.+)\n((?:(?!##).*\n?)*)", text, re.MULTILINE):
        if heading in sections:
            raise ValueError(f"the heading {heading!r} is there twice")
        tables = re.findall(r"(?:^\|.*\|\n)+", body, re.MULTILINE)
        if len(tables) > 1:
            raise ValueError(f"{heading!r} has {len(tables)} tables")
        examples = [yaml.safe_load(one) for one in re.findall(r"^```yaml\n(.*?)^```", body, re.MULTILINE | re.DOTALL)]
        sections[heading] = Section([row for table in tables for row in rows_of(table)], examples)
    return sections


def rows_of(table: str) -> list[Row]:
    """Return the rows of a table as dictionaries by column; raises ValueError for a row of another length."""
    lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()]
    names = lines[0]
    return [dict(zip(names, cells, strict=True)) for cells in lines[2:]]


def words(cell: str) -> list[str]:
    """Return what stands between backticks."""
    return re.findall(r"`([^`]*)`", cell)


def column(section: Section, name: str) -> list[str]:
    """Return the code words of one column, one from each row."""
    return [word for row in section.rows for word in words(row[name])[:1]]


def option_of(row: Row) -> Option:
    """Return the option that a row of a table of options describes."""
    values = [yaml.safe_load(word) for word in words(row["default"])]
    return Option(
        type=row["type"],
        default=values[0] if values else None,
        choices=tuple(yaml.safe_load(word) for word in words(row["choices"])),
        required=row["default"] == "required",
    )


def options_in(section: Section) -> dict[str, Option]:
    """Return a table of options, by dotted name."""
    return {words(row["option"])[0]: option_of(row) for row in section.rows}


def options_of(spec: dict[str, Any], prefix: str = "") -> dict[str, Option]:
    """Return an argument spec, or the options of a documentation, by dotted name."""
    found: dict[str, Option] = {}
    for name, one in spec.items():
        found[prefix + name] = Option(
            type=type_of(one),
            default=one.get("default"),
            choices=tuple(one.get("choices") or ()),
            required=bool(one.get("required", False)),
        )
        found |= options_of(one.get("options") or one.get("suboptions") or {}, f"{prefix}{name}.")
    return found


def type_of(one: dict[str, Any]) -> str:
    """Return the type of an option or a result in the words of the page."""
    kind: str = one.get("type", "str")
    return f"list of {one['elements']}" if kind == "list" else kind


def keys_of(returned: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the types of a RETURN documentation, by dotted name."""
    found: dict[str, str] = {}
    for name, one in returned.items():
        found[prefix + name] = type_of(one)
        found |= keys_of(one.get("contains", {}), f"{prefix}{name}.")
    return found


SECTIONS = read_page(PAGE.read_text())
