# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of the property collector: what we read of them ourselves is what pyvmomi reads of the same bytes."""

import gzip
from collections.abc import Iterator
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any
from xml.parsers.expat import ExpatError

import pytest
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.properties import objects_of
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.session import API_VERSION
from ansible_collections.crossvirt.lifecycle.plugins.module_utils.drivers.vsphere.streaming import Page, Streaming
from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import SoapStubAdapter

XSI = "http://www.w3.org/2001/XMLSchema-instance"
SPACES = (
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    f' xmlns:xsi="{XSI}"'
)
ENVELOPE = f"<soapenv:Envelope {SPACES}><soapenv:Body>%s</soapenv:Body></soapenv:Envelope>"
RESPONSE = '<NextResponse xmlns="urn:vim25"><returnval>%s</returnval></NextResponse>'
OBJECT = '<objects><obj type="VirtualMachine">vm-%d</obj>%s</objects>'
FAULT = "<soapenv:Fault><faultstring>no session</faultstring><detail>%s</detail></soapenv:Fault>"
NOT_AUTHENTICATED = (
    '<{tag} xmlns="urn:vim25" xsi:type="NotAuthenticated"><object type="Folder">group-d1</object>'
    "<privilegeId>System.View</privilegeId></{tag}>"
)
QUESTION = (
    "<id>7</id><text>Moved or copied?</text><choice><choiceInfo><key>0</key><label>Cancel</label>"
    "<summary>Cancel</summary></choiceInfo><defaultIndex>0</defaultIndex></choice>"
)
KIND = "ManagedObjectReference"
REFERENCE = f'<{KIND} type="Network" xsi:type="{KIND}">network-%d</{KIND}>'
VALUES = {
    "name": ("xsd:string", "a &lt;b&gt; &amp; <![CDATA[<c>]]> größe 東\n"),
    "config.annotation": ("xsd:string", "long &amp; " * 2000),
    "summary.config.guestId": ("xsd:string", ""),
    "summary.config.numCpu": ("xsd:int", "4"),
    "summary.storage.committed": ("xsd:long", "1099511627776"),
    "summary.config.template": ("xsd:boolean", "true"),
    "runtime.consolidationNeeded": ("xsd:boolean", "false"),
    "runtime.powerState": ("VirtualMachinePowerState", "poweredOn"),
    "runtime.bootTime": ("xsd:dateTime", "2026-11-22T20:00:00.5Z"),
    "runtime.question": ("VirtualMachineQuestionInfo", QUESTION),
    "runtime.host": ("ManagedObjectReference", "host-9"),
    "network": ("ArrayOfManagedObjectReference", "".join(REFERENCE % n for n in (1, 2))),
    "datastore": ("ArrayOfManagedObjectReference", ""),
    "config.extraConfig": (
        "ArrayOfOptionValue",
        '<OptionValue xsi:type="OptionValue"><key>a</key><value xsi:type="xsd:int">1</value></OptionValue>',
    ),
    "customValue": (
        "ArrayOfCustomFieldValue",
        '<CustomFieldValue xsi:type="CustomFieldStringValue"><key>3</key><value>web</value></CustomFieldValue>',
    ),
}


class Server:
    """Answers every request with the same bytes."""

    def __init__(self) -> None:
        self.answer, self.status, self.headers = b"", 200, {"Content-Type": "text/xml"}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(server.status)
                for name, value in {**server.headers, "Content-Length": str(len(server.answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(server.answer)

            def log_message(self, *_words: Any) -> None:
                """Say nothing."""

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.stub = SoapStubAdapter(host="127.0.0.1", port=-self._http.server_port, version=API_VERSION)

    def close(self) -> None:
        """End it."""
        self.stub.DropConnections()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def ask(self, stub: Any) -> Any:
        """Ask through a stub."""
        return vmodl.query.PropertyCollector("propertyCollector", stub).ContinueRetrievePropertiesEx("a token")

    def both(self, body: str) -> tuple[Any, Any]:
        """Answer with this; return what we and what pyvmomi make of it."""
        self.answer = (ENVELOPE % body).encode()
        return self.ask(Streaming(self.stub)), self.ask(self.stub)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def property_of(path: str, kind: str, value: str, prefix: str = "xsi") -> str:
    declared = "" if prefix == "xsi" else f' xmlns:{prefix}="{XSI}"'
    reference = ' type="HostSystem"' if kind == "ManagedObjectReference" else ""
    return f'<propSet><name>{path}</name><val{declared}{reference} {prefix}:type="{kind}">{value}</val></propSet>'


def rows(answer: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """Return what is in an answer, without what has no value."""
    session: Any = SimpleNamespace(vim=vim)
    found = objects_of(session, answer)
    return [(kind, thing, {path: v for path, v in row.items() if v is not None}) for kind, thing, row in found]


@pytest.mark.parametrize("prefix", ["xsi", "_XMLSchema-instance"], ids=["vSphere", "the simulator"])
@pytest.mark.parametrize("path", VALUES)
def test_every_kind_of_value_is_what_pyvmomi_makes_of_it(server: Server, path: str, prefix: str) -> None:
    odd, even = property_of(path, *VALUES[path], prefix), property_of("name", "xsd:string", "next")
    ours, theirs = server.both(RESPONSE % "".join(OBJECT % (n, odd + even) for n in (1, 2)))
    assert isinstance(ours, Page)
    assert str(rows(ours)) == str(rows(theirs)).replace("(str) ", "")
    assert [row["name"] for _kind, _thing, row in rows(ours)] == ["next", "next"]
    assert path in rows(ours)[0][2]


def test_values_are_of_plain_types(server: Server) -> None:
    properties = "".join(property_of(path, *VALUES[path]) for path in VALUES)
    ours, _theirs = server.both(RESPONSE % (OBJECT % (1, properties)))
    ((kind, thing, row),) = ours.objects
    assert (kind, thing, ours.token) == ("VirtualMachine", "vm-1", None)
    assert row["name"] == "a <b> & <c> größe 東\n"
    assert (row["summary.config.numCpu"], row["summary.storage.committed"]) == (4, 2**40)
    assert type(row["summary.storage.committed"]).__name__ == "int"
    assert row["summary.config.template"] is True
    assert row["runtime.consolidationNeeded"] is False
    assert row["runtime.powerState"] == "poweredOn"
    assert row["runtime.host"] == "host-9"
    assert row["network"] == ["network-1", "network-2"]
    assert row["datastore"] == []
    assert row["runtime.question"].text == "Moved or copied?"


def test_the_token_leads_on_and_a_property_without_a_value_has_none(server: Server) -> None:
    nothing = "<propSet><name>parentVApp</name></propSet>"
    named = property_of("name", "xsd:string", "web1")
    ours, theirs = server.both(RESPONSE % f"<token>page 2</token>{OBJECT % (1, named + nothing)}")
    assert (ours.token, theirs.token) == ("page 2", "page 2")
    assert rows(ours) == rows(theirs) == [("VirtualMachine", "vm-1", {"name": "web1"})]


def test_nothing_found_is_an_empty_page(server: Server) -> None:
    ours, theirs = server.both('<NextResponse xmlns="urn:vim25"></NextResponse>')
    assert (ours.objects, ours.token, theirs) == ([], None, None)


def test_answers_may_be_compressed(server: Server) -> None:
    page = ENVELOPE % (RESPONSE % (OBJECT % (1, property_of("name", "xsd:string", "web1"))))
    server.answer, server.headers = gzip.compress(page.encode()), {"Content-Encoding": "gzip"}
    assert server.ask(Streaming(server.stub)).objects == [("VirtualMachine", "vm-1", {"name": "web1"})]


def test_a_fault_is_raised_and_the_connection_is_kept(server: Server) -> None:
    server.answer = (ENVELOPE % (FAULT % NOT_AUTHENTICATED.format(tag="NotAuthenticatedFault"))).encode()
    server.status = 500
    with pytest.raises(vim.fault.NotAuthenticated) as fault:
        server.ask(Streaming(server.stub))
    assert fault.value.privilegeId == "System.View"
    assert len(server.stub.pool) == 1


def test_a_session_that_expired_is_no_fleet_of_empty_machines(server: Server) -> None:
    why = f"<fault>{NOT_AUTHENTICATED.format(tag='fault')}<localizedMessage/></fault>"
    missing = f"<missingSet><path>name</path>{why}</missingSet>"
    ours, _theirs = server.both(RESPONSE % (OBJECT % (1, missing)))
    with pytest.raises(vim.fault.NotAuthenticated):
        rows(ours)


def test_what_the_account_may_not_read_is_missing(server: Server) -> None:
    refused = NOT_AUTHENTICATED.format(tag="fault").replace("NotAuthenticated", "NoPermission")
    missing = f"<missingSet><path>config.uuid</path><fault>{refused}<localizedMessage/></fault></missingSet>"
    ours, theirs = server.both(RESPONSE % (OBJECT % (1, property_of("name", "xsd:string", "web1") + missing)))
    assert rows(ours) == rows(theirs) == [("VirtualMachine", "vm-1", {"name": "web1"})]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ENVELOPE % (RESPONSE % (OBJECT % (1, property_of("name", "OfAnotherAge", "x")))), KeyError),
        (ENVELOPE % "<a>", ExpatError),
        ("It works!", ExpatError),
    ],
    ids=["unknown type", "broken", "no XML"],
)
def test_what_is_no_answer_fails_as_with_pyvmomi(server: Server, answer: str, error: type[Exception]) -> None:
    server.answer = answer.encode()
    for stub in (Streaming(server.stub), server.stub):
        with pytest.raises(error):
            server.ask(stub)


def test_another_status_closes_the_connection(server: Server) -> None:
    server.status = 503
    with pytest.raises(HTTPException, match="503"):
        server.ask(Streaming(server.stub))
    assert server.stub.pool == []
