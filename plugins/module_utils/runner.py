# SPDX-License-Identifier: GPL-3.0-or-later
"""The only file that knows AnsibleModule, check mode, diff and signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from json import dumps
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .apply import Run
from .connection import HYPERVISOR, Connection, settle, uris_with_secrets
from .engine import Audience, Job, change
from .errors import Cancelled, CrossvirtError, InvalidOption
from .hosts import change_hosts
from .model import Part, Progress, plain
from .placement import placements
from .policy import load
from .reading import read, survey
from .registry import OpenDriver, driver_class
from .report import Result, failure
from .selection import BULK, REFS, WHICH

Options = dict[str, Any]
ONE_OF = (*REFS, "vms", "select")
HOST_OR_HOSTS = ("host", "hosts")


class Module(AnsibleModule):
    """An AnsibleModule whose own refusals of options are InvalidOption too; `lists` is the key of its results."""

    def __init__(self, *args: Any, lists: str = "vms", **rules: Any) -> None:
        self.lists = lists  # before Ansible looks at the options, which may end the module
        super().__init__(*args, **rules)

    def fail_json(self, msg: str, **facts: Any) -> NoReturn:
        """Fail with a class name in `error`, also where Ansible itself refuses an option."""
        super().fail_json(msg, **{"error": InvalidOption.__name__, "changed": False, self.lists: [], **facts})
        raise SystemExit(1)


def run_job(options: Options, job: Job, *, drivers: OpenDriver | None = None, **rules: Any) -> None:
    """Carry out a module that changes VMs, with the job's drivers unless others are given."""
    spec = {"hypervisor": HYPERVISOR, **WHICH, **BULK, **options}
    module = Module(spec, mutually_exclusive=[ONE_OF], required_one_of=[ONE_OF], supports_check_mode=True, **rules)
    for key, least in (("parallel", 1), ("max_vms", 0), ("per_host", 1)):
        if (given := module.params.get(key)) is not None and given < least:
            module.fail_json(f"{key} must not be {module.params[key]}")
    own = own_options(options, job.own_keys)
    if module.params["vms"] is not None and own:
        module.params["vms"] = [checked_entry(module, entry, own) for entry in module.params["vms"]]

    def note(run: Run, progress: Progress) -> None:
        module.log(dumps({"vm": run.name, **plain(progress)}))  # ASCII: Ansible ends a module whose text syslog refuses

    module.no_log_values.update(uris_with_secrets((module.params.get("target") or {}).get("hypervisor")))

    async def results(connection: Connection) -> Result:
        for other in job.others(module.params):
            module.no_log_values.update(other.secrets)
        params, audience, policy = module.params, Audience(module.warn, note), load(module.warn)
        mine = replace(job, drivers=drivers or job.drivers)
        return await change(connection, params, mine, check_mode=module.check_mode, audience=audience, policy=policy)

    answer(module, results)


def run_hosts(options: Options, *, drivers: OpenDriver = driver_class) -> None:
    """Carry out a module that changes hosts."""
    module = Module(
        {"hypervisor": HYPERVISOR, **options},
        mutually_exclusive=[HOST_OR_HOSTS],
        required_one_of=[HOST_OR_HOSTS],
        supports_check_mode=True,
        lists="hosts",
    )

    async def results(connection: Connection) -> Result:
        params, audience, policy = module.params, Audience(module.warn), load(module.warn)
        return await change_hosts(
            connection, params, check_mode=module.check_mode, audience=audience, drivers=drivers, policy=policy
        )

    answer(module, results)


def own_options(options: Options, keys: Collection[str]) -> Options:
    """Return the options that an entry of `vms` may carry; connections are the task's alone, where no_log holds."""
    own = {key: dict(options[key]) for key in keys}
    for spec in own.values():
        if "hypervisor" in spec.get("options", {}):
            spec["options"] = {key: value for key, value in spec["options"].items() if key != "hypervisor"}
    return own


def checked_entry(module: Module, entry: Any, own: Options) -> Any:
    """Return an entry of `vms` with its own options as Ansible would have read them from the task."""
    given = {key: value for key, value in entry.items() if key in own} if isinstance(entry, dict) else {}
    if not given:
        return entry
    result = ArgumentSpecValidator(own).validate(given)
    if result.error_messages:
        module.fail_json(f"vms: {'; '.join(result.error_messages)}")
    return entry | {key: result.validated_parameters[key] for key in given}


def run_info(options: Options, *, drivers: OpenDriver = driver_class) -> None:
    """Return documents of VMs."""
    module = Module(
        {"hypervisor": HYPERVISOR, **WHICH, **options}, mutually_exclusive=[ONE_OF], supports_check_mode=True
    )

    async def documents(connection: Connection) -> Result:
        gather = [Part(name) for name in module.params["gather"] or ()]
        vms = await read(connection, module.params, gather, warn=module.warn, drivers=drivers)
        return {"changed": False, "vms": vms, **({"vm": vms[0]} if len(vms) == 1 else {})}

    answer(module, documents)


def run_placement(options: Options, *, drivers: OpenDriver = driver_class) -> None:
    """Return where VMs could move to."""
    module = Module(
        {"hypervisor": HYPERVISOR, **WHICH, **options},
        mutually_exclusive=[ONE_OF],
        required_one_of=[ONE_OF],
        supports_check_mode=True,
        lists="placements",
    )

    async def places(connection: Connection) -> Result:
        found = await placements(connection, module.params, warn=module.warn, drivers=drivers)
        moves = [{key: one[key] for key in ("uuid", "target")} for one in found]
        return {"changed": False, "placements": found, "moves": moves}

    answer(module, places)


def run_survey(
    ask: Callable[[Any], dict[str, Sequence[Any]]], keys: Sequence[str], *, drivers: OpenDriver = driver_class
) -> None:
    """Return lists that every endpoint gives a part of."""
    module = Module({"hypervisor": HYPERVISOR}, supports_check_mode=True)

    async def lists(connection: Connection) -> Result:
        answers = await survey(connection, ask, warn=module.warn, drivers=drivers)
        return {"changed": False, **{key: plain([one for part in answers for one in part[key]]) for key in keys}}

    answer(module, lists)


def answer(module: Module, work: Callable[[Connection], Awaitable[Result]]) -> None:
    """Do the work and end the module with its result, also when the work fails, or is told to stop by a signal."""
    result = asyncio.run(guarded(module, work))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # too late to stop anything, and the result must get out
    if "error" in result:
        module.fail_json(**result)
    module.exit_json(**result)


async def guarded(module: Module, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Return the result; a signal cancels the work, which then reports what it did, and must not cut the report off."""

    async def settled() -> Result:
        module.no_log_values.update(uris_with_secrets(module.params["hypervisor"]))
        connection = settle(module.params["hypervisor"])
        module.no_log_values.update(connection.secrets)
        return await work(connection)

    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(settled())

    def stop(_number: int, _frame: object) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)  # a handler of the loop would be gone before the result is printed
    try:
        return await task
    except CrossvirtError as error:
        return failure(error, module.lists)
    except asyncio.CancelledError:
        return failure(Cancelled("the task was cancelled before anything was changed"), module.lists)
