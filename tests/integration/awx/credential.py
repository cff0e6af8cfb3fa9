# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays a credential out for a job as AWX does it, from the definition of its type that the pattern has.

The rules are those of `CredentialType.inject_credential` and of the validation of injectors:
https://github.com/ansible/awx/blob/devel/awx/main/models/credential.py and .../awx/main/fields.py
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.integration.bench import ROOT

PATTERN = ROOT / "extensions/patterns/vm_lifecycle"


@dataclass(frozen=True)
class CredentialType:
    """What AWX keeps of a type: fields, and what becomes of them."""

    fields: dict[str, dict[str, Any]]
    required: list[str]
    files: dict[str, str]
    env: dict[str, str]

    @staticmethod
    def read(name: str) -> CredentialType:
        """Read one of the pattern's; the database gives files back in this order, short names first."""
        defined = yaml.safe_load((PATTERN / f"credential_types/{name}.yml").read_text())
        inputs, injectors = defined["inputs"], defined["injectors"]
        files = dict(sorted(injectors["file"].items(), key=lambda item: (len(item[0]), item[0])))
        return CredentialType(
            {field["id"]: field for field in inputs["fields"]}, inputs["required"], files, injectors["env"]
        )

    def check(self) -> None:
        """Hold it to what AWX asks of a new type: templates that know all their names, and no variable of Ansible's."""
        names: dict[str, Any] = dict.fromkeys(self.fields, "EXAMPLE")
        filename = SimpleNamespace(**{label.partition(".")[2]: "EXAMPLE_FILENAME" for label in self.files})
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
        for template in (*self.files.values(), *self.env.values()):
            environment.from_string(template).render(names, tower=SimpleNamespace(filename=filename))
        assert not [name for name in self.env if name.startswith("ANSIBLE_")]
        for field in self.fields.values():
            text_only = {"choices", "multiline", "format", "secret"} & set(field)
            assert field["type"] == "string" or not text_only, field

    def secrets(self, inputs: dict[str, Any]) -> list[str]:
        """Return the values that AWX would encrypt."""
        return [str(inputs[name]) for name, field in self.fields.items() if field.get("secret") and inputs.get(name)]

    def inject(self, inputs: dict[str, Any], folder: Path) -> dict[str, str]:
        """Write the files into a folder, readable by their owner alone, and return the environment."""
        assert not set(inputs) - set(self.fields)
        assert all(inputs.get(name) for name in self.required)
        switches = {name: False for name, field in self.fields.items() if field["type"] == "boolean"}
        tower = SimpleNamespace(filename=SimpleNamespace())
        names = switches | inputs | {"tower": tower}
        environment = ImmutableSandboxedEnvironment()
        for label, template in self.files.items():
            handle, path = tempfile.mkstemp(dir=folder)
            os.close(handle)
            Path(path).write_text(environment.from_string(template).render(names))
            Path(path).chmod(0o600)
            setattr(tower.filename, label.partition(".")[2], path)
        return {name: environment.from_string(template).render(names) for name, template in self.env.items()}
