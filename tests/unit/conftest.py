# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every unit test."""

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import apply


@pytest.fixture(autouse=True)
def quick_glances(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hypervisor in memory may be looked at more often than a real one."""
    monkeypatch.setattr(apply, "GLANCE_SECONDS", 0.05)
