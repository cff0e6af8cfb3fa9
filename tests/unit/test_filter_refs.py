# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that names, in the next task, the VMs that a task returned."""

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.crossvirt.lifecycle.plugins.filter.refs import FilterModule

refs = FilterModule().filters()["refs"]


def test_a_uuid_stands_before_an_id() -> None:
    vms = [
        {"name": "web1", "uuid": "7c0e", "id": "vm-1", "state": "running"},
        {"name": "web2", "uuid": None, "id": "vm-2"},
    ]
    assert refs(vms) == [{"uuid": "7c0e"}, {"id": "vm-2"}]


def test_nothing_is_nothing() -> None:
    assert refs([]) == []


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="neither uuid nor id"):
        refs([{"name": "web1"}])
