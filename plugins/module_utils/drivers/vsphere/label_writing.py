# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing labels: tags of a category, and values of custom attributes. To define them is the administrator's work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from ...errors import Ambiguous, BackendError, InvalidOption, Unsupported
from .estate import listed
from .properties import id_of
from .session import Session
from .tags import Rest, Tags

KIND = "VirtualMachine"
WORDS = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What to write: values by the keys of custom attributes, and ids of tags."""

    attributes: tuple[tuple[int, str], ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A category of tags: whether a VM can have several of them, and their ids by name."""

    several: bool
    tags: Mapping[str, str]


class Definitions:
    """What labels an endpoint has places for; read once, when there are labels to write."""

    def __init__(self, session: Session, wanted: Sequence[WORDS]) -> None:
        self._session = session
        self._wanted = {key for labels in wanted for key in labels}

    @cached_property
    def _attributes(self) -> dict[str, int]:
        manager: Any = self._session.content.customFieldsManager
        fields = self._session.call("reading custom attributes", lambda: manager.field) if manager else ()
        kinds = (None, self._session.vim.VirtualMachine)
        return {one.name: one.key for one in fields or () if one.managedObjectType in kinds}

    @cached_property
    def _categories(self) -> dict[str, Category]:
        """Return the categories of tags for VMs, with the tags of those that are wanted."""
        with Tags(self._session).login() as rest:
            found = {}
            for identity in rest.ask("GET", "tagging/category") or ():
                category = rest.ask("GET", f"tagging/category/id:{identity}")
                if category and KIND in (category.get("associable_types") or [KIND]):  # none means all
                    tags = self._tags(rest, identity) if category["name"] in self._wanted else {}
                    found[category["name"]] = Category(several=category["cardinality"] == "MULTIPLE", tags=tags)
            return found

    def _tags(self, rest: Rest, category: str) -> dict[str, str]:
        ids = rest.ask("POST", f"tagging/tag/id:{category}?~action=list-tags-for-category") or ()
        tags = [tag for one in ids if (tag := rest.ask("GET", f"tagging/tag/id:{one}"))]
        return {tag["name"]: tag["id"] for tag in tags}

    def resolve(self, labels: WORDS) -> Labels:
        """Return what to write; raises InvalidOption for a label that has no place, Unsupported without a vCenter."""
        if labels and not self._session.is_vcenter:
            raise Unsupported(f"{self._session.host} is a host without vCenter, and has no place for labels")
        attributes, tags = [], []
        for key, values in labels.items():
            category = self._categories.get(key)
            if category and key in self._attributes:
                raise Ambiguous(f"labels: {key} is a category of tags and a custom attribute as well")
            if category:
                tags += tags_of(category, key, values)
            else:
                attributes.append((self._attribute(key), only(key, values)))
        return Labels(attributes=tuple(attributes), tags=tuple(tags))

    def _attribute(self, key: str) -> int:
        if key not in self._attributes:
            raise InvalidOption(
                f"labels: {self._session.host} knows {key!r} neither as a category of tags nor as a custom attribute of"
                f" VMs, and somebody has to define it first; there are {listed([*self._categories, *self._attributes])}"
            )
        return self._attributes[key]


def only(key: str, values: Sequence[str]) -> str:
    """Return the value of a custom attribute; raises InvalidOption for several."""
    if len(values) != 1:
        raise InvalidOption(f"labels: {key} is a custom attribute, which has one value and not {len(values)}")
    return values[0]


def tags_of(category: Category, key: str, values: Sequence[str]) -> list[str]:
    """Return the ids of tags; raises InvalidOption for what the category does not have or allow."""
    if unknown := [value for value in values if value not in category.tags]:
        raise InvalidOption(
            f"labels: category {key} has no tag {', '.join(map(repr, unknown))}, and somebody has to define it first;"
            f" there are {listed(category.tags)}"
        )
    if len(values) > 1 and not category.several:
        raise InvalidOption(f"labels: a VM has one tag of category {key} and not {len(values)}")
    return [category.tags[value] for value in values]


def write(session: Session, vm: Any, labels: Labels) -> None:
    """Give a new VM these labels and no others: a copy has the attributes of its source."""
    manager = session.content.customFieldsManager
    have = session.call("reading custom attributes", lambda: [one.key for one in vm.customValue if one.value])
    for key, value in {**dict.fromkeys(have, ""), **dict(labels.attributes)}.items():
        session.call("setting a custom attribute", partial(manager.SetField, vm, key, value))
    if labels.tags:
        with Tags(session).login() as rest:
            body = {"object_id": {"id": id_of(vm), "type": KIND}, "tag_ids": list(labels.tags)}
            answer = rest.ask("POST", "tagging/tag-association?~action=attach-multiple-tags-to-object", body)
            if not answer or not answer["success"]:
                told = [one.get("message") for one in (answer or {}).get("error_messages", ())]
                raise BackendError(
                    f"{session.host}: tags were not attached: {'; '.join(map(str, told)) or 'no reason'}"
                )
