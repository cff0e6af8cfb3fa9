# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin as Ansible loads it, against hypervisors in memory and libvirt's own test driver."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import indent
from typing import Any
from xml.sax.saxutils import escape

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.loader import inventory_loader
from ansible.template import Templar
from ansible.utils.display import Display
from ansible.vars.manager import VariableManager
from ansible_collections.crossvirt.lifecycle.plugins.inventory import vms
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import ConnectionFailed
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Config

from tests.unit.memory import drivers_of
from tests.unit.world import World

ROOT = Path(__file__).parents[2]
HIDDEN = "s3cr3t-w0rd"
Source = Callable[..., Path]


@pytest.fixture(autouse=True)
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Ansible would warn of."""
    told: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _display, msg, *_more, **_options: told.append(msg))
    return told


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Two hosts with a VM on each."""
    world = World("kvm1", "kvm2")
    world.add("web1", "kvm1", "running", labels={"role": ["web"]}, addresses=("fe80::1", "192.0.2.10"))
    world.add("db1", "kvm2", cluster="east 1")
    monkeypatch.setattr(vms.InventoryModule, "drivers", staticmethod(drivers_of(world)))
    return world


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Write a source; without `hypervisors` it is one connection `memory` to both hosts."""
    connections = {"memory": {"type": "libvirt", "hosts": ["kvm1", "kvm2"], "password": HIDDEN}}
    (tmp_path / "connections.yml").write_text(yaml.safe_dump({"hypervisors": connections}))
    (tmp_path / "connections.yml").chmod(0o600)
    monkeypatch.setenv("CROSSVIRT_CONNECTIONS", str(tmp_path / "connections.yml"))

    def write(**keys: Any) -> Path:
        path = tmp_path / "test.crossvirt.yml"
        known = {"plugin": "crossvirt.lifecycle.vms", "hypervisors": [{"name": "memory"}]}
        path.write_text(yaml.safe_dump(known | keys))
        return path

    return write


def parsed(path: Path, *, cache: bool = True, loader: DataLoader | None = None) -> InventoryManager:
    """Read a source as Ansible does; an error of the plugin is raised instead of being a warning among others."""
    plugin = inventory_loader.get("crossvirt.lifecycle.vms")
    plugin.parse(InventoryData(), loader or DataLoader(), str(path), cache=cache)
    return InventoryManager(loader or DataLoader(), sources=[str(path)], cache=cache)


def refusal(path: Path) -> str:
    """Return why a source is refused."""
    with pytest.raises(AnsibleParserError) as error:
        parsed(path)
    return str(error.value)


def variables(inventory: InventoryManager, host: str) -> dict[str, Any]:
    """Return what the plugin gave a host."""
    return {key: value for key, value in inventory.hosts[host].vars.items() if not key.startswith("inventory_")}


def members(inventory: InventoryManager) -> dict[str, list[str]]:
    """Return the groups that are not Ansible's own."""
    groups = {name: sorted(host.name for host in group.hosts) for name, group in inventory.groups.items()}
    return {name: hosts for name, hosts in groups.items() if name not in ("all", "ungrouped")}


def rendered(inventory: InventoryManager, host: str, expression: str) -> Any:
    """Return what a playbook would see."""
    loader = DataLoader()
    known = VariableManager(loader=loader, inventory=inventory).get_vars(host=inventory.hosts[host])
    template = f"{{{{ {expression} }}}}"
    if hasattr(vms, "_since_core_2_19"):
        from ansible.template import trust_as_template

        template = trust_as_template(template)
    return Templar(loader=loader, variables=known).template(template)


def test_files_are_taken_by_their_suffix(tmp_path: Path) -> None:
    plugin = inventory_loader.get("crossvirt.lifecycle.vms")
    names = ["crossvirt.yml", "prod.crossvirt.yaml", "crossvirt.yml.bak", "hosts.yml", "libvirt.yml"]
    for name in names:
        (tmp_path / name).touch()
    assert [name for name in names if plugin.verify_file(str(tmp_path / name))] == names[:2]
    assert not plugin.verify_file(str(tmp_path / "absent.crossvirt.yml"))


def test_hosts_variables_and_groups(world: World, source: Source) -> None:
    inventory = parsed(source(gather=["labels", "guest"]))
    assert members(inventory) == {
        "crossvirt_libvirt": ["db1", "web1"],
        "crossvirt_state_running": ["web1"],
        "crossvirt_state_stopped": ["db1"],
        "crossvirt_host_kvm1": ["web1"],
        "crossvirt_host_kvm2": ["db1"],
        "crossvirt_cluster_east_1": ["db1"],
    }
    web1 = variables(inventory, "web1")
    assert web1["crossvirt_hypervisor"] == "memory"
    assert web1["crossvirt_ref"] == {"uuid": world.machine("web1").uuid}
    assert web1["crossvirt_labels"] == {"role": ["web"]}
    assert web1["crossvirt_addresses"] == ["fe80::1", "192.0.2.10"]
    assert web1["ansible_host"] == "192.0.2.10"
    db1 = variables(inventory, "db1")
    assert (db1["crossvirt_cluster"], db1["crossvirt_addresses"]) == ("east 1", [])
    assert not {"ansible_host", "crossvirt_incomplete", "crossvirt_disks"} & set(db1)


def test_values_are_of_plain_types(world: World, source: Source) -> None:
    world.snap(world.machine("web1"), "before")
    parts = ["labels", "config", "disks", "nics", "snapshots", "guest"]
    inventory = parsed(source(gather=parts))
    web1 = variables(inventory, "web1")
    assert {f"crossvirt_{part}" for part in parts} <= set(web1)
    assert json.loads(json.dumps(web1)) == web1
    assert foreign(web1) == []


def foreign(value: Any) -> list[Any]:
    """Return what is neither of Python's own types, nor what core 2.18 needs to keep it from being a template."""
    if isinstance(value, dict):
        return foreign([*value, *value.values()])
    if isinstance(value, list):
        return [one for part in value for one in foreign(part)]
    inert = type(value).__name__ == "AnsibleUnsafeText"
    return [] if inert or type(value) in (str, int, bool, type(None)) else [value]


def test_what_a_vm_says_is_never_a_template(world: World, source: Source) -> None:
    world.add("{{ 6 * 7 }}", config=Config(notes="{{ lookup('env', 'HOME') }}"), labels={"{{ 1 }}": ["{% x %}"]})
    inventory = parsed(source(gather=["config", "labels"], compose={"composed": "crossvirt_config.notes"}))
    host = "___6___7___"
    assert rendered(inventory, host, "crossvirt_name") == "{{ 6 * 7 }}"
    assert rendered(inventory, host, "crossvirt_config.notes ~ '!'") == "{{ lookup('env', 'HOME') }}!"
    assert rendered(inventory, host, "composed") == "{{ lookup('env', 'HOME') }}"
    assert rendered(inventory, host, "crossvirt_labels | to_json") == '{"{{ 1 }}": ["{% x %}"]}'


def test_a_vm_named_as_a_group_is_not_the_group(world: World, source: Source, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("dbservers: {hosts: {one: }}")
    world.add("dbservers", "kvm1")
    world.add("crossvirt_host_kvm1", "kvm1")
    world.add("web", "kvm1", labels={"role": ["web"]})
    path = source(
        gather=["labels"], compose={"mine": "'x'"}, keyed_groups=[{"key": "crossvirt_labels.role", "separator": ""}]
    )
    inventory = InventoryManager(DataLoader(), sources=[str(tmp_path / "a.yml"), str(path)])
    assert [host.name for host in inventory.groups["dbservers"].get_hosts()] == ["one"]
    assert all(not group.vars for group in inventory.groups.values())
    names = {host.vars.get("crossvirt_name"): host.name for host in inventory.hosts.values()}
    assert names["dbservers"] == f"dbservers_{world.machine('dbservers').uuid[:8]}"
    assert names["crossvirt_host_kvm1"] == f"crossvirt_host_kvm1_{world.machine('crossvirt_host_kvm1').uuid[:8]}"
    assert inventory.hosts["web"].vars["mine"] == "x"


@pytest.mark.usefixtures("world")
def test_what_the_source_says_in_jinja(source: Source) -> None:
    path = source(
        gather=["labels"],
        compose={"upper": "crossvirt_name | upper", "broken": "nothing.at.all"},
        groups={"big": "crossvirt_cpus > 1", "never": "false"},
        keyed_groups=[{"key": "crossvirt_labels.role", "prefix": "role"}],
    )
    inventory = parsed(path)
    assert variables(inventory, "web1")["upper"] == "WEB1"
    assert members(inventory)["big"] == ["db1", "web1"]
    assert members(inventory)["role_web"] == ["web1"]
    assert "never" not in members(inventory)
    with pytest.raises(Exception, match="broken"):
        parsed(source(compose={"broken": "nothing.at.all"}, strict=True))


def test_select_and_hostnames(world: World, source: Source) -> None:
    assert set(parsed(source(select={"state": "running"})).hosts) == {"web1"}
    assert set(parsed(source(select={"labels": {"role": "web"}})).hosts) == {"web1"}
    assert set(parsed(source(hostnames=["uuid"])).hosts) == {machine.uuid for machine in world.machines}


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"hypervisor": {}, "gathr": []}, "InvalidOption: unknown keys: gathr, hypervisor"),
        ({"select": {}}, "InvalidOption: select needs at least one condition"),
        ({"select": {"nam": "web1"}}, "InvalidOption: .*nam"),
        ({"select": {"state": "on"}}, "InvalidOption: .*state.* running, stopped"),
        ({"hostnames": ["guest.hostname"]}, "InvalidOption: hostnames: 'guest.hostname'"),
        ({"gather": ["everything"]}, "everything"),
        ({"hypervisors": [{"name": "memory", "hosts": ["elsewhere"]}]}, "InvalidOption: .*hosts"),
        ({"hypervisors": [{"name": "absent"}]}, "NotFound: .*'absent'"),
        ({"hypervisors": [{"type": "qemu", "hosts": ["kvm1"]}]}, "InvalidOption: .*'qemu'"),
        ({"hypervisors": ["kvm1"]}, "InvalidOption: hypervisors must be"),
        ({"hypervisors": []}, "InvalidOption: hypervisors must be"),
    ],
)
def test_wrong_keys_are_refused_by_name(world: World, source: Source, keys: dict[str, Any], why: str) -> None:
    with pytest.raises(AnsibleError, match=why):
        parsed(source(**keys))
    assert world.calls == []


def test_strings_are_rendered(world: World, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    world.sites["kvm1"].password = HIDDEN
    monkeypatch.setenv("PASSWORD_OF_KVM", HIDDEN)
    unnamed = {"type": "libvirt", "hosts": ["{{ 'kvm' ~ 1 }}"], "password": "{{ lookup('env', 'PASSWORD_OF_KVM') }}"}
    inventory = parsed(source(hypervisors=[unnamed], select={"name": "{{ 'we' ~ 'b*' }}"}))
    assert variables(inventory, "web1")["crossvirt_hypervisor"] == {"type": "libvirt", "hosts": ["kvm1"]}
    assert HIDDEN not in repr(inventory.hosts["web1"].vars)


def test_values_may_be_in_a_vault(source: Source, tmp_path: Path) -> None:
    """Through the program, because only that unlocks vaults on every ansible-core."""
    key = VaultSecret(b"key")
    (tmp_path / "key").write_text("key")
    encrypted = VaultLib([("default", key)]).encrypt("test:///default", key).decode()
    path = source(hypervisors=[{"type": "libvirt", "hosts": ["PLACE"]}])
    path.write_text(path.read_text().replace("PLACE", f"!vault |\n{indent(encrypted, ' ' * 6)}"))
    program = [str(Path(sys.executable).with_name("ansible-inventory")), "--vault-password-file", str(tmp_path / "key")]
    env = os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "HOME": str(tmp_path)}
    done = subprocess.run([*program, "-i", str(path), "--list"], env=env, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["crossvirt_libvirt"] == {"hosts": ["test"]}


@pytest.mark.usefixtures("world")
def test_extra_variables_count_where_the_source_says_so(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible.plugins.inventory.load_extra_vars", lambda _loader: {"where": "kvm1"})
    hypervisors = [{"type": "libvirt", "hosts": ["{{ where }}"]}]
    assert set(parsed(source(hypervisors=hypervisors, use_extra_vars=True)).hosts) == {"web1"}
    with pytest.raises(Exception, match="where"):
        parsed(source(hypervisors=hypervisors))


def test_a_silent_hypervisor_costs_a_warning(world: World, source: Source, warnings: list[str]) -> None:
    world.sites["kvm2"].connect_error = ConnectionFailed(f"kvm2 is silent about {HIDDEN}")
    world.sites["dead"] = world.sites["kvm2"]
    inventory = parsed(source(hypervisors=[{"name": "memory"}, {"type": "libvirt", "hosts": ["dead"]}]))
    assert set(inventory.hosts) == {"web1"}
    assert variables(inventory, "web1")["crossvirt_incomplete"] is True
    said = [one for one in warnings if "ConnectionFailed: kvm2 is silent" in one]
    assert len(said) == 4  # two connections, read twice
    assert HIDDEN not in "".join(warnings)


def test_a_silent_hypervisor_may_be_fatal(world: World, source: Source) -> None:
    world.sites["kvm2"].connect_error = ConnectionFailed(f"kvm2 is silent about {HIDDEN}")
    said = refusal(source(hypervisors=[{"name": "memory", "unreachable": "fail"}]))
    assert "ConnectionFailed: kvm2 is silent" in said
    assert HIDDEN not in said


def test_the_connections_file_may_make_silence_fatal(world: World, source: Source, tmp_path: Path) -> None:
    path = source()
    entry = {"type": "libvirt", "hosts": ["kvm1", "kvm2"], "unreachable": "fail"}
    (tmp_path / "connections.yml").write_text(yaml.safe_dump({"hypervisors": {"memory": entry}}))
    world.sites["kvm2"].connect_error = ConnectionFailed("kvm2 is silent")
    assert "ConnectionFailed: kvm2 is silent" in refusal(path)


@pytest.fixture
def cached(source: Source, tmp_path: Path) -> Callable[..., Path]:
    """Write a source with a cache on disk."""
    folder = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    return lambda **keys: source(**folder, **keys)


def hosts(path: Path, *, cache: bool = True) -> set[str]:
    """Read a source in one go, as one run of Ansible does."""
    return set(InventoryManager(DataLoader(), sources=[str(path)], cache=cache).hosts)


def test_a_warm_cache_makes_no_connection(world: World, cached: Callable[..., Path], tmp_path: Path) -> None:
    path = cached(gather=["config"])
    world.machine("web1").config = Config(notes="{{ 6 * 7 }}")
    assert hosts(path) == {"web1", "db1"}
    world.calls.clear()
    again = InventoryManager(DataLoader(), sources=[str(path)])
    assert set(again.hosts) == {"web1", "db1"}
    assert world.calls == []
    assert rendered(again, "web1", "crossvirt_config.notes") == "{{ 6 * 7 }}"
    (stored,) = (tmp_path / "cache").iterdir()
    assert HIDDEN not in stored.read_text() + stored.name


def test_a_cache_is_refreshed_when_asked(world: World, cached: Callable[..., Path]) -> None:
    path = cached()
    assert hosts(path) == {"web1", "db1"}
    world.add("new")
    assert hosts(path) == {"web1", "db1"}
    assert hosts(path, cache=False) == {"web1", "db1", "new"}
    assert hosts(path) == {"web1", "db1", "new"}


@pytest.mark.usefixtures("world")
def test_another_question_is_not_answered_from_the_cache(cached: Callable[..., Path], tmp_path: Path) -> None:
    assert hosts(cached()) == {"web1", "db1"}
    assert hosts(cached(select={"name": "db*"})) == {"db1"}
    elsewhere = {"memory": {"type": "libvirt", "hosts": ["kvm1"]}}
    path = cached()
    (tmp_path / "connections.yml").write_text(yaml.safe_dump({"hypervisors": elsewhere}))
    assert hosts(path) == {"web1"}


def test_an_incomplete_reading_is_not_cached(world: World, cached: Callable[..., Path]) -> None:
    world.sites["kvm2"].connect_error = ConnectionFailed("kvm2 is silent")
    assert hosts(cached()) == {"web1"}
    world.sites["kvm2"].connect_error = None
    assert hosts(cached()) == {"web1", "db1"}
    world.sites["kvm2"].connect_error = ConnectionFailed("kvm2 is silent")
    assert hosts(cached(), cache=False) == {"web1"}
    assert hosts(cached()) == {"web1", "db1"}


def test_hypervisors_are_read_side_by_side(world: World, source: Source) -> None:
    for name in ("kvm1", "kvm2"):
        world.sites[name].read_seconds = 0.5
    path = source(hypervisors=[{"type": "libvirt", "hosts": [name]} for name in ("kvm1", "kvm2")])
    began = time.monotonic()
    assert hosts(path) == {"web1", "db1"}
    assert time.monotonic() - began < 0.9


def test_it_leaves_no_thread(source: Source, world: World) -> None:
    """The inventory is read in a process that lives on, and may be read again and again."""
    world.sites["kvm2"].connect_error = ConnectionFailed("kvm2 is silent")
    before = threading.active_count()
    hosts(source())
    deadline = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.usefixtures("world")
def test_it_works_outside_the_main_thread(source: Source) -> None:
    with ThreadPoolExecutor() as pool:
        assert pool.submit(hosts, source()).result() == {"web1", "db1"}


@pytest.mark.usefixtures("world")
def test_without_hypervisors_the_environment_describes_one(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSVIRT_TYPE", "libvirt")
    monkeypatch.setenv("CROSSVIRT_LIBVIRT_HOSTS", "kvm2")
    path = source()
    path.write_text("plugin: crossvirt.lifecycle.vms\n")
    assert hosts(path) == {"db1"}


@pytest.mark.parametrize("plugin", ["crossvirt.lifecycle.vms", "auto"])
def test_libvirts_test_driver(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str) -> None:
    names = ["web", "my vm", "größe", "'quoted\"", "-x", "a,b", "{{ 6 * 7 }}", "localhost"]
    domain = "<domain type='test'><name>{}</name><memory>1024</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>"
    node = tmp_path / "node.xml"
    node.write_text(f"<node>{''.join(domain.format(escape(name)) for name in names)}</node>")
    monkeypatch.setattr(constants, "INVENTORY_ENABLED", [plugin])
    inventory = parsed(source(hypervisors=[{"type": "libvirt", "hosts": f"test://{node}"}]))
    by_name = {host.vars["crossvirt_name"]: host for host in inventory.hosts.values()}
    assert set(by_name) == set(names)
    localhost = f"localhost_{by_name['localhost'].vars['crossvirt_uuid'][:8]}"
    assert set(inventory.hosts) == {"web", "my_vm", "größe", "_quoted_", "_x", "a_b", "___6___7___", localhost}
    for host in inventory.hosts.values():
        assert [one.name for one in inventory.get_hosts(host.name)] == [host.name]
        assert rendered(inventory, host.name, "crossvirt_name") == host.vars["crossvirt_name"]
