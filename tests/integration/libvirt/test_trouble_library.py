# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that are run by a Python without the libraries that they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.libvirt.bench import Bench


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with nothing but its standard library."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin/python"


@pytest.mark.parametrize(("entry", "library"), [(None, "libvirt-python"), ("kvm1", "PyYAML")])
def test_the_library_is_named(bench: Bench, python: Path, entry: str | None, library: str) -> None:
    given = {"name": entry} if entry else bench.lab.connection("kvm1")
    played = bench.play("read.yml", fails=True, ansible_python_interpreter=str(python), hypervisor=given)
    (result,) = played.results
    assert (result["error"], result["changed"]) == ("MissingLibrary", False)
    assert f"{python} -m pip install {library}" in result["msg"]
