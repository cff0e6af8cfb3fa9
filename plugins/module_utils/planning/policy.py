# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator allows, as data, and the judgement of one change; pure, and the same for VMs and hosts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from unicodedata import category, normalize

Labels = dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypervisor:
    """A connection that may be used: whatever decides where it leads to, and as whom; no `username` is anybody."""

    type: str
    hosts: frozenset[str]
    port: int | None = None
    proxy: str | None = None
    username: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How much VMs with these labels may have together; `limits` is by vms, cpus and memory_bytes."""

    labels: Labels
    limits: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is protected and what is allowed; None is not limited. `file` is where it stands."""

    file: str
    names: tuple[str, ...] = ()
    labels: Labels = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    operations: frozenset[str] | None = None
    hosts: tuple[str, ...] | None = None
    storage: tuple[str, ...] | None = None
    hypervisors: dict[str, Hypervisor] | None = None
    max_vms: int | None = None
    new_labels: Labels = field(default_factory=dict)
    quotas: tuple[Quota, ...] = ()

    def words(self, reasons: Iterable[str]) -> str:
        """Return a refusal for these reasons."""
        return f"the policy {self.file} forbids this: {'; '.join(dict.fromkeys(reasons))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Being:
    """A VM as far as it is judged.

    None is what is not known, which is refused where it matters; `folder` is empty where there are no folders.
    """

    name: str
    labels: Labels | None = None
    folder: str | None = ""
    cpus: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What one run would do: its actions, the VMs that they touch, and where; `made` is a VM that is not there yet.

    A VM that moves is there twice: as it is, and as it would be. A host of None is one that the hypervisor chooses.
    `given` are the labels that the task itself gives to a new VM.
    """

    actions: Sequence[str]
    vms: Sequence[Being] = ()
    hosts: Collection[str | None] = ()
    storage: Collection[str] = ()
    made: Being | None = None
    given: Labels = field(default_factory=dict)


def judge(policy: Policy, deed: Deed) -> list[str]:
    """Return every reason why a policy forbids this."""
    reasons = [reason for vm in deed.vms for reason in protection(policy, vm)]
    if policy.operations is not None:
        odd = [one for one in deed.actions if one not in policy.operations]
        reasons += [f"{one} is not among allowed.operations" for one in odd]
    if policy.hosts is not None:
        reasons += [outside_hosts(host) for host in deed.hosts if host is None or not fits(host, policy.hosts)]
    if policy.storage is not None:
        odd = [one for one in deed.storage if not fits(one, policy.storage)]
        reasons += [f"storage {one} is not among allowed.storage" for one in odd]
    if deed.made:
        reasons += lacking(policy.new_labels, deed.made.name, deed.given)
    return list(dict.fromkeys(reasons))


def outside_hosts(host: str | None) -> str:
    """Say why a host is none to be used."""
    if host is None:
        return "the hypervisor would choose the host itself, and allowed.hosts needs one that the task names"
    return f"host {host} is not among allowed.hosts"


def protection(policy: Policy, vm: Being) -> Iterator[str]:
    """Say by what a VM is protected; what cannot be read protects it."""
    if any(fnmatchcase(folded(vm.name), folded(pattern)) for pattern in policy.names):
        yield f"{vm.name} is protected by its name"
    if policy.labels and vm.labels is None:
        yield f"the labels of {vm.name} cannot be read, and some VMs are protected by theirs"
    for key, values in policy.labels.items():
        if has(vm.labels or {}, key, values):
            yield f"{vm.name} is protected by its label {key}"
    if policy.folders and vm.folder is None:
        yield f"the folder of {vm.name} cannot be read, and some VMs are protected by theirs"
    for folder in policy.folders:
        if vm.folder and parts(vm.folder)[: len(parts(folder))] == parts(folder):
            yield f"{vm.name} is protected by its folder {folder}"


def lacking(wanted: Labels, name: str, given: Labels) -> Iterator[str]:
    """Say which labels a new VM is not given, or not as it must; what a copy may have by itself does not count."""
    for key, values in wanted.items():
        have = given.get(key, [])
        if not have or (values and not set(have) <= set(values)):
            needed = f"{key} with {' or '.join(values)}" if values else key
            yield f"a new VM needs the label {needed} (new_vms.labels), which {name} is not given"


def exceeded(quota: Quota, there: Iterable[Being], new: Sequence[Being]) -> Iterator[str]:
    """Say which limits of a quota VMs exceed that come to those that are there."""
    coming, have = [vm for vm in new if counts(quota, vm)], [vm for vm in there if counts(quota, vm)]
    label = ", ".join(f"{key} {'/'.join(values)}".strip() for key, values in quota.labels.items()) or "all VMs"
    for what, limit in quota.limits.items() if coming else ():
        more, now = total(what, coming), total(what, have)
        if more is None or now is None:
            yield f"the quota of {label} limits {what}, and those of {unknown(what, [*have, *coming])} are not known"
        elif more + now > limit:
            yield f"the quota of {label} is {limit} {what}: there are {now}, and this task brings {more}"


def counts(quota: Quota, vm: Being) -> bool:
    """Say whether a VM counts; one whose labels are not known does."""
    return vm.labels is None or all(has(vm.labels, key, values) for key, values in quota.labels.items())


def total(what: str, vms: Iterable[Being]) -> int | None:
    """Return how much VMs have together; None where it is not known of one."""
    amounts = [1 if what == "vms" else getattr(vm, what) for vm in vms]
    return None if None in amounts else sum(amounts)


def unknown(what: str, vms: Iterable[Being]) -> str:
    """Return the names of the VMs of which this is not known."""
    return ", ".join(vm.name for vm in vms if total(what, [vm]) is None)


def has(labels: Labels, key: str, values: Sequence[str]) -> bool:
    """Say whether a VM has a label with one of these values, or at all where none is listed, however it is written."""
    have = {folded(one) for known, given in labels.items() if folded(known) == folded(key) for one in given}
    there = any(folded(known) == folded(key) for known in labels)
    return bool(have & set(map(folded, values))) if values else there


def fits(name: str, patterns: Collection[str]) -> bool:
    """Say whether a name fits one of the patterns, letter by letter: so less is allowed."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def folded(text: str) -> str:
    """Return a text as it is compared where more is protected: without case, looks, and signs that nobody sees."""
    seen = "".join(sign for sign in normalize("NFKC", text) if category(sign) != "Cf")
    return normalize("NFKC", seen.casefold()).strip()


def parts(folder: str) -> list[str]:
    """Return the components of a path."""
    return [folded(one) for one in folder.split("/") if one]
