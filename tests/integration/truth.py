# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode and a real run must agree on."""

from __future__ import annotations

import re

from tests.integration.bench import Played, Result


def told(result: Result) -> list[Result]:
    """Return what check mode and a real run must agree on; a diff's header has an id as soon as there is one."""
    task = {key: result.get(key) for key in ("task", "changed", "error", "msg")}
    task["diff"] = [(one["before"], one["after"]) for one in result["diff"]]
    keys = ("name", "changed", "before", "after", "error", "msg", "differences")
    vms = [
        {key: vm.get(key) for key in keys}
        | {"steps": [{key: value for key, value in step.items() if key != "outcome"} for step in vm["steps"]]}
        for vm in result["vms"]
    ]
    return [task, *vms]


def printed_diffs(played: Played) -> list[str]:
    """Return the VMs of which --diff printed something."""
    headers = re.findall(r"^\+\+\+ after: (.*)$", played.printed, re.MULTILINE)
    return [header.rpartition(" (")[0] or header for header in headers]
