# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to get round a policy, by name: what a job could try with options, connections, files and its environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.integration.vsphere.guarded import Guarded, Way
from tests.lab.vsphere.server import Simulator

HARD = {"method": "hard"}
NEW = {"memory_bytes": "32M", "host": "DC0_C0_H0", "storage": "LocalDS_0", "labels": {"team": "db"}}
STRICT: dict[str, Any] = {
    "protected": {"names": ["dc-*", "Größe-*"], "labels": {"tier": "production"}, "folders": ["/DC0/vm/infra"]},
    "allowed": {
        "operations": ["start", "shutdown", "suspend", "create_snapshot", "create", "clone", "migrate"],
        "hosts": ["DC0_C0_*"],
        "storage": ["LocalDS_0"],
    },
    "max_vms": 2,
    "new_vms": {"labels": {"team": ["web", "db"]}},
    "quotas": [{"labels": {"team": "web"}, "vms": 2, "cpus": 4, "memory_bytes": "256M"}],
}


@dataclass(frozen=True)
class Stage:
    """What ways need to know: the bench, another hypervisor that nobody allowed, and all VMs by name."""

    bench: Guarded
    esx: Simulator
    vms: dict[str, dict[str, Any]]
    token: str

    def inline(self, **changes: Any) -> dict[str, Any]:
        """Return the allowed connection written out, with changes; what is changed to None is left out."""
        return {key: value for key, value in {**self.bench.lab, **changes}.items() if value is not None}

    def elsewhere(self) -> dict[str, Any]:
        """Return a connection to the other hypervisor."""
        return self.esx.connection()


def power(state: str = "suspended", /, **options: Any) -> Callable[[Stage], Way]:
    """Return a task that changes power."""
    return lambda stage: Way("vm_state", {"state": state, **options})


def by(key: str, name: str) -> Callable[[Stage], Way]:
    """Return a task that suspends a VM which it names by another key."""
    return lambda stage: Way("vm_state", {"state": "suspended", key: stage.vms[name][key]})


def snapshot(**options: Any) -> Callable[[Stage], Way]:
    """Return a task about snapshots."""
    return lambda stage: Way("vm_snapshot", {"snapshot": "before", **options})


def new(name: str = "new1", /, **options: Any) -> Callable[[Stage], Way]:
    """Return a task that makes a VM."""
    return lambda stage: Way("vm", {"name": name, **NEW, **options})


def copy(of: str, name: str = "new1", /, **options: Any) -> Callable[[Stage], Way]:
    """Return a task that copies a VM, named by its uuid, as it is but for these options."""
    return lambda stage: Way("vm", {"name": name, "clone": {"source": {"uuid": stage.vms[of]["uuid"]}}, **options})


def move(vm: str, /, **target: Any) -> Callable[[Stage], Way]:
    """Return a task that moves a VM."""
    return lambda stage: Way("vm_migrate", {"name": vm, "target": target})


def over(connect: Callable[[Stage], dict[str, Any] | None], policy: str = "strict") -> Callable[[Stage], Way]:
    """Return a task over a connection of its own, on a VM that nothing protects."""
    return lambda stage: Way(
        "vm_state", {"name": "app1", "state": "suspended", "hypervisor": connect(stage)}, policy=policy
    )


def within(environ: Callable[[Stage], dict[str, str]], **options: Any) -> Callable[[Stage], Way]:
    """Return a task on a protected VM in an environment of its own."""
    return lambda stage: Way("vm_state", {"name": "dc-1", "state": "suspended", **options}, environ=environ(stage))


def below(policy: str) -> Callable[[Stage], Way]:
    """Return a task that nothing forbids but the state of the policy itself."""
    return lambda stage: Way("vm_state", {"name": "app1", "state": "suspended"}, policy=policy)


Ways = dict[str, Callable[[Stage], Way]]
NAMES: Ways = {
    "by name": power(name="dc-1"),
    "by uuid": by("uuid", "dc-1"),
    "by id": by("id", "dc-1"),
    "by path": by("path", "dc-1"),
    "in a list": power(vms=["app1", "dc-1"]),
    "by a pattern": power(select={"name": "?c-1"}),
    "by state and host": power(select={"host": "DC0_C0_H0", "state": "running"}, max_vms=100),
    "in check mode": lambda stage: Way("vm_state", {"name": "dc-1", "state": "suspended"}, check_mode=True),
    "a snapshot of it": snapshot(name="dc-1"),
    "a move of it": move("dc-1", host="DC0_C0_H1"),
    "its name is composed": power(name="Größe-1"),
    "its label": power(name="prod1"),
    "chosen by its label": power(select={"labels": {"tier": "production"}}),
    "its folder": power(name="infra1"),
    "chosen by its folder": power(select={"folder": "/DC0/vm/infra/deep"}),
    "out of its folder": move("infra1", folder="/DC0/vm"),
    "into the folder": move("app1", folder="/DC0/vm/infra"),
    "made in the folder": new(folder="/DC0/vm/infra"),
    "made in a folder that it does not name": lambda stage: Way("vm", {"name": "new1", **NEW}, policy="root"),
    "copied into the folder": copy("app1", folder="/DC0/vm/infra/deep", labels={"team": "db"}),
    "made with the name": new("dc-9"),
    "made with the name in capitals": new("DC-9"),
    "made with the name in wide letters": new("\uff44\uff43-9"),
    "made with an unseen sign in the name": new("d\u200bc-9"),
    "made with the name decomposed": new("Gro\u0308ße-2"),
    "made with the name in other letters": new("GRÖSSE-2"),
    "copied with the name": copy("app1", "dc-9", labels={"team": "db"}),
    "renamed to the name": move("app1", name="dc-9"),
    "renamed from the name": move("dc-1", name="app9"),
    "renamed by an entry of a list": lambda stage: Way(
        "vm_migrate", {"vms": ["app2", {"name": "app1", "target": {"name": "Dc-9"}}], "target": {"name": "app9"}}
    ),
    "a copy of it": copy("dc-1", labels={"team": "db"}),
    "a copy of a labelled one": copy("prod1", labels={"team": "db"}),
    "a copy of one in the folder": copy("infra1", folder="/DC0/vm", labels={"team": "db"}),
}
OPERATIONS: Ways = {
    "pull the plug": power("stopped", name="app1", shutdown=HARD),
    "pull it where the guest is deaf": power("stopped", name="deaf1", shutdown={"method": "auto"}),
    "pull it after a deadline": power("stopped", name="app1", shutdown={"on_timeout": "force", "timeout_seconds": 1}),
    "restart hard": power("restarted", name="app1", shutdown=HARD),
    "reset": power("reset", name="app1"),
    "revert": snapshot(name="snapped", snapshot="one", state="reverted"),
    "remove a snapshot": snapshot(name="snapped", snapshot="one", state="absent"),
    "retention of a new snapshot": snapshot(name="snapped", retention={"keep": 1}),
    "prune": lambda stage: Way("vm_snapshot", {"name": "snapped", "state": "pruned", "retention": {"keep": 0}}),
    "remove": lambda stage: Way("vm", {"name": "off1", "state": "absent"}),
    "remove with disks": lambda stage: Way("vm", {"name": "off1", "state": "absent", "remove": ["disks"]}),
}
PLACES: Ways = {
    "a VM on another host": power(name="DC0_H0_VM0"),
    "made on another host": new(host="DC0_H0"),
    "made where the cluster chooses": new(host=None, cluster="DC0_C0"),
    "moved to another host": move("app1", host="DC0_H0"),
    "a copy to another host": copy("app1", host="DC0_H0", labels={"team": "db"}),
    "made in another storage": new(storage="LocalDS_1"),
    "a disk in another storage": new(disks=[{"size_bytes": "1M"}, {"size_bytes": "1M", "storage": "LocalDS_1"}]),
    "moved to another storage": move("app1", storage="LocalDS_1"),
    "moved by a map": move("app1", storage_map={"LocalDS_0": "LocalDS_1"}),
    "a copy to another storage": copy("app1", storage="LocalDS_1", labels={"team": "db"}),
}
NUMBERS: Ways = {
    "a list of too many": power(vms=["app1", "app2", "app3"]),
    "a selection of too many": power(select={"name": "app?"}),
    "max_vms of the task": power(select={"name": "app?"}, max_vms=100),
    "too many chosen, one to change": power("running", select={"name": "[ao]*"}, max_vms=100),
    "too many new ones": lambda stage: Way("vm", {**NEW, "vms": ["new1", "new2", "new3"]}),
    "too many snapshots": snapshot(vms=["app1", "app2", "app3"], parallel=1),
    "labels left out": new(labels=None),
    "another label": new(labels={"team": "evil"}),
    "one label more": new(labels={"team": ["web", "evil"]}),
    "another label by an entry": lambda stage: Way(
        "vm", {**NEW, "vms": ["new1", {"name": "new2", "labels": {"team": "evil"}}]}
    ),
    "a copy without labels": copy("app1"),
    "more VMs than the quota": lambda stage: Way("vm", {**NEW, "vms": ["new1", "new2"], "labels": {"team": "web"}}),
    "more processors than the quota": new(cpus=4, labels={"team": "web"}),
    "more memory than the quota": new(memory_bytes="256M", labels={"team": "web"}),
    "a copy larger than the quota": copy("large1", labels={"team": "web"}),
}
CONNECTIONS: Ways = {
    "straight to a host": over(lambda stage: stage.elsewhere()),
    "another port": over(lambda stage: stage.inline(port=stage.esx.port)),
    "no port": over(lambda stage: stage.inline(port=None)),
    "over a proxy": over(lambda stage: stage.inline(proxy="127.0.0.1:9")),
    "as another account": over(lambda stage: stage.inline(username=stage.bench.sim.viewer)),
    "another name of the host": over(lambda stage: stage.inline(hosts=[f"{stage.bench.lab['hosts'][0]}."])),
    "one host more": over(lambda stage: stage.inline(hosts=[*stage.bench.lab["hosts"], "127.0.0.1"])),
    "a part of the hosts": over(lambda stage: stage.inline(), policy="pair"),
    "a name that lies": over(lambda stage: {**stage.elsewhere(), "name": "lab"}),
    "another type": over(lambda stage: {"type": "libvirt", "hosts": ["test:///default"]}),
    "moved to another connection": lambda stage: Way(
        "vm_migrate", {"name": "app1", "target": {"hypervisor": stage.elsewhere(), "host": "DC0_C0_H0"}}
    ),
    "labels that a token cannot read": lambda stage: Way(
        "vm_state",
        {
            "name": "prod1",
            "state": "suspended",
            "hypervisor": stage.inline(token=stage.token, username=None, password=None),
        },
        policy="anybody",
    ),
    "while a host does not answer": lambda stage: Way(
        "vm_state",
        {
            "uuid": stage.vms["dc-1"]["uuid"],
            "state": "suspended",
            "hypervisor": stage.inline(hosts=[*stage.bench.lab["hosts"], "127.0.0.1"], unreachable="warn"),
        },
        policy="pair",
    ),
}
ENVIRONMENTS: Ways = {
    "a connections file": lambda stage: Way(
        "vm_state",
        {"name": "app1", "state": "suspended"},
        environ={"CROSSVIRT_CONNECTIONS": str(stage.bench.folder / "own" / ".config/crossvirt/connections.yml")},
    ),
    "a connections file at home": lambda stage: Way(
        "vm_state",
        {"name": "app1", "state": "suspended"},
        environ={"CROSSVIRT_CONNECTIONS": "", "HOME": str(stage.bench.folder / "own")},
    ),
    "a connection in variables": lambda stage: Way(
        "vm_state",
        {"name": "app1", "state": "suspended", "hypervisor": None},
        environ={
            "CROSSVIRT_TYPE": "vsphere",
            **{
                f"CROSSVIRT_VSPHERE_{key.upper()}": value[0] if isinstance(value, list) else str(value)
                for key, value in stage.elsewhere().items()
                if key != "type"
            },
        },
    ),
    "a policy in variables": within(
        lambda stage: dict.fromkeys(
            ("CROSSVIRT_POLICY", "CROSSVIRT_POLICY_FILE", "CROSSVIRT_CONFIG"), str(stage.bench.policies / "none")
        )
    ),
    "a policy at home": within(
        lambda stage: {"HOME": str(stage.bench.folder / "own"), "XDG_CONFIG_HOME": str(stage.bench.folder / "own")}
    ),
    "folders of configuration": within(
        lambda stage: {"XDG_CONFIG_DIRS": str(stage.bench.folder / "own"), "ANSIBLE_CONFIG": "/dev/null"}
    ),
    "another locale": within(
        lambda stage: {"LC_ALL": "ISO-8859-1", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}, name="Größe-1"
    ),
    "optimised away": within(lambda stage: {"PYTHONOPTIMIZE": "2", "PYTHONHASHSEED": "0"}),
}
BROKEN: dict[str, bytes] = {
    "not YAML": b"protected: [",
    "empty": b"",
    "not UTF-8": b"protected: {names: ['Gr\xf6\xdfe']}",
    "an unknown key": b"protect: {names: [dc-1]}",
    "a key twice": b"protected: {names: [dc-1]}\nprotected: {names: []}",
}
KINDS: dict[str, tuple[Any, ...]] = {
    "names": (NAMES, "is protected by its"),
    "operations": (OPERATIONS, "is not among allowed.operations"),
    "places": (PLACES, "allowed.hosts", "allowed.storage"),
    "numbers": (NUMBERS, "max_vms is 2", "new_vms.labels", "the quota of team web"),
    "connections": (
        CONNECTIONS,
        "is not among allowed.hypervisors",
        "is no login for tags",
        "is protected by its name",
    ),
    "environments": (ENVIRONMENTS, "is not among allowed.hypervisors", "is protected by its name"),
}
WAYS = {f"{kind}: {name}": way for kind, (ways, *_words) in KINDS.items() for name, way in ways.items()}


def expected(name: str) -> tuple[str, ...]:
    """Return what the refusal of a way may say, one of which is enough."""
    kind = name.partition(":")[0]
    return KINDS[kind][1:] if kind in KINDS else ("nothing is changed", "is protected by its", "allowed.hypervisors")
