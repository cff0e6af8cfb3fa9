# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of the property collector, read as they stream by: pyvmomi takes eight times as long to make objects of them.

Requests, connections, faults and values that have parts stay pyvmomi's; so does every answer that is unlike what is
known here. Source: RetrieveResult and ObjectContent in the vSphere Web Services API.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate

VIM, XSI = "urn:vim25", "http://www.w3.org/2001/XMLSchema-instance"
SEPARATOR = " "  # pyvmomi's own, so that both can read from one parser
TYPE = f"{XSI}{SEPARATOR}type"
OBJECT, NAME, VALUE, PROPERTY, TOKEN, MISSING = (
    f"{VIM}{SEPARATOR}{tag}" for tag in ("obj", "name", "val", "propSet", "token", "missingSet")
)
SIMPLE: dict[str, Callable[[str], Any]] = {
    "string": str,
    "ManagedObjectReference": str,
    "boolean": lambda text: text in ("true", "1"),
    "int": int,
    "long": int,
    "short": int,
    "byte": int,
}


class Streaming:
    """In the place of a session's stub, for a property collector; its answers are pages, or else pyvmomi's."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def InvokeMethod(self, target: Any, info: Any, arguments: Any) -> Any:  # noqa: N802 - the name that pyvmomi calls
        """Return the answer to a call; raises its fault, or the network's error."""
        status, data = self._post(self._stub.SerializeRequest(target, info, arguments))

        def read() -> Any:
            return soap().SoapResponseDeserializer(self._stub).Deserialize(data, info.result)

        if status == HTTPStatus.OK:
            try:
                return Page(data, self._stub)
            except (ExpatError, LookupError, TypeError, ValueError, AttributeError):
                return read()
        raise read()

    def _post(self, request: bytes) -> tuple[int, bytes]:
        """Send as pyvmomi does; a connection of its pool that fails takes the others with it."""
        stub = self._stub
        headers = {
            "Cookie": stub.cookie,
            "SOAPAction": stub.versionId,
            "Content-Type": "text/xml; charset=UTF-8",
            "Accept-Encoding": "gzip",
        }
        connection = stub.GetConnection()
        try:
            connection.request("POST", stub.path, request, headers)
            answer = connection.getresponse()
            data = answer.read()
            if answer.status not in (HTTPStatus.OK, HTTPStatus.INTERNAL_SERVER_ERROR):
                raise HTTPException(f"{answer.status} {answer.reason}")
        except BaseException:
            connection.close()
            stub.DropConnections()
            raise
        stub.ReturnConnection(connection)
        return answer.status, gzip.decompress(data) if answer.getheader("Content-Encoding") == "gzip" else data


class Page:
    """One answer: `objects` are type, id and properties of each, `token` leads to the next page.

    Raises ValueError for what is not there to be read, and other errors for what is no such answer.
    """

    def __init__(self, data: bytes, stub: Any) -> None:
        self.objects: list[tuple[str, str, dict[str, Any]]] = []
        self.token: str | None = None
        self._stub = stub
        self._kind = self._name = self._text = ""
        self._row: dict[str, Any] = {}
        self._simple = SIMPLE["string"]
        self._complex: Any = None
        self._parser = ParserCreate(namespace_separator=SEPARATOR)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._more
        self._parser.Parse(data, True)
        del self._parser  # which holds this object

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._text = ""
        if tag == VALUE:
            kind = attributes[TYPE].rpartition(":")[2]
            if simple := SIMPLE.get(kind) or learned(kind):
                self._simple = simple
            else:
                self._leave(tag, attributes)
        elif tag == OBJECT:
            self._kind = attributes["type"]
        elif tag == MISSING:
            raise ValueError("a property is missing, and why is in a fault")

    def _more(self, text: str) -> None:
        self._text += text

    def _end(self, tag: str) -> None:
        if tag == VALUE:
            self._row[self._name] = self._simple(self._text)
        elif tag == NAME:
            self._name = self._text
        elif tag == OBJECT:
            self._row = {}
            self.objects.append((self._kind, self._text, self._row))
        elif tag == PROPERTY and self._complex:
            self._row[self._name], self._complex = plain(self._complex.GetResult()), None
        elif tag == TOKEN:
            self.token = self._text

    def _leave(self, tag: str, attributes: dict[str, str]) -> None:
        """Leave an element to pyvmomi, which gives the parser back when it ends."""
        self._complex = soap().SoapDeserializer(self._stub)
        self._complex.Deserialize(self._parser, nsMap={None: [VIM]})
        self._complex.StartElementHandler(tag, attributes)


def learned(kind: str) -> Callable[[str], Any] | None:
    """Learn of a type whether its values are words; None for one whose values have parts, or that is no word."""
    if kind[0].islower() or kind.startswith("ArrayOf") or not issubclass(soap().GetWsdlType(VIM, kind), soap().Enum):
        return None
    SIMPLE[kind] = str
    return str


def soap() -> Any:
    """Return pyvmomi's module for SOAP; who holds a stub has imported it."""
    from pyVmomi import SoapAdapter

    return SoapAdapter


def plain(value: Any) -> Any:
    """Return a reference as its id, several as a list of ids, and anything else as it is."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    return getattr(value, "_moId", value)
