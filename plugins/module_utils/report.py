# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes back: the results of VMs put into the one shape that all modules return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .apply import Run
from .errors import CrossvirtError, InvalidState
from .model import Host, Ref, Vm, plain

Result = dict[str, Any]


def identity_of(subject: Vm | Host) -> Result:
    """Return what tells which VM, or which host, a result is about."""
    vm = {"uuid": subject.uuid, "host": subject.host} if isinstance(subject, Vm) else {}
    return {"name": subject.name, "id": subject.id, **vm}


def planned(run: Run, label: str, host: Host | None = None) -> Result:
    """Return what would be done to a VM or a host: the result of check mode."""
    steps = [step.describe() for step in run.plan.steps if step.changes]
    return subject_result(run, host or run.vm, label, steps, run.plan.after)


def applied(run: Run, now: Vm | Host | None, label: str) -> Result:
    """Return what was done; what is not as planned afterwards, without an earlier error, is an InvalidState."""
    after = plain(run.plan.view(now)) if run.steps else plain(run.plan.before)
    if not run.error and after != plain(run.plan.after):
        run.error = InvalidState(f"{run.name} is {after or 'gone'} afterwards; planned was {plain(run.plan.after)}")
    return subject_result(run, now or run.vm, label, run.steps, after)


def subject_result(run: Run, subject: Vm | Host | None, label: str, steps: list[Result], after: Result) -> Result:
    """Return the result of one VM, or of one host."""
    here = {"host": run.endpoint.driver.host} if steps and run.endpoint.driver else {}
    who = identity_of(subject) if subject else {"name": run.name, **here}
    done = {"changed": bool(steps), "steps": steps, "before": plain(run.plan.before), "after": plain(after)}
    return {**who, "hypervisor": label, **done, **(run.error.report() if run.error else {})}


def refused(who: Ref | Vm | Host, reason: CrossvirtError | None, label: str) -> Result:
    """Return the part of a VM, or a host, in a task that was refused whole."""
    known = {who.key: who.value} if isinstance(who, Ref) else identity_of(who)
    kind = "host" if isinstance(who, Host) else "VM"
    why = reason.report() if reason else {"msg": f"not begun: nothing is changed when one {kind} of a task is refused"}
    return {**known, "hypervisor": label, "changed": False, "steps": [], **why}


def task_result(results: Sequence[Result], *, whole: bool = False, of: str = "VM") -> Result:
    """Return the result of a task; `whole` says that it was refused before anything was begun."""
    changed = [one for one in results if one["changed"]]
    failed = [one for one in results if "error" in one]
    key = of.lower()
    result: Result = {"changed": bool(changed), f"{key}s": list(results), "diff": [diff_of(one) for one in changed]}
    if len(results) == 1:
        result[key] = results[0]
    if failed:
        reasons = "; ".join(dict.fromkeys(str(one["msg"]) for one in failed))
        said = "nothing was changed" if whole else f"{len(failed)} of {len(results)} {of}s failed"
        result |= {"error": failed[0]["error"], "msg": f"{said}: {reasons}"}
    return result


def diff_of(result: Result) -> Result:
    """Return one VM's entry for --diff, under the name that check mode knows as well."""
    name = result["before"].get("name", result["name"])
    header = f"{name} ({result['id']})" if "id" in result else name
    return {"before_header": header, "after_header": header, "before": result["before"], "after": result["after"]}


def failure(error: CrossvirtError, key: str = "vms") -> Result:
    """Return the result of a task that failed before anything was known."""
    return {"changed": False, key: [], **error.report()}
