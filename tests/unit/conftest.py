# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every unit test."""

from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

# Before anything of ours is imported: Ansible finds collections only through its own importer.
init_plugin_loader([str(Path(__file__).parents[2] / ".collections")])

from ansible_collections.crossvirt.lifecycle.plugins.module_utils import apply  # noqa: E402


@pytest.fixture(autouse=True)
def quick_glances(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hypervisor in memory may be looked at more often than a real one."""
    monkeypatch.setattr(apply, "GLANCE_SECONDS", 0.05)
