# SPDX-License-Identifier: GPL-3.0-or-later
"""The judgement of one change: what is protected, what is allowed, and how much VMs may have together."""

from typing import Any

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.policy import (
    Being,
    Deed,
    Policy,
    Quota,
    exceeded,
    judge,
)

WEB = {"team": ["web"]}


def policy(**rules: Any) -> Policy:
    return Policy(file="policy.yml", **rules)


def vm(name: str = "web1", **facts: Any) -> Being:
    return Being(name=name, **{"labels": {}, "cpus": 1, "memory_bytes": 10, **facts})


@pytest.mark.parametrize(
    ("rules", "being", "protected"),
    [
        ({"names": ["dc-*"]}, vm("dc-1"), True),
        ({"names": ["dc-*"]}, vm("adc-1"), False),
        ({"names": ["dc-*"]}, vm("DC-1"), True),
        ({"names": ["DC-?"]}, vm("dc-1"), True),
        ({"names": ["dc-[0-9]"]}, vm("dc-1"), True),
        ({"names": ["dc-*"]}, vm(" dc-1"), True),
        ({"names": ["Größe"]}, vm("Gro\u0308ße"), True),
        ({"names": ["Größe"]}, vm("GRÖSSE"), True),
        ({"names": ["dc-*"]}, vm("d\u00adc-1"), True),
        ({"names": ["dc-*"]}, vm("\uff44\uff43-1"), True),
        ({"labels": {"tier": ["production"]}}, vm(labels={"tier": ["production", "x"]}), True),
        ({"labels": {"tier": ["production"]}}, vm(labels={"Tier": ["Production"]}), True),
        ({"labels": {"tier": ["production"]}}, vm(labels={"tier": ["test"]}), False),
        ({"labels": {"tier": ["production"]}}, vm(labels={}), False),
        ({"labels": {"tier": ["production"]}}, vm(labels=None), True),
        ({"labels": {"tier": []}}, vm(labels={"tier": ["test"]}), True),
        ({"labels": {"tier": ["a"], "os": ["b"]}}, vm(labels={"os": ["b"]}), True),
        ({"folders": ["/dc/vm/infra"]}, vm(folder="/dc/vm/infra"), True),
        ({"folders": ["/dc/vm/infra/"]}, vm(folder="/dc/vm/Infra/deep/er"), True),
        ({"folders": ["/dc/vm/infra"]}, vm(folder="/dc/vm/infrastructure"), False),
        ({"folders": ["/dc/vm/infra"]}, vm(folder="/dc/vm"), False),
        ({"folders": ["/"]}, vm(folder="/dc/vm"), True),
        ({"folders": ["/dc/vm/infra"]}, vm(folder=""), False),
        ({"folders": ["/dc/vm/infra"]}, vm(folder=None), True),
        ({}, vm(labels=None, folder=None), False),
    ],
)
def test_what_is_protected(rules: dict[str, Any], being: Being, *, protected: bool) -> None:
    reasons = judge(policy(**rules), Deed(actions=["start"], vms=[being]))
    assert bool(reasons) is protected
    assert all(being.name in reason for reason in reasons)


@pytest.mark.parametrize(
    ("rules", "deed", "words"),
    [
        ({"operations": {"start"}}, Deed(actions=["start"]), []),
        ({"operations": {"start"}}, Deed(actions=["start", "stop"]), ["stop is not among allowed.operations"]),
        ({"operations": set()}, Deed(actions=["start"]), ["start is not"]),
        ({"hosts": ["kvm*"]}, Deed(actions=["start"], hosts=["kvm1", "kvm2"]), []),
        ({"hosts": ["kvm*"]}, Deed(actions=["start"], hosts=["xen1", "KVM1"]), ["host xen1", "host KVM1"]),
        ({"hosts": ["*"]}, Deed(actions=["start"], hosts=[None]), ["hypervisor would choose"]),
        ({}, Deed(actions=["start"], hosts=[None]), []),
        ({"storage": ["default"]}, Deed(actions=["create"], storage=["default", "fast"]), ["storage fast"]),
        ({"storage": ["default"]}, Deed(actions=["start"]), []),
        ({"new_labels": WEB}, Deed(actions=["start"], vms=[vm()]), []),
        ({"new_labels": WEB}, Deed(actions=["create"], made=vm(), given=WEB), []),
        ({"new_labels": WEB}, Deed(actions=["create"], made=vm(labels=WEB)), ["label team with web"]),
        ({"new_labels": WEB}, Deed(actions=["create"], made=vm(), given={"team": ["web", "x"]}), ["label team"]),
        ({"new_labels": WEB}, Deed(actions=["create"], made=vm(), given={"Team": ["web"]}), ["label team"]),
        ({"new_labels": {"team": []}}, Deed(actions=["create"], made=vm(), given={"team": ["x"]}), []),
        ({"new_labels": {"team": []}}, Deed(actions=["create"], made=vm(), given={"team": []}), ["label team"]),
        (
            {"operations": set(), "hosts": [], "storage": [], "names": ["*"], "new_labels": WEB},
            Deed(actions=["create"], hosts=["a"], storage=["b"], vms=[vm()], made=vm()),
            ["protected", "operations", "host a", "storage b", "label team"],
        ),
    ],
)
def test_every_reason_is_told(rules: dict[str, Any], deed: Deed, words: list[str]) -> None:
    reasons = judge(policy(**rules), deed)
    assert len(reasons) == len(words)
    assert all(word in reason for word, reason in zip(words, reasons, strict=True))


def test_a_host_is_judged_without_a_vm() -> None:
    rules = policy(operations={"enter_maintenance"}, hosts=["kvm1"], names=["*"], labels={"a": []}, folders=["/"])
    assert judge(rules, Deed(actions=["enter_maintenance"], hosts=["kvm1"])) == []
    assert len(judge(rules, Deed(actions=["exit_maintenance"], hosts=["kvm2"]))) == 2


@pytest.mark.parametrize(
    ("limits", "there", "new", "words"),
    [
        ({"vms": 2}, [vm(labels=WEB)], [vm(labels=WEB)], []),
        ({"vms": 2}, [vm(labels=WEB)] * 2, [vm(labels=WEB)], ["2 vms: there are 2, and this task brings 1"]),
        ({"vms": 1}, [vm(labels=WEB)] * 2, [], []),
        ({"vms": 1}, [vm(labels={"team": ["db"]})] * 2, [vm(labels=WEB)], []),
        ({"vms": 1}, [vm(labels={"Team": ["WEB"]})], [vm(labels=WEB)], ["there are 1"]),
        ({"vms": 1}, [vm(labels=None)], [vm(labels=WEB)], ["there are 1"]),
        ({"vms": 1}, [vm(labels=WEB)], [vm(labels={})], []),
        ({"vms": 0}, [], [vm(labels=None)], ["brings 1"]),
        ({"cpus": 4}, [vm(labels=WEB, cpus=2)], [vm(labels=WEB, cpus=2)], []),
        ({"cpus": 4}, [vm(labels=WEB, cpus=2)], [vm(labels=WEB, cpus=2)] * 2, ["4 cpus: there are 2"]),
        ({"cpus": 4}, [], [vm("x", labels=WEB, cpus=None)], ["those of x are not known"]),
        ({"cpus": 4}, [vm("y", labels=WEB, cpus=None)], [vm(labels=WEB)], ["those of y are not known"]),
        ({"memory_bytes": 30}, [vm(labels=WEB)] * 2, [vm(labels=WEB)], []),
        ({"memory_bytes": 29, "vms": 2}, [vm(labels=WEB)] * 2, [vm(labels=WEB)], ["29 memory_bytes", "2 vms"]),
    ],
)
def test_quotas(limits: dict[str, int], there: list[Being], new: list[Being], words: list[str]) -> None:
    reasons = list(exceeded(Quota(labels=WEB, limits=limits), there, new))
    assert len(reasons) == len(words)
    assert all(word in reason for word, reason in zip(words, reasons, strict=True))
    assert all("team web" in reason for reason in reasons)
