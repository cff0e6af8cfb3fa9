# SPDX-License-Identifier: GPL-3.0-or-later
"""Job templates of the pattern, and what AWX makes of the answers to their surveys.

The rules are those of `SurveyJobTemplateMixin` and `safe_dump`, which marks every text as unsafe:
https://github.com/ansible/awx/blob/devel/awx/main/models/mixins.py and .../awx/main/utils/safe_yaml.py
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from tests.integration.awx.credential import PATTERN

KINDS: dict[str, type] = {"integer": int, "text": str, "textarea": str, "multiplechoice": str}

DEFINITION: dict[str, Any] = json.loads((PATTERN / "meta/pattern.json").read_text())


@dataclass(frozen=True)
class JobTemplate:
    """A playbook and its survey."""

    name: str
    playbook: str
    questions: dict[str, dict[str, Any]]

    @staticmethod
    def all() -> dict[str, JobTemplate]:
        """Return those of the pattern, by the names of their playbooks."""
        listed = DEFINITION["aap_resources"]["controller_job_templates"]
        return {
            one["playbook"].removesuffix(".yml"): JobTemplate(
                one["name"], one["playbook"], {question["variable"]: question for question in one["survey"]["spec"]}
            )
            for one in listed
        }

    def variables(self, answers: dict[str, Any]) -> dict[str, Any]:
        """Return extra variables: the defaults that are valid, and the answers, which must be."""
        assert not set(answers) - set(self.questions)
        defaults = {name: one["default"] for name, one in self.questions.items() if "default" in one}
        defaults = {name: value for name, value in defaults.items() if self._fits(name, value)}
        assert all(self._fits(name, value) for name, value in answers.items()), answers
        assert all(name in answers for name, one in self.questions.items() if one["required"] and name not in defaults)
        return defaults | answers

    def _fits(self, name: str, value: object) -> bool:
        question = self.questions[name]
        return isinstance(value, KINDS[question["type"]]) and value in question.get("choices", [value])


class UnsafeDumper(yaml.SafeDumper):
    """Marks every text, so that Ansible never takes an answer for a template."""

    def represent_data(self, data: Any) -> yaml.Node:
        """Mark one."""
        return self.represent_scalar("!unsafe", data) if isinstance(data, str) else super().represent_data(data)


def unsafe(variables: dict[str, Any]) -> str:
    """Return extra variables as the file that a job gets."""
    return "".join(yaml.dump({name: value}, Dumper=UnsafeDumper) for name, value in variables.items())
