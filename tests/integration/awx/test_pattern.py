# SPDX-License-Identifier: GPL-3.0-or-later
"""The pattern is what galaxy-importer, the pattern's schema and AWX want of one, and says the same in all its files.

Schema: https://github.com/ansible/pattern-service/blob/main/specifications/pattern-schema/pattern-schema-1.0.0.json
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

import pytest
import yaml

from tests.integration.awx.credential import PATTERN
from tests.integration.awx.template import DEFINITION, KINDS, JobTemplate

TEMPLATES = JobTemplate.all()
RESOURCES = DEFINITION["aap_resources"]
TYPES = {int: "int", str: "str"}
ADMINISTRATORS = {"job_tasks_folder"}  # a variable of the template, which its survey does not offer


def test_the_definition_names_what_there_is() -> None:
    assert DEFINITION["name"] == PATTERN.name
    assert re.fullmatch("[a-z0-9_]{1,64}", PATTERN.name)
    assert len(DEFINITION["title"]) <= 64
    assert not DEFINITION["short_description"].endswith(".")
    assert set(RESOURCES["controller_execution_environment"]) == {"name", "description", "image_name", "pull"}
    listed = RESOURCES["controller_job_templates"]
    assert [one["playbook"] for one in listed if one.get("primary")] == ["fleet_report.yml"]
    assert {label for one in listed for label in one["labels"]} == set(RESOURCES["controller_labels"])
    playbooks = {path.name for path in (PATTERN / "playbooks").iterdir()}
    assert playbooks == set(chain.from_iterable((one["playbook"], f"{name}.meta.yml") for name, one in by_name(listed)))
    assert (PATTERN / "README.md").is_file()


def by_name(listed: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(one["playbook"].removesuffix(".yml"), one) for one in listed]


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
def test_a_survey_is_one_that_awx_takes(template: JobTemplate) -> None:
    for question in template.questions.values():
        assert question["type"] in KINDS
        assert question["question_description"].endswith(".")
        assert re.fullmatch("job_[a-z_]{1,60}", question["variable"])
        assert isinstance(question.get("default", ""), str)
        assert ("choices" in question) == (question["type"] == "multiplechoice")
        assert question.get("default", "") in question.get("choices", [question.get("default", "")])


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_variables_of_a_playbook_are_the_questions(name: str) -> None:
    questions = TEMPLATES[name].questions
    specified = yaml.safe_load((PATTERN / f"playbooks/{name}.meta.yml").read_text())["argument_specs"]
    plays = [play["name"] for play in yaml.safe_load((PATTERN / f"playbooks/{name}.yml").read_text())]
    assert list(specified) == plays[:1]
    options = specified[plays[0]]["options"]
    assert set(options) - ADMINISTRATORS == set(questions)
    for variable, question in questions.items():
        option = options[variable]
        assert (option.get("required", False), option["type"]) == (question["required"], TYPES[KINDS[question["type"]]])
        assert option.get("choices") == question.get("choices")


def test_every_text_is_checked() -> None:
    answers = yaml.safe_load((PATTERN / "vars/answers.yml").read_text())
    asked = [question for template in TEMPLATES.values() for question in template.questions.values()]
    texts = {question["variable"] for question in asked if question["type"] in ("text", "textarea")}
    assert texts == set(answers["job_texts"])
    for name in TEMPLATES:
        play = yaml.safe_load((PATTERN / f"playbooks/{name}.yml").read_text())[0]
        assert play["tasks"][0]["ansible.builtin.import_tasks"] == "../tasks/check.yml"
