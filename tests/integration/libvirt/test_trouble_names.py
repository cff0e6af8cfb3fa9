# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and texts that look like options, markup, templates or programs are only names and texts."""

from __future__ import annotations

import pytest
import yaml

from tests.integration.bench import HERE
from tests.integration.libvirt.bench import Bench

pytestmark = pytest.mark.usefixtures("alone")
PLAYBOOK = HERE / "playbooks/names.yml"


class Unsafe(yaml.SafeLoader):
    """Reads a playbook's text that Ansible is not to render."""


Unsafe.add_constructor("!unsafe", lambda loader, node: node.value)


def test_awkward_names_and_texts(bench: Bench) -> None:
    variables = yaml.load(PLAYBOOK.read_text(), Unsafe)[0]["vars"]  # noqa: S506 - it builds texts alone
    names, text = variables["awkward"], variables["text"]
    before = bench.machines.picture()
    played = bench.play(PLAYBOOK)
    create, take, start, read, _pause, stop, remove = played.results
    for result in (create, take, start, read, stop, remove):
        assert [vm["name"] for vm in result["vms"]] == names
    assert [vm["config"]["notes"] for vm in read["vms"]] == [text] * len(names)
    assert [[(one["name"], one["description"]) for one in vm["snapshots"]] for vm in read["vms"]] == [
        [("<s> & {{ 1 + 1 }} 'one'", text)]
    ] * len(names)
    assert [vm["disks"][0]["volume"] for vm in read["vms"]] == [f"{name}.qcow2" for name in names]
    assert [vm["before"]["state"] for vm in stop["vms"]].count("paused") == 2
    assert bench.machines.picture() == before


@pytest.mark.parametrize("name", ["it-a/b", "it-a\nb", "it-" + 300 * "x", "   ", "..", "it-\x07"])
def test_names_that_libvirt_cannot_have(bench: Bench, name: str) -> None:
    what = {"host": "kvm1", "memory_bytes": "32M", "disks": [{"size_bytes": "1M"}]}
    bench.refused("InvalidOption", repr(name), module="vm", name=name, **what)
