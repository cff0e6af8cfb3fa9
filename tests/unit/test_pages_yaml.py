# SPDX-License-Identifier: GPL-3.0-or-later
"""Every block of YAML in our pages is something that Ansible and our modules accept."""

import re

import pytest

from tests.unit.accepted import wrong
from tests.unit.test_contract import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    (page.name, match[2])
    for page in PAGES
    for match in re.finditer(r"^( *)```yaml\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize("text", [text for _page, text in BLOCKS], ids=[page for page, _text in BLOCKS])
def test_block_is_accepted(text: str) -> None:
    assert wrong(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "- crossvirt.lifecycle.vm_state: {name: web1, state: of}",
        "- crossvirt.lifecycle.vm_state: {nam: web1, state: running}",
        "- crossvirt.lifecycle.vm_state: {name: web1, state: stopped, shutdown: {timeout: 3}}",
        "- crossvirt.lifecycle.vm: {vms: [{name: web1, cpu: 1}]}",
        "- crossvirt.lifecycle.vm_power: {name: web1}",
        "- vm_state: {name: web1, state: running}",
        "- {ansible.builtin.debug: {}, unles: true}",
        "- {hosts: all, task: []}",
        "plugin: crossvirt.lifecycle.vms\nselects: {}",
        "hypervisors: {kvm: {type: libvirt, port: 1}}",
        "plug: crossvirt.lifecycle.vms",
        "- {ansible.builtin.import_playbook: crossvirt.lifecycle.dem}",
    ],
)
def test_faults_are_found(text: str) -> None:
    assert len(wrong(text)) == 1


def test_pages_have_blocks() -> None:
    assert {page for page, _text in BLOCKS} >= {"contract.md", "recipes.md", "README.md"}
