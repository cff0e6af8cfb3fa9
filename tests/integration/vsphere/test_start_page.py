# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/start.md is played as a reader would: its commands in one shell, and each prints what the page shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bench import ROOT

PAGE = (ROOT / "docs/start.md").read_text()
BLOCK = re.compile(r"^```(sh)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LAB = "99"  # one that is nobody's; the page means the usual one
END_OF_STEP = "--- end of step"


def steps() -> list[tuple[str, str]]:
    """Return each box of commands with what the page says it prints, without the download and the tidying up."""
    blocks = [(match[1], match[2]) for match in BLOCK.finditer(PAGE)]
    found = [
        (text, following[1] if following[0] != "sh" else "")
        for (kind, text), following in zip(blocks, [*blocks[1:], ("sh", "")], strict=True)
        if kind == "sh"
    ]
    assert found[0][0].startswith("git clone")
    assert "lab-down" in found[-1][0]
    return found[1:-1]


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A copy of the files, with the environment that `make venv` would make; its lab has a number of its own."""
    tree = tmp_path / "clone"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    (tree / ".venv").mkdir()
    (tree / ".venv/bin").symlink_to(ROOT / ".venv/bin")
    (tree / ".venv/stamp").touch()
    (tree / ".collections/ansible_collections/crossvirt").mkdir(parents=True)
    (tree / ".collections/ansible_collections/crossvirt/lifecycle").symlink_to(tree)
    (tree / ".lab").mkdir()
    (tree / ".lab/vsphere.yml").symlink_to(f"{LAB}/vsphere.yml")
    yield tree
    subprocess.run(["make", "lab-down", "BACKEND=vsphere"], cwd=tree, env=environment(), check=True)


def environment() -> dict[str, str]:
    """Return what a reader's shell has."""
    ours = {name for name in os.environ if name.startswith(("ANSIBLE_", "CROSSVIRT_", "MAKE", "MFLAGS"))}
    return {name: value for name, value in os.environ.items() if name not in ours} | {"CROSSVIRT_LAB": LAB}


def shown(pattern: str) -> re.Pattern[str]:
    """Return what the page shows as a pattern, in which `...` stands for anything."""
    return re.compile(r"\s*".join(re.escape(line).replace(r"\.\.\.", "(?s:.*?)") for line in pattern.splitlines()))


def test_every_command_prints_what_the_page_shows(clone: Path) -> None:
    script = "".join(f"{commands}\necho '{END_OF_STEP}'\n" for commands, _expected in steps())
    done = subprocess.run(
        ["bash", "-eu"], input=script, cwd=clone, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.replace(f"127.77.{LAB}.", "127.77.0.").split(END_OF_STEP)
    for (commands, expected), text in zip(steps(), printed, strict=False):
        assert shown(expected).search(text), f"{commands}\nshould print\n{expected}\nand prints\n{text}"


def test_count_of_commands_is_what_the_page_says() -> None:
    boxes = [match[2] for match in BLOCK.finditer(PAGE) if match[1] == "sh"]
    heredoc = re.compile(r"<<'EOF'\n.*?^EOF$", re.MULTILINE | re.DOTALL)
    commands = [line for box in boxes for line in heredoc.sub("", box).replace("\\\n", "").splitlines()]
    assert f"{len(commands)} commands" in PAGE
