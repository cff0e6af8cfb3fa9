# SPDX-License-Identifier: GPL-3.0-or-later
"""The `hypervisor` dict: which keys there are, which type knows them, and where missing ones come from.

Order: task, then the environment (unnamed) or the connections file (named), then defaults. The argument spec has no
defaults, because a default there could not be told from a value that the user gave.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .errors import ConnectionFailed, InvalidOption, MissingLibrary, NotFound

TYPES = ("vsphere", "libvirt", "xenserver", "hyperv")
TRANSPORTS = ("negotiate", "kerberos", "credssp", "certificate", "basic")
COMMON = {
    "name",
    "type",
    "hosts",
    "username",
    "password",
    "password_file",
    "validate_certs",
    "ca_path",
    "connect_timeout_seconds",
    "unreachable",
}
KEYS = {
    "vsphere": COMMON | {"port", "token", "thumbprint", "proxy"},
    "libvirt": COMMON | {"client_cert", "client_key"},
    "xenserver": COMMON,
    "hyperv": COMMON | {"port", "client_cert", "client_key", "transport"},
}
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {"validate_certs": True, "connect_timeout_seconds": 10.0, "unreachable": "fail"}
)
SECRETS = ("password", "token")
BESIDE_NAME = {"name", "unreachable", "connect_timeout_seconds"}
PLAINTEXT = re.compile(r"(\w+\+tcp|http)://", re.IGNORECASE)
SECRET_IN_URI = re.compile(r"//[^/@]*:[^/@]*@|[?&](password|passwd|secret|token)=", re.IGNORECASE)
FOREIGN = {"vsphere": {"VMWARE_HOST": "hosts", "VMWARE_USER": "username", "VMWARE_PASSWORD": "password"}}
DEFAULT_FILE = "~/.config/crossvirt/connections.yml"

HYPERVISOR: dict[str, Any] = {
    "type": "dict",
    "options": {
        "name": {"type": "str"},
        "type": {"type": "str", "choices": list(TYPES)},
        "hosts": {"type": "list", "elements": "str"},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "password_file": {"type": "path", "no_log": False},
        "token": {"type": "str", "no_log": True},
        "validate_certs": {"type": "bool"},
        "ca_path": {"type": "path"},
        "connect_timeout_seconds": {"type": "float"},
        "unreachable": {"type": "str", "choices": ["fail", "warn"]},
        "port": {"type": "int"},
        "thumbprint": {"type": "str"},
        "proxy": {"type": "str"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "transport": {"type": "str", "choices": list(TRANSPORTS)},
    },
}


@dataclass(frozen=True, slots=True)
class Connection:
    """One hypervisor with every key settled."""

    type: str
    hosts: tuple[str, ...]
    label: str
    settings: dict[str, Any] = field(repr=False)
    named: bool = False

    @property
    def secrets(self) -> set[str]:
        """What must never be seen."""
        return {str(self.settings[key]) for key in SECRETS if self.settings.get(key)}

    def reference(self) -> Any:
        """Return what finds this connection again, without secrets: its name in the connections file, or its keys."""
        if self.named:
            return self.label
        needless = {**DEFAULTS, "unreachable": self.settings["unreachable"]}
        return {key: value for key, value in self.without_secrets().items() if needless.get(key) != value}

    def without_secrets(self) -> dict[str, Any]:
        """Return every key that may be seen."""
        shown = {key: value for key, value in self.settings.items() if key not in SECRETS}
        return {"type": self.type, "hosts": list(self.hosts), **shown}


def settle(
    given: Mapping[str, Any] | None,
    environ: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] = DEFAULTS,
) -> Connection:
    """Complete what the user gave.

    Raises InvalidOption for a wrong or unknown key, NotFound for a name that the connections file lacks,
    ConnectionFailed for a file that cannot be used, MissingLibrary without PyYAML where the file is needed.
    """
    environ = os.environ if environ is None else environ
    keys = {key: value for key, value in (given or {}).items() if value is not None}
    named = "name" in keys and "type" not in keys
    if named:
        if unwelcome := set(keys) - BESIDE_NAME:
            raise InvalidOption(
                f"hypervisor.name {keys['name']!r} names an entry of the connections file; beside it only unreachable "
                f"and connect_timeout_seconds may stand, not {', '.join(sorted(unwelcome))}"
            )
        keys = entry(keys["name"], environ) | keys
    elif "name" not in keys:
        keys = from_environment(keys, environ) | keys
    return checked(keys, defaults, named=named)


def settle_target(given: Mapping[str, Any]) -> Connection:
    """Complete where VMs shall move to: only the connections file may add to it, never a variable.

    Raises what settle raises.
    """
    return settle(given, {key: value for key, value in os.environ.items() if key == "CROSSVIRT_CONNECTIONS"})


def checked(keys: dict[str, Any], defaults: Mapping[str, Any], *, named: bool) -> Connection:
    """Hold the keys to what their type knows and to their own rules."""
    kind = keys.get("type")
    if kind not in KEYS:
        said = f"not {kind!r}" if kind else "and is not given"
        raise InvalidOption(
            f"hypervisor.type must be one of {', '.join(TYPES)}, {said} (task, connections file or CROSSVIRT_TYPE)"
        )
    if unknown := set(keys) - KEYS[kind]:
        raise InvalidOption(f"hypervisor: a {kind} connection does not know {', '.join(sorted(map(str, unknown)))}")
    settings = {**defaults} | {key: coerced(key, value) for key, value in keys.items()}
    hosts = checked_hosts(tuple(settings.pop("hosts", ())), verify=settings["validate_certs"])
    if settings["connect_timeout_seconds"] <= 0:
        raise InvalidOption("hypervisor.connect_timeout_seconds must be above 0")
    if "password_file" in settings:
        if "password" in settings:
            raise InvalidOption("hypervisor: give password or password_file, not both")
        settings["password"] = from_file(settings["password_file"])
    label = settings.pop("name", None) or f"{kind} {', '.join(hosts)}"
    del settings["type"]
    return Connection(kind, hosts, label, settings, named)


def checked_hosts(hosts: tuple[str, ...], *, verify: bool) -> tuple[str, ...]:
    """Refuse hosts that are none, that hold a secret, or that would send everything in the clear."""
    if not hosts or not all(hosts):
        raise InvalidOption("hypervisor.hosts must name at least one host, and none may be empty")
    if len(set(hosts)) < len(hosts):
        raise InvalidOption("hypervisor.hosts names a host twice")
    for host in hosts:
        if SECRET_IN_URI.search(host):
            raise InvalidOption("hypervisor.hosts: a URI holds a secret; use username and password (or password_file)")
        if verify and PLAINTEXT.match(host):
            raise InvalidOption(f"hypervisor.hosts: {host} is not encrypted; this needs validate_certs: false")
    return hosts


def uris_with_secrets(given: Mapping[str, Any] | None) -> set[str]:
    """Return the hosts that are refused because they hold a secret: nobody may see them in the refusal either."""
    return {str(host) for host in (given or {}).get("hosts") or () if SECRET_IN_URI.search(str(host))}


def coerced(key: str, value: Any) -> Any:
    """Return a value as the type that its key has, as Ansible would; raises InvalidOption."""
    spec = HYPERVISOR["options"][key]
    match spec["type"]:
        case "list":
            value = [value] if isinstance(value, str) else value
            good = isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
        case "bool":
            words = {
                "yes": True,
                "on": True,
                "true": True,
                "1": True,
                "no": False,
                "off": False,
                "false": False,
                "0": False,
            }
            value = words.get(str(value).strip().lower())
            good = value is not None
        case "float" | "int":
            number = float if spec["type"] == "float" else int
            try:
                value, good = number(value), not isinstance(value, bool)
            except (TypeError, ValueError):
                good = False
        case "path":
            good = isinstance(value, str)
            value = str(Path(os.path.expandvars(value)).expanduser()) if good else value
        case _:
            good = isinstance(value, (str, int)) and not isinstance(value, bool)
            value = str(value)
    choices = spec.get("choices")
    if not good or (choices and value not in choices):
        expected = f"one of {', '.join(choices)}" if choices else f"a {spec['type']}"
        raise InvalidOption(f"hypervisor.{key} must be {expected}")
    return value


def from_file(path: str) -> str:
    """Return the first line of a password file."""
    try:
        return (Path(path).read_text().splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption(f"hypervisor.password_file: {path} cannot be read: {reason(error)}") from error


def entry(name: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return one entry of the connections file."""
    path = Path(environ.get("CROSSVIRT_CONNECTIONS") or DEFAULT_FILE).expanduser()
    try:
        mode, text = path.stat().st_mode, path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConnectionFailed(
            f"hypervisor {name!r}: the connections file {path} cannot be read: {reason(error)}"
        ) from error
    entries = parse(path, text)
    if mode & 0o004 and any(key in keys for keys in entries.values() for key in SECRETS):
        raise ConnectionFailed(f"the connections file {path} holds secrets and everybody may read it; chmod 600 it")
    if name not in entries:
        raise NotFound(
            f"the connections file {path} has no hypervisor {name!r}; it has: {', '.join(sorted(entries)) or 'none'}"
        )
    if "name" in entries[name]:
        raise InvalidOption(
            f"the connections file {path}: hypervisor {name!r} has a key name; its name is where it stands"
        )
    return entries[name]


def parse(path: Path, text: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a connections file."""
    try:
        import yaml
    except ImportError as error:
        pip = f"{sys.executable} -m pip install PyYAML"
        raise MissingLibrary(f"the connections file needs PyYAML for the Python that runs us: {pip}") from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise ConnectionFailed(
            f"the connections file {path} is not plain YAML{line}; neither templates nor !vault are read here"
        ) from error
    entries = data.get("hypervisors") if isinstance(data, dict) else None
    if not isinstance(entries, dict) or not all(isinstance(keys, dict) for keys in entries.values()):
        raise ConnectionFailed(f"the connections file {path} needs a map `hypervisors:` of name to keys")
    return {str(name): keys for name, keys in entries.items()}


def from_environment(keys: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what the environment says about the type that the task, or else the environment, names."""
    kind = keys.get("type") or environ.get("CROSSVIRT_TYPE")
    if kind not in KEYS:
        return {"type": kind} if kind else {}
    prefix = f"CROSSVIRT_{kind.upper()}_"
    names = KEYS[kind] - {"type", "name"}
    found: dict[str, Any] = {key: environ[prefix + key.upper()] for key in names if environ.get(prefix + key.upper())}
    found = without_rivals(found, keys)
    foreign = {key: environ[name] for name, key in FOREIGN.get(kind, {}).items() if environ.get(name)}
    found = without_rivals(foreign, {**found, **keys}) | found
    if "hosts" in found:
        found["hosts"] = [host.strip() for host in found["hosts"].split(",")]
    return {"type": kind} | found


def without_rivals(found: dict[str, Any], stronger: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out other ways to log in than the one that a stronger source names."""
    out: set[str] = {"username"} if "token" in stronger else {"token"} if "username" in stronger else set()
    if {"password", "password_file", "token"} & set(stronger):
        out |= {"password", "password_file", "token"}
    return {key: value for key, value in found.items() if key not in out}


def reason(error: Exception) -> str:
    """Return why a file cannot be read, without its content."""
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not text"
