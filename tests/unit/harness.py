# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module in this process, as Ansible would start it, and returns what it prints."""

import importlib
import io
import json
from contextlib import ExitStack, redirect_stdout
from functools import partial
from signal import SIGINT, SIGTERM, getsignal, signal
from typing import Any
from unittest.mock import patch

from ansible.module_utils import basic
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import runner
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.connection import Connection, settle
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.registry import OpenDriver

from tests.unit.memory import drivers_of
from tests.unit.world import World

RUNNERS = ("run_job", "run_hosts", "run_info", "run_placement", "run_survey")
Result = dict[str, Any]


def run(module: str, options: dict[str, Any], *, check_mode: bool = False, drivers: OpenDriver | None = None) -> Result:
    """Run a module to its end, with the registry's drivers unless others are given; `warnings` are in the result."""
    warnings: list[str] = []
    printed = io.StringIO()
    with ExitStack() as stack:
        # ansible-core keeps warnings in a global, in a form of each version's own.
        stack.enter_context(patch.object(runner.Module, "warn", lambda _module, text: warnings.append(text)))
        stack.enter_context(redirect_stdout(printed))
        for number in (SIGTERM, SIGINT):
            stack.callback(signal, number, getsignal(number))
        code: object = None
        try:
            start(module, options, check_mode=check_mode, drivers=drivers)
        except SystemExit as ended:
            code = ended.code
    result: Result = json.loads(printed.getvalue())
    assert bool(code) == bool(result.get("failed"))
    return result | {"warnings": warnings}


def start(module: str, options: dict[str, Any], *, check_mode: bool = False, drivers: OpenDriver | None = None) -> None:
    """Begin a module; it prints its result and raises SystemExit."""
    found = importlib.import_module(f"ansible_collections.crossvirt.lifecycle.plugins.modules.{module}")
    args = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check_mode, "_ansible_diff": True}}
    with ExitStack() as stack:
        stack.enter_context(patch.object(basic, "_ANSIBLE_ARGS", json.dumps(args).encode()))
        stack.enter_context(patch.object(basic, "_ANSIBLE_PROFILE", "legacy", create=True))  # since 2.19
        for name in RUNNERS if drivers else ():
            if hasattr(found, name):
                stack.enter_context(patch.object(found, name, partial(getattr(runner, name), drivers=drivers)))
        found.main()


def play(
    world: World, module: str, *, check_mode: bool = False, hypervisor: dict[str, Any] | None = None, **options: Any
) -> Result:
    """Run a module against a world in memory; the connection is called `memory` and leads to all hosts."""
    given = {"hypervisor": keys_of(world) | (hypervisor or {}), **options}
    return run(module, given, check_mode=check_mode, drivers=drivers_of(world))


def keys_of(world: World) -> Result:
    """Return the `hypervisor` option that leads to all hosts of a world."""
    return {"type": "libvirt", "name": "memory", "hosts": list(world.sites)}


def connection_to(world: World, **keys: Any) -> Connection:
    """Return the settled connection to all hosts of a world."""
    return settle(keys_of(world) | keys, {})
