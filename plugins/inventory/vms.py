# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VMs as hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: vms
short_description: Make hosts of virtual machines
description:
  - Reads the VMs of any number of hypervisors, of any supported kind, side by side, and makes a host of each.
  - A source is a YAML file whose name ends in C(crossvirt.yml) or C(crossvirt.yaml). Unknown keys in it are refused.
  - Every host has the variables C(crossvirt_KEY) for the keys that M(crossvirt.lifecycle.vm_info) returns, and
    C(crossvirt_hypervisor), what finds its connection again, C(crossvirt_ref), an entry for the option C(vms) of the
    modules, C(crossvirt_addresses) where C(guest) is gathered, and C(crossvirt_incomplete) where a hypervisor did not
    answer. C(ansible_host) is the first address, IPv4 before IPv6, that is neither loopback nor link-local.
  - Groups are C(crossvirt_TYPE), C(crossvirt_state_STATE), C(crossvirt_host_HOST) and C(crossvirt_cluster_CLUSTER),
    with an underscore for every character that a group's name cannot have.
author: The crossvirt.lifecycle contributors (@crossvirt)
version_added: 0.1.0
extends_documentation_fragment:
  - constructed
  - inventory_cache
requirements:
  - Python >= 3.11
  - libvirt-python (libvirt)
  - pyvmomi >= 8.0.3 (vsphere)
options:
  plugin:
    description: Makes the file a source of this plugin.
    type: str
    required: true
    choices: [crossvirt.lifecycle.vms]
  hypervisors:
    description:
      - "The connections, each with the keys of the option C(hypervisor) of the modules; C({name: dc1}) is an entry of
        the connections file. Without this option there is one, which the environment describes."
      - Templates and lookups are rendered, with extra variables under O(use_extra_vars); C(!vault) works.
      - C(unreachable) is V(warn) here unless it is given. An endpoint that does not answer then costs a warning, and
        its VMs are missing.
    type: list
    elements: dict
    default: [{}]
  connections_file:
    description: The connections file. It is the modules' own, which know only E(CROSSVIRT_CONNECTIONS).
    type: path
    default: ~/.config/crossvirt/connections.yml
    env:
      - name: CROSSVIRT_CONNECTIONS
    ini:
      - section: crossvirt
        key: connections_file
  select:
    description:
      - Which VMs become hosts, in the form of the modules' option of that name; without it all.
      - Templates are rendered as in O(hypervisors).
    type: dict
  gather:
    description:
      - Parts to read beyond the base fields, which cost no call per VM.
      - On libvirt each of these costs calls per VM, and V(guest) asks the guest's agent. On vSphere none of them does;
        V(labels) are its tags and custom attributes.
    type: list
    elements: str
    choices: [labels, config, disks, nics, snapshots, guest]
    default: []
  hostnames:
    description:
      - Keys of a VM's document, such as V(name), V(uuid) or V(guest.hostname). The first that has a text names the
        host, and where none has, the VM's name does.
      - All hosts whose names clash get C(_) and the first 8 digits of their UUID, and if that is not enough their host.
        None keeps the bare name.
      - What is neither letter, digit, underscore, dot nor dash becomes an underscore, and so does a dot or dash at the
        beginning. Ansible and its plugins would read it as a pattern, a template, an option or a folder.
    type: list
    elements: str
    default: [name]
notes:
  - A reading from which anything is missing is never put into the cache.
  - No secret is ever a variable, or in the cache.
seealso:
  - module: crossvirt.lifecycle.vm_info
"""

EXAMPLES = r"""
# All VMs of two connections of the connections file
plugin: crossvirt.lifecycle.vms
hypervisors: [{name: dc1}, {name: kvm}]

---
# Running VMs by the host name that they have themselves, with the address to reach them
plugin: crossvirt.lifecycle.vms
hypervisors:
  - type: libvirt
    hosts: [qemu+tls://kvm1.example.com/system, qemu+tls://kvm2.example.com/system]
    username: automation
    password: "{{ lookup('ansible.builtin.env', 'KVM_PASSWORD') }}"
select: {state: running}
gather: [guest]
hostnames: [guest.hostname, name]

---
# Groups by label (of vSphere: tags and custom attributes), a variable of one's own, and a cache
plugin: crossvirt.lifecycle.vms
hypervisors: [{name: dc1}, {name: kvm}]
gather: [labels]
compose:
  ansible_user: "'admin' if 'windows' in crossvirt_labels.os | default([]) else 'root'"
keyed_groups:
  - {key: crossvirt_labels.role, prefix: role}
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/crossvirt
cache_timeout: 600
"""

import asyncio
import json
import os
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.group import to_safe_group_name
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.connection import DEFAULTS, Connection, settle
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.errors import CrossvirtError, InvalidOption
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.listing import check_hostnames, hosts_of
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.model import Part, Selection
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.reading import BASE, read_all
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.registry import driver_class
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.selection import WHICH, selection_from

try:
    from ansible.template import trust_as_template as _since_core_2_19  # noqa: F401
except ImportError:
    from ansible.utils.unsafe_proxy import wrap_var as inert
else:

    def inert(value: Any) -> Any:
        """Return the value as it is: what nobody marks as trusted is never taken for a template."""
        return value


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "crossvirt.lifecycle.vms"
    drivers = staticmethod(driver_class)

    def verify_file(self, path: str) -> bool:
        """Take files by their suffix."""
        return bool(super().verify_file(path)) and path.endswith(("crossvirt.yml", "crossvirt.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: FBT001, FBT002
        """Fill the inventory from one source."""
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        connections: list[Connection] = []
        try:
            if unknown := set(config) - set(self.get_options()):
                raise InvalidOption(f"unknown keys: {', '.join(sorted(map(str, unknown)))}")
            connections += self._connections()
            vms, complete = self._vms(path, connections, may_use_cache=cache)
            self._populate(inventory, vms, complete=complete)
        except CrossvirtError as error:
            raise AnsibleParserError(said(error, connections)) from None  # core would print its message again

    def _connections(self) -> list[Connection]:
        environ = {**os.environ, "CROSSVIRT_CONNECTIONS": self.get_option("connections_file")}
        defaults = {**DEFAULTS, "unreachable": "warn"}
        given = self._rendered(self.get_option("hypervisors"))
        if not given or not all(isinstance(keys, dict) for keys in given):
            raise InvalidOption("hypervisors must be a list of at least one dictionary, such as {name: dc1}")
        return [settle(keys, environ, defaults) for keys in given]

    def _rendered(self, value: Any) -> Any:
        """Render templates, decrypt what is encrypted, and return Python's own types."""
        self.templar.available_variables = (self._vars or {}) if self.get_option("use_extra_vars") else {}
        return json.loads(json.dumps(self.templar.template(value), default=str))

    def _vms(self, path: str, connections: list[Connection], *, may_use_cache: bool) -> tuple[list[Any], bool]:
        """Return documents by connection from the cache or the hypervisors, and whether nothing is missing."""
        wanted, gather = self._selection(), [Part(name) for name in self.get_option("gather")]
        check_hostnames(self.get_option("hostnames"), (*BASE, "type", "hypervisor", *gather))
        caching = self.get_option("cache")
        key = f"{self.get_cache_key(path)}_{digest(connections, wanted, gather)}"
        if caching and may_use_cache and key in self._cache:
            return self._cache[key]["vms"], True
        readings = asyncio.run(read_all(connections, wanted, gather, drivers=self.drivers))
        failures = [failure for reading in readings for failure in reading.failures]
        for failure in failures:
            self.display.warning(said(failure, connections))
        vms = [[reading.connection.reference(), reading.documents] for reading in readings]
        if caching and not failures:
            self._cache[key] = {"vms": vms}
        return vms, not failures

    def _selection(self) -> Selection:
        given = self._rendered(self.get_option("select"))
        if given is None:
            return Selection()
        checked = ArgumentSpecValidator({"select": WHICH["select"]}).validate({"select": given})
        if checked.error_messages:
            raise InvalidOption("; ".join(checked.error_messages))
        return selection_from(checked.validated_parameters["select"])

    def _populate(self, inventory: Any, vms: list[Any], *, complete: bool) -> None:
        """Make hosts and groups; Jinja is slow, and asked only for what the source says in it."""
        hosts = hosts_of(vms, self.get_option("hostnames"), inventory.groups, safe_group)
        for group in sorted({group for host in hosts for group in host.groups}):
            inventory.add_group(group)
        known = {}
        for host in hosts:
            inventory.add_host(host.name)
            for group in host.groups:
                inventory.add_child(group, host.name)
            known[host.name] = inert(host.variables if complete else {**host.variables, "crossvirt_incomplete": True})
            # set_variable would look at every value again, for tags and types that these cannot have.
            inventory.hosts[host.name].vars.update(known[host.name])
        self._construct(known)

    def _construct(self, known: dict[str, dict[str, Any]]) -> None:
        """Add what the source says in Jinja: variables first, because Ansible takes a host for a group of its name."""
        compose, groups, keyed_groups = map(self.get_option, ("compose", "groups", "keyed_groups"))
        strict = self.get_option("strict")
        for name, variables in known.items() if compose else ():
            self._set_composite_vars(compose, variables, name, strict)
        for name, variables in known.items() if groups or keyed_groups else ():
            self._add_host_to_composed_groups(groups, variables, name, strict)
            self._add_host_to_keyed_groups(keyed_groups, variables, name, strict)


def safe_group(name: str) -> str:
    """Return what a group can be called."""
    return str(to_safe_group_name(name, force=True, silent=True))


def said(error: CrossvirtError, connections: Sequence[Connection]) -> str:
    """Return an error with its class, and without anything secret."""
    secrets = {secret for connection in connections for secret in connection.secrets}
    return str(remove_values(f"{type(error).__name__}: {error}", secrets))


def digest(connections: Sequence[Connection], wanted: Selection, gather: Sequence[Part]) -> str:
    """Return what changes with anything that could lead to other documents; no secret goes into it."""
    seen = [[connection.label, connection.without_secrets()] for connection in connections]
    return sha256(repr([seen, wanted, gather]).encode()).hexdigest()[:16]
