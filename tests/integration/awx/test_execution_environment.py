# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment, as far as it can be tried without a container engine: its context, and what gets in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from tests.integration.bench import ROOT, collections

DEFINITION = ROOT / "extensions/execution_environment/execution-environment.yml"
BUILDER = str(Path(sys.executable).parent / "ansible-builder")


def create(definition: Path, tmp_path: Path) -> Path:
    """Let ansible-builder make the context of the image."""
    context = tmp_path / "context"
    argv = [BUILDER, "create", "-f", str(definition), "-c", str(context), "--output-filename", "Containerfile"]
    subprocess.run(argv, check=True, capture_output=True)
    return context


def test_the_context_holds_the_collection_and_any_base(tmp_path: Path) -> None:
    context = create(DEFINITION, tmp_path)
    wanted = yaml.safe_load((context / "_build/requirements.yml").read_text())
    assert wanted == {"collections": [{"name": "crossvirt.lifecycle"}]}
    lines = (context / "Containerfile").read_text().splitlines()
    base = yaml.safe_load(DEFINITION.read_text())["images"]["base_image"]["name"]
    assert {f'ARG EE_BASE_IMAGE="{base}"', "FROM $EE_BASE_IMAGE AS base"} <= set(lines)


def test_the_image_gets_what_the_collection_asks_for() -> None:
    """As the build does it in the image, where the collections are installed."""
    argv = [BUILDER, "introspect", collections()]
    found = yaml.safe_load(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    python, system = ({line.split()[0].partition(">")[0] for line in found[kind]} for kind in ("python", "system"))
    assert python == {"libvirt-python", "pyvmomi"}  # PyYAML comes with ansible-core, so ansible-builder leaves it out
    assert system >= {"gcc", "libvirt-devel", "python3-devel", "libvirt-libs", "openssh-clients"}


def test_the_policy_gets_in_as_the_page_says(tmp_path: Path) -> None:
    """The lines of docs/awx.md, added to the definition."""
    page = (ROOT / "docs/awx.md").read_text()
    lines = next(block for block in page.split("```yaml\n")[1:] if "additional_build_files" in block).partition("```")[
        0
    ]
    definition = yaml.safe_load(DEFINITION.read_text())
    added = yaml.safe_load(lines)
    definition["additional_build_files"] = added["additional_build_files"]
    definition["additional_build_steps"] |= added["additional_build_steps"]
    (tmp_path / "policy.yml").write_text("---\n")
    (tmp_path / "execution-environment.yml").write_text(yaml.safe_dump(definition))
    context = create(tmp_path / "execution-environment.yml", tmp_path)
    final = (context / "Containerfile").read_text().rpartition("FROM ")[2].partition("USER 1000")[0]
    assert "COPY --chown=0:0 --chmod=0644 _build/configs/policy.yml /etc/crossvirt/policy.yml" in final
    assert (context / "_build/configs/policy.yml").read_text() == "---\n"
