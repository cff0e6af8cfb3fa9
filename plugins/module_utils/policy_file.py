# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a policy -> the policy; all that is not as it must be is an error, so that no slip lifts a rule."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .connection import KEYS as CONNECTION_KEYS
from .driver import Capability
from .errors import MissingLibrary, PolicyRefused
from .planning.policy import Hypervisor, Labels, Policy, Quota

ACTIONS = ("start", "stop", "create", "delete", *(one.value for one in Capability))
KEYS = {
    "protected": "dict",
    "protected.names": "list of str",
    "protected.labels": "dict",
    "protected.folders": "list of str",
    "allowed": "dict",
    "allowed.operations": "list of str",
    "allowed.hosts": "list of str",
    "allowed.storage": "list of str",
    "allowed.hypervisors": "dict",
    "allowed.hypervisors.type": "str",
    "allowed.hypervisors.hosts": "list of str",
    "allowed.hypervisors.port": "int",
    "allowed.hypervisors.proxy": "str",
    "allowed.hypervisors.username": "str",
    "max_vms": "int",
    "new_vms": "dict",
    "new_vms.labels": "dict",
    "quotas": "list of dict",
    "quotas.labels": "dict",
    "quotas.vms": "int",
    "quotas.cpus": "int",
    "quotas.memory_bytes": "bytes",
}
NEED_HYPERVISORS = ("protected.labels", "protected.folders", "quotas")
LIMITS = ("vms", "cpus", "memory_bytes")
UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
BYTES = re.compile(r"([0-9]+)([KMGT]?)")


class Wrong(Exception):
    """What is not as it must be, by its key."""


def policy_from(text: str, path: Path) -> Policy:
    """Return a policy; raises PolicyRefused, naming file and key, and MissingLibrary."""
    try:
        return checked(parsed(text, path), str(path))
    except Wrong as error:
        raise PolicyRefused(f"the policy {path} is not valid, and so nothing is changed: {error}") from error


def parsed(text: str, path: Path) -> Any:
    """Read YAML in which no key is there twice: the second would lift what the first says."""
    try:
        import yaml
    except ImportError as error:
        pip = f"{sys.executable} -m pip install PyYAML"
        raise MissingLibrary(f"the policy {path} needs PyYAML for the Python that runs us: {pip}") from error

    class Loader(yaml.SafeLoader):
        """SafeLoader that takes no key twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
            keys = [key.value for key, _value in node.value] if isinstance(node, yaml.MappingNode) else []
            if twice := [key for n, key in enumerate(keys) if key in keys[:n]]:
                raise Wrong(f"{twice[0]} is there twice (line {node.start_mark.line + 1})")
            return super().construct_mapping(node, deep=deep)

    try:
        return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        raise Wrong(f"it is not plain YAML{f' (line {where.line + 1})' if where else ''}") from error


def checked(data: Any, file: str) -> Policy:
    """Hold every key and value to what they must be."""
    top = section(data, "")
    protected, allowed, new = (section(top.get(key, {}), key) for key in ("protected", "allowed", "new_vms"))
    policy = Policy(
        file=file,
        names=texts(protected.get("names", []), "protected.names"),
        labels=labels(protected.get("labels", {}), "protected.labels"),
        folders=folders(protected.get("folders", []), "protected.folders"),
        operations=optional(allowed, "operations", operations),
        hosts=optional(allowed, "hosts", texts),
        storage=optional(allowed, "storage", texts),
        hypervisors=optional(allowed, "hypervisors", hypervisors),
        max_vms=number(top["max_vms"], "max_vms") if "max_vms" in top else None,
        new_labels=labels(new.get("labels", {}), "new_vms.labels"),
        quotas=quotas(top.get("quotas", []), "quotas"),
    )
    given = {f"protected.{key}" for key in protected} | set(top)
    needing = [key for key in NEED_HYPERVISORS if key in given]
    if needing and policy.hypervisors is None:
        raise Wrong(f"{needing[0]} needs allowed.hypervisors: a connection to a part of the hosts would get round it")
    return policy


def section(data: Any, where: str) -> dict[str, Any]:
    """Return a dictionary that has only keys that are known there."""
    if not isinstance(data, dict):
        raise Wrong(f"{where or 'it'} must be a dictionary of keys, not {said(data)}")
    known = [key.removeprefix(f"{where}.") for key in KEYS if not where or key.startswith(f"{where}.")]
    known = [key for key in known if "." not in key]
    if odd := [key for key in data if key not in known]:
        below = f" below {where}" if where else ""
        raise Wrong(f"there is no key {odd[0]!r}{below}; there are {', '.join(known)}")
    return data


def optional(given: dict[str, Any], key: str, read: Callable[[Any, str], Any]) -> Any:
    """Read a key of `allowed`; None where it is left out."""
    return read(given[key], f"allowed.{key}") if key in given else None


def texts(value: Any, where: str) -> tuple[str, ...]:
    """Return a list of texts."""
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise Wrong(f"{where} must be a list of texts, not {said(value)}; numbers and words like yes need quotes")
    return tuple(value)


def labels(value: Any, where: str) -> Labels:
    """Return labels, each with its values; a text is a list of one, and an empty list any value."""
    if not isinstance(value, dict) or not all(isinstance(key, str) and key for key in value):
        raise Wrong(f"{where} must be a dictionary of labels, not {said(value)}")
    return {
        key: list(texts([given] if isinstance(given, str) else given, f"{where}.{key}")) for key, given in value.items()
    }


def folders(value: Any, where: str) -> tuple[str, ...]:
    """Return whole paths."""
    if odd := [one for one in texts(value, where) if not one.startswith("/")]:
        raise Wrong(f"{where}: {odd[0]!r} is no whole path, such as /dc1/vm/infra")
    return tuple(value)


def operations(value: Any, where: str) -> frozenset[str]:
    """Return actions of steps."""
    if odd := [one for one in texts(value, where) if one not in ACTIONS]:
        raise Wrong(f"{where}: there is no operation {odd[0]!r}; there are {', '.join(ACTIONS)}")
    return frozenset(value)


def number(value: Any, where: str) -> int:
    """Return a number of things."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Wrong(f"{where} must be a whole number, not {said(value)}")
    return value


def amount(value: Any, where: str) -> int:
    """Return a number of bytes, which may be written like 128G."""
    match = BYTES.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) * 1024 ** UNITS[match[2]] if match else number(value, f"{where} (a number, or like 128G)")


def hypervisors(value: Any, where: str) -> dict[str, Hypervisor]:
    """Return connections by the names that the policy has for them."""
    if not isinstance(value, dict):
        raise Wrong(f"{where} must be a dictionary of connections, not {said(value)}")
    return {str(name): hypervisor(keys, f"{where}.{name}") for name, keys in value.items()}


def hypervisor(value: Any, where: str) -> Hypervisor:
    """Return one connection."""
    keys = section_of(value, where, "allowed.hypervisors")
    kind, hosts = keys.get("type"), texts(keys.get("hosts"), f"{where}.hosts")
    if kind not in CONNECTION_KEYS:
        raise Wrong(f"{where}.type must be one of {', '.join(CONNECTION_KEYS)}, not {said(kind)}")
    if not hosts:
        raise Wrong(f"{where}.hosts names no host")
    if odd := [key for key in keys if key not in CONNECTION_KEYS[kind]]:
        raise Wrong(f"{where}: a {kind} connection has no {odd[0]}")
    for key in ("proxy", "username"):
        if key in keys and not (isinstance(keys[key], str) and keys[key]):
            raise Wrong(f"{where}.{key} must be a text, not {said(keys[key])}")
    port = number(keys["port"], f"{where}.port") if "port" in keys else None
    return Hypervisor(
        type=kind, hosts=frozenset(hosts), port=port, proxy=keys.get("proxy"), username=keys.get("username")
    )


def quotas(value: Any, where: str) -> tuple[Quota, ...]:
    """Return quotas."""
    if not isinstance(value, list):
        raise Wrong(f"{where} must be a list, not {said(value)}")
    return tuple(quota(one, f"{where}[{n}]") for n, one in enumerate(value))


def quota(value: Any, where: str) -> Quota:
    """Return one quota."""
    keys = section_of(value, where, "quotas")
    limits = {
        key: (amount if key == "memory_bytes" else number)(keys[key], f"{where}.{key}") for key in LIMITS if key in keys
    }
    if not limits:
        raise Wrong(f"{where} limits nothing; it needs at least one of {', '.join(LIMITS)}")
    return Quota(labels=labels(keys.get("labels", {}), f"{where}.labels"), limits=limits)


def section_of(value: Any, where: str, like: str) -> dict[str, Any]:
    """Return a dictionary with the keys that are known below another place."""
    try:
        return section(value, like)
    except Wrong as error:
        raise Wrong(str(error).replace(like, where)) from error


def said(value: Any) -> str:
    """Return a value as an error shows it."""
    return "nothing" if value is None else repr(value)
