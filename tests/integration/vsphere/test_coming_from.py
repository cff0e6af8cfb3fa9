# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/coming-from.md leaves out no option of the modules that it compares with, as their documentation has them."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.benchmarks import rivals
from tests.integration.bench import ROOT

PAGE = (ROOT / "docs/coming-from.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+\.\w+\.\w+)\n((?:(?!##).*\n)*)", PAGE, re.MULTILINE))
CONNECTION = {
    "hostname",
    "username",
    "password",
    "port",
    "validate_certs",
    "proxy_host",
    "proxy_port",
    "proxy_protocol",
}
NEWER = {"vm_custom_attributes", "vm_info", "vm_snapshot_info", "vm_snapshot_revert"}  # than the release that is tried


@pytest.mark.slow
@pytest.mark.parametrize("name", SECTIONS)
def test_every_option_of_theirs_is_named(name: str) -> None:
    rivals.prepare()
    kind = "inventory" if name.endswith((".libvirt", ".vms", "_inventory")) else "module"
    argv = [rivals.program("ansible-doc"), "--type", kind, "--json", name]
    done = subprocess.run(argv, env=rivals.ENVIRONMENT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    if name.rpartition(".")[2] in NEWER and not found:
        pytest.skip(f"{name} is not in this release")
    named = {word.partition(":")[0].partition(".")[0] for word in re.findall(r"`([^`]+)`", SECTIONS[name])}
    assert found[name]["doc"]["options"].keys() - CONNECTION <= named
