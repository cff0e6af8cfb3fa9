# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of tests run what users install: the archive, with nothing in it that only the repository needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.bench import ROOT, collections
from tests.integration.vsphere.bench import Bench

ROOMS = {
    *("CONTRIBUTING.md", "LICENSE", "LICENSES", "README.md", "REUSE.toml", "bindep.txt", "requirements.txt"),
    *("changelogs", "docs", "extensions", "meta", "playbooks", "plugins", "roles"),
}


@pytest.fixture
def place() -> Path:
    if collections() == str(ROOT / ".collections"):
        pytest.skip("CHECKOUT=1: the checkout is tried, not the archive")
    return Path(collections()) / "ansible_collections/crossvirt/lifecycle"


def test_a_playbook_loads_its_modules_from_the_archive(bench: Bench, place: Path) -> None:
    printed = bench.play("read.yml", "-vvv").printed
    used = {line.split()[-1] for line in printed.splitlines() if "Using module file" in line}
    assert used
    assert {str(Path(module).parent) for module in used} == {str(place / "plugins/modules")}


def test_documentation_comes_from_the_archive(bench: Bench, place: Path) -> None:
    code, stdout, _stderr = bench.command("ansible-doc", "-t", "module", "-F", "crossvirt.lifecycle")
    assert code == 0
    assert str(place / "plugins/modules/vm_state.py") in stdout


@pytest.mark.usefixtures("place")
def test_what_is_installed_is_what_the_archive_said(bench: Bench) -> None:
    code, stdout, stderr = bench.command("ansible-galaxy", "collection", "verify", "--offline", "crossvirt.lifecycle")
    assert (code, "not present" in stdout + stderr) == (0, False), stdout + stderr


def test_nothing_of_the_repository_is_in_it(place: Path) -> None:
    listed = [file["name"] for file in json.loads((place / "FILES.json").read_text())["files"] if file["name"] != "."]
    assert {name.partition("/")[0] for name in listed} - {"tests"} <= ROOMS
    assert {name for name in listed if name.startswith("tests/")} == {"tests/config.yml"}
