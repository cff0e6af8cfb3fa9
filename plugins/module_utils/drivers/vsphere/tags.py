# SPDX-License-Identifier: GPL-3.0-or-later
"""A vCenter's tags, which only its REST API has: those of many objects in one call, names once for each tag.

Source: "CIS REST APIs", service tagging, https://developer.broadcom.com/xapis/vsphere-automation-api/latest/. The paths
below /rest have been there since vSphere 6.5.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from typing import Any

from ...errors import (
    AuthenticationFailed,
    BackendError,
    ConnectionFailed,
    CrossvirtError,
    PermissionDenied,
    Unsupported,
)
from . import transport
from .session import Session

ROOT = "/rest/com/vmware/cis"
AT_ONCE = 1000  # objects in one question
NOT_FOUND = 404
STATUS: dict[int, type[CrossvirtError]] = {
    401: AuthenticationFailed,
    403: PermissionDenied,
    NOT_FOUND: Unsupported,  # the service itself is missing
    503: ConnectionFailed,
}


class Rest:
    """A login at the REST API."""

    def __init__(self, session: Session, connection: HTTPConnection) -> None:
        self._session = session
        self._connection = connection
        self._token = ""

    def log_in(self) -> None:
        """Log in with the name and password of the hypervisor."""
        settings = self._session.settings
        secret = b64encode(f"{settings['username']}:{settings['password']}".encode()).decode()
        self._token = self.ask("POST", "session", headers={"Authorization": f"Basic {secret}"})

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """Return the value of an answer, None where what is to be got is not there; raises our error for a refusal."""
        own = {"Accept": "application/json", "vmware-api-session-id": self._token}
        text = None if body is None else json.dumps(body)
        if text is not None:
            own["Content-Type"] = "application/json"
        with self._session.translated("asking for tags"):
            self._connection.request(method, f"{ROOT}/{path}", text, headers or own)
            answer = self._connection.getresponse()
            content = answer.read()
        if answer.status == NOT_FOUND and method == "GET":
            return None
        if answer.status >= 300:  # noqa: PLR2004 - what is no success
            kind = STATUS.get(answer.status, BackendError)
            raise kind(f"{self._session.host}: the service for tags answers: {answer.status} {answer.reason}")
        with self._session.translated("asking for tags"):
            return json.loads(content)["value"] if content else None


class Tags:
    """The tags of one vCenter; names are asked for once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tags: dict[str, tuple[str, str]] = {}
        self._categories: dict[str, str] = {}

    def attached(self, ids: Collection[str], kind: str = "VirtualMachine") -> dict[str, dict[str, list[str]]]:
        """Return the tags of these objects by category, sorted; an object without tags is left out.

        Raises Unsupported where the session is a token's: tags need a login of their own.
        """
        with self.login() as rest:
            found: dict[str, dict[str, list[str]]] = {}
            every = list(ids)
            for some in (every[start : start + AT_ONCE] for start in range(0, len(every), AT_ONCE)):
                body = {"object_ids": [{"id": one, "type": kind} for one in some]}
                answer = rest.ask("POST", "tagging/tag-association?~action=list-attached-tags-on-objects", body)
                for one in answer or ():
                    for category, tag in sorted(filter(None, (self._named(rest, tag) for tag in one["tag_ids"] or ()))):
                        found.setdefault(one["object_id"]["id"], {}).setdefault(category, []).append(tag)
            return found

    @contextmanager
    def login(self) -> Iterator[Rest]:
        """Open the REST API, and log out again in any case."""
        session = self._session
        if session.settings.get("token"):
            raise Unsupported(
                f"{session.host}: hypervisor.token is no login for tags, which are labels;"
                " give username and password, or leave labels out"
            )
        with closing(transport.connection(session.address, session.settings)) as connection:
            rest = Rest(session, connection)
            rest.log_in()
            try:
                yield rest
            finally:
                with suppress(Exception):  # it ends by itself, in time
                    rest.ask("DELETE", "session")

    def _named(self, rest: Rest, tag: str) -> tuple[str, str] | None:
        """Return category and name of a tag, or None where it is gone by now."""
        if tag not in self._tags and (found := rest.ask("GET", f"tagging/tag/id:{tag}")):
            category = found["category_id"]
            if category not in self._categories and (one := rest.ask("GET", f"tagging/category/id:{category}")):
                self._categories[category] = one["name"]
            if category in self._categories:
                self._tags[tag] = self._categories[category], found["name"]
        return self._tags.get(tag)
