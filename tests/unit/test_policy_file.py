# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a policy: where it is, what it may say, and that nothing else than a valid one lets work go on."""

import os
from pathlib import Path

import pytest
import yaml
from ansible_collections.crossvirt.lifecycle.plugins.module_utils import policy
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import PolicyRefused
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.planning.policy import Hypervisor, Policy, Quota
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.policy_file import policy_from

WHERE = Path("/etc/crossvirt/policy.yml")
KVM = {"kvm": {"type": "libvirt", "hosts": ["kvm1", "kvm2"]}}


def read(text: str) -> Policy:
    return policy_from(text, WHERE)


def test_everything_that_a_policy_may_say() -> None:
    data = {
        "protected": {"names": ["dc-*"], "labels": {"tier": "production", "os": []}, "folders": ["/dc1/vm/infra"]},
        "allowed": {
            "operations": ["start"],
            "hosts": ["kvm*"],
            "storage": [],
            "hypervisors": KVM
            | {"dc": {"type": "vsphere", "hosts": ["vc"], "port": 8443, "proxy": "p:1", "username": "u"}},
        },
        "max_vms": 0,
        "new_vms": {"labels": {"team": ["web", "db"]}},
        "quotas": [{"vms": 1}, {"labels": {"team": "web"}, "cpus": 4, "memory_bytes": "2G"}, {"memory_bytes": 5}],
    }
    assert read(yaml.safe_dump(data)) == Policy(
        file=str(WHERE),
        names=("dc-*",),
        labels={"tier": ["production"], "os": []},
        folders=("/dc1/vm/infra",),
        operations=frozenset({"start"}),
        hosts=("kvm*",),
        storage=(),
        hypervisors={
            "kvm": Hypervisor(type="libvirt", hosts=frozenset({"kvm1", "kvm2"})),
            "dc": Hypervisor(type="vsphere", hosts=frozenset({"vc"}), port=8443, proxy="p:1", username="u"),
        },
        max_vms=0,
        new_labels={"team": ["web", "db"]},
        quotas=(
            Quota(labels={}, limits={"vms": 1}),
            Quota(labels={"team": ["web"]}, limits={"cpus": 4, "memory_bytes": 2 * 1024**3}),
            Quota(labels={}, limits={"memory_bytes": 5}),
        ),
    )


def test_what_is_left_out_is_not_limited() -> None:
    assert read("{}") == Policy(file=str(WHERE))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be a dictionary"),
        ("- protected", "must be a dictionary"),
        ("a: [", "not plain YAML (line"),
        ("a: 1\n---\nb: 2", "not plain YAML"),
        ("a: !vault x", "not plain YAML (line 1)"),
        ("when: 2026-99-99", "not plain YAML"),
        ("&a [*a]", "must be a dictionary"),
        ("!!map text", "not plain YAML"),
        ("max_vms: 1\nmax_vms: 2", "max_vms is there twice (line 1)"),
        ("protected: {labels: {tier: [a], tier: [b]}}", "tier is there twice"),
        ("protect: {}", "no key 'protect'; there are protected, allowed, max_vms, new_vms, quotas"),
        ("1: {}", "no key 1"),
        ("protected: {name: [a]}", "no key 'name' below protected; there are names, labels, folders"),
        ("protected:", "protected must be a dictionary of keys, not nothing"),
        ("protected: {names: dc-1}", "protected.names must be a list of texts"),
        ("protected: {names: [1]}", "need quotes"),
        ("protected: {names: ['']}", "protected.names must be a list of texts"),
        ("protected: {names: }", "not nothing"),
        ("protected: {labels: [tier]}", "protected.labels must be a dictionary of labels"),
        ("protected: {labels: {tier: yes}}", "protected.labels.tier must be a list of texts"),
        ("protected: {labels: {1: a}}", "protected.labels must be a dictionary of labels"),
        ("protected: {folders: [infra]}", "'infra' is no whole path"),
        ("protected: {labels: {tier: a}}", "protected.labels needs allowed.hypervisors"),
        ("protected: {folders: [/a]}", "protected.folders needs allowed.hypervisors"),
        ("quotas: []", "quotas needs allowed.hypervisors"),
        ("allowed: {operation: []}", "no key 'operation' below allowed"),
        ("allowed: {operations: [power_off]}", "no operation 'power_off'"),
        ("allowed: {operations: start}", "allowed.operations must be a list"),
        ("allowed: {hosts: [null]}", "allowed.hosts must be a list"),
        ("allowed: {storage: {}}", "allowed.storage must be a list"),
        ("allowed: {hypervisors: [kvm]}", "allowed.hypervisors must be a dictionary"),
        ("allowed: {hypervisors: {kvm: [a]}}", "allowed.hypervisors.kvm must be a dictionary"),
        ("allowed: {hypervisors: {kvm: {type: qemu, hosts: [a]}}}", "allowed.hypervisors.kvm.type must be one of"),
        ("allowed: {hypervisors: {kvm: {hosts: [a]}}}", "allowed.hypervisors.kvm.type must be one of"),
        ("allowed: {hypervisors: {kvm: {type: libvirt}}}", "allowed.hypervisors.kvm.hosts must be a list"),
        ("allowed: {hypervisors: {kvm: {type: libvirt, hosts: []}}}", "names no host"),
        ("allowed: {hypervisors: {kvm: {type: libvirt, hosts: a}}}", "allowed.hypervisors.kvm.hosts must be a list"),
        ("allowed: {hypervisors: {kvm: {type: libvirt, hosts: [a], password: b}}}", "'password' below allowed.hyper"),
        ("allowed: {hypervisors: {kvm: {type: libvirt, hosts: [a], port: 1}}}", "a libvirt connection has no port"),
        ("allowed: {hypervisors: {dc: {type: vsphere, hosts: [a], port: x}}}", "allowed.hypervisors.dc.port must be"),
        ("allowed: {hypervisors: {dc: {type: vsphere, hosts: [a], proxy: }}}", "allowed.hypervisors.dc.proxy must be"),
        ("allowed: {hypervisors: {dc: {type: vsphere, hosts: [a], username: 1}}}", "allowed.hypervisors.dc.username"),
        ("max_vms: -1", "max_vms must be a whole number"),
        ("max_vms: yes", "max_vms must be a whole number"),
        ("max_vms: 1.5", "max_vms must be a whole number"),
        ("max_vms: ", "max_vms must be a whole number, not nothing"),
        ("new_vms: {label: {}}", "no key 'label' below new_vms"),
        ("new_vms: {labels: {team: 1}}", "new_vms.labels.team must be a list of texts"),
        ("{allowed: {hypervisors: {}}, quotas: {}}", "quotas must be a list"),
        ("{allowed: {hypervisors: {}}, quotas: [1]}", "quotas[0] must be a dictionary"),
        ("{allowed: {hypervisors: {}}, quotas: [{labels: {a: b}}]}", "quotas[0] limits nothing"),
        ("{allowed: {hypervisors: {}}, quotas: [{vms: 1, disks: 2}]}", "no key 'disks' below quotas[0]"),
        (
            "{allowed: {hypervisors: {}}, quotas: [{memory_bytes: 1Q}]}",
            "quotas[0].memory_bytes (a number, or like 128G)",
        ),
        ("{allowed: {hypervisors: {}}, quotas: [{cpus: 1G}]}", "quotas[0].cpus must be a whole number"),
    ],
)
def test_whatever_is_not_as_it_must_be_is_refused(text: str, words: str) -> None:
    with pytest.raises(PolicyRefused) as refused:
        read(text)
    assert str(WHERE) in str(refused.value)
    assert words in str(refused.value)


def load(path: Path) -> Policy | None:
    return policy.load(lambda _text: None, path)


def test_nothing_there_is_no_policy(tmp_path: Path) -> None:
    assert load(tmp_path / "crossvirt/policy.yml") is None
    (tmp_path / "crossvirt").mkdir()
    (tmp_path / "crossvirt/dc1.password").write_text("secret")
    assert load(tmp_path / "crossvirt/policy.yml") is None


def test_a_machine_without_a_policy_is_asked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Path] = []

    def lstat(path: Path) -> os.stat_result:
        asked.append(path)
        return os.lstat(path)

    monkeypatch.setattr(Path, "lstat", lstat)
    assert load(tmp_path / "crossvirt/policy.yml") is None
    assert asked == [tmp_path / "crossvirt"]


def test_a_file_is_read_whatever_the_locale(tmp_path: Path) -> None:
    file = tmp_path / "policy.yml"
    file.write_bytes("protected: {names: [Größe]}".encode())
    found = load(file)
    assert found is not None
    assert (found.names, found.file) == (("Größe",), str(file))


def broken(path: Path, what: str) -> None:
    """Put something there that is no policy."""
    match what:
        case "a folder":
            path.mkdir()
        case "a link to nothing":
            path.symlink_to("gone")
        case "a link to itself":
            path.symlink_to(path.name)
        case "a device":
            path.symlink_to("/dev/null")
        case "a queue":
            os.mkfifo(path)
        case "no text":
            path.write_bytes(b"\xff")
        case "a folder that is a file":
            path.parent.rmdir()
            path.parent.write_text("")
        case "a folder that leads nowhere":
            path.parent.rmdir()
            path.parent.symlink_to("gone")


@pytest.mark.parametrize(
    "what",
    [
        "a folder",
        "a link to nothing",
        "a link to itself",
        "a device",
        "a queue",
        "no text",
        "a folder that is a file",
        "a folder that leads nowhere",
    ],
)
def test_what_is_there_and_cannot_be_read_is_refused(tmp_path: Path, what: str) -> None:
    (tmp_path / "crossvirt").mkdir()
    broken(tmp_path / "crossvirt/policy.yml", what)
    with pytest.raises(PolicyRefused, match=r"policy.yml .* nothing is changed"):
        load(tmp_path / "crossvirt/policy.yml")


def test_whoever_could_change_it_is_warned(tmp_path: Path) -> None:
    file = tmp_path / "policy.yml"
    file.write_text("{}")
    file.chmod(0o400)
    warnings: list[str] = []
    policy.load(warnings.append, file)
    assert [str(file) in text and "does not bind" in text for text in warnings] == [True]


def test_its_place_is_what_the_page_says() -> None:
    assert policy.load.__defaults__ == (WHERE,)
