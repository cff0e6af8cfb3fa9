# SPDX-License-Identifier: GPL-3.0-or-later
"""Our pages hold together: links lead somewhere, the index knows every page, and pages of one kind have one shape."""

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.tools.pages import INDEX, LINK, pages
from tests.unit.test_repository import ROOT, TRACKED

PAGES = [path for path in TRACKED if path.suffix == ".md"]
LINKS = [
    (page, link)
    for page in PAGES
    for link in re.findall(r"\]\(((?!https?:)[^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
]
SHAPE = ["Connecting", "Rights", "What a reading costs", "How things look here", "Moves", "Limits", "How it was tested"]


@cache
def anchors(page: Path) -> set[str]:
    """Return what a link into a page may name, as Git forges and Sphinx make it of the headings."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "link"), LINKS, ids=lambda value: str(getattr(value, "name", value)))
def test_link_leads_somewhere(page: Path, link: str) -> None:
    path, _hash, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.exists()
    assert not anchor or anchor in anchors(target)


def test_index_names_every_page() -> None:
    linked = {(INDEX.parent / link[1]).resolve() for link in LINK.finditer(INDEX.read_text())}
    assert linked == pages().keys() - {INDEX}


@pytest.mark.parametrize("family", ["libvirt", "xen", "vsphere"])
def test_pages_of_families_have_one_shape(family: str) -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / f"docs/{family}.md").read_text(), re.MULTILINE)
    assert [heading for heading in headings if heading in SHAPE] == SHAPE


def test_compatibility_is_what_the_metadata_say() -> None:
    page = (ROOT / "docs/compatibility.md").read_text()
    requires = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["requires_ansible"]
    python = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["python_version"]
    assert f"| ansible-core | {requires.removeprefix('>=').removesuffix('.0')} or later |" in page
    assert f"| Python where modules run | {python} or later |" in page
