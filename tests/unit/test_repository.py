# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for the files of the repository, whatever stands in them."""

import ast
import re
import subprocess
from itertools import chain
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
LISTED = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
TRACKED = [path for name in LISTED.split("\0") if (path := ROOT / name).is_file()]
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}


def test_no_path_of_a_machine_in_any_file() -> None:
    """Neither the checkout nor anybody's home."""
    machine = re.compile(rf"(?<![\w.-])({re.escape(str(ROOT))}|/home|/root)/\w")
    assert [path for path in TRACKED if machine.search(path.read_text(errors="replace"))] == []


def test_every_python_file_begins_with_the_licence_of_this_one() -> None:
    first = {path: path.read_text().partition("\n")[0] for path in TRACKED if path.suffix == ".py"}
    assert first[Path(__file__)].endswith(": GPL-3.0-or-later")
    assert {path for path, line in first.items() if line != first[Path(__file__)]} == set()


def test_sanity_ignores_nothing() -> None:
    assert list(ROOT.glob("tests/sanity/ignore*.txt")) == []


def code_lines(path: Path) -> int:
    """Lines of a module that are neither documentation, nor comment, nor blank."""
    tree = ast.parse(path.read_text())
    prose = [
        node
        for node in ast.walk(tree)
        if (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Assign) and DOCUMENTATION & {ast.unparse(target) for target in node.targets})
    ]
    documentation = set(chain.from_iterable(range(node.lineno, (node.end_lineno or 0) + 1) for node in prose))
    lines = enumerate(path.read_text().splitlines(), 1)
    return sum(number not in documentation and line.strip()[:1] not in ("", "#") for number, line in lines)


def test_modules_are_thin(capsys: pytest.CaptureFixture[str]) -> None:
    """A module declares; the work is done below. Prints the median of its code lines."""
    sizes = {path.stem: code_lines(path) for path in sorted(ROOT.glob("plugins/modules/*.py"))}
    with capsys.disabled():
        print(f"\nCode lines per module: median {median(sizes.values()):g} of {sizes}")
    assert max(sizes.values()) <= 60
