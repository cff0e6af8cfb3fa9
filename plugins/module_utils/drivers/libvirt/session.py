# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to a libvirt daemon: opening it with our TLS rules, and its errors in our words."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import ssl
import tempfile
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree as ET

from ansible.module_utils.basic import missing_required_lib

from ...driver import Operation
from ...errors import (
    AlreadyExists,
    AuthenticationFailed,
    BackendError,
    Busy,
    Cancelled,
    ConnectionFailed,
    CrossvirtError,
    InvalidOption,
    InvalidState,
    MissingLibrary,
    NotFound,
    PermissionDenied,
    Timeout,
    Unsupported,
)
from ...support.workers import start
from .probe import diagnose

OWN_PKI = {"ca_path", "client_cert", "client_key"}
LIBVIRT_CA = Path("/etc/pki/CA/cacert.pem")
# A host that died is noticed after 16 seconds. The interval is short because libvirt 9.0 can lose the wake-up of a
# thread whose call follows another on one connection; the answer to the next ping brings it back.
KEEPALIVE_SECONDS, KEEPALIVE_COUNT = 1, 15

# Codes of virErrorNumber, https://libvirt.org/html/libvirt-virterror.html, as of libvirt 9.0.
ERRORS: dict[int, type[CrossvirtError]] = {
    3: Unsupported,  # NO_SUPPORT
    29: PermissionDenied,  # OPERATION_DENIED: a read-only connection
    42: NotFound,  # NO_DOMAIN
    43: NotFound,  # NO_NETWORK
    45: AuthenticationFailed,  # AUTH_FAILED
    49: NotFound,  # NO_STORAGE_POOL
    50: NotFound,  # NO_STORAGE_VOL
    55: InvalidState,  # OPERATION_INVALID: every wrong state
    57: AlreadyExists,  # DOM_EXIST
    67: Unsupported,  # CONFIG_UNSUPPORTED
    68: Busy,  # OPERATION_TIMEOUT: another job holds the VM
    72: NotFound,  # NO_DOMAIN_SNAPSHOT
    74: Unsupported,  # ARGUMENT_UNSUPPORTED
    77: InvalidState,  # SNAPSHOT_REVERT_RISKY: saved memory of another time is in the way
    78: Cancelled,  # OPERATION_ABORTED
    79: AuthenticationFailed,  # AUTH_CANCELLED
    80: AuthenticationFailed,  # AUTH_UNAVAILABLE
    84: Unsupported,  # OPERATION_UNSUPPORTED
    86: Timeout,  # AGENT_UNRESPONSIVE
    87: Busy,  # RESOURCE_BUSY
    88: PermissionDenied,  # ACCESS_DENIED
    90: AlreadyExists,  # STORAGE_VOL_EXIST
}
PREPARING = Lock()
WRONG_STATE, AGENT_UNRESPONSIVE, NO_SUPPORT, NO_DOMAIN = 55, 86, 3, 42
NOT_CONFIGURED = 67


def library() -> Any:
    """Return the libvirt module; raises MissingLibrary with what to install where."""
    try:
        import libvirt
    except ImportError as error:
        said = missing_required_lib("libvirt-python", url="https://libvirt.org/python.html")
        raise MissingLibrary(f"{said} For example: {pip_line()}") from error
    return libvirt


def pip_line() -> str:
    """Return the command that installs the library for the Python that runs us."""
    import sys

    return f"{sys.executable} -m pip install libvirt-python"


def prepared() -> Any:
    """Return the library ready for use; endpoints connect side by side, and two event loops would end keepalive."""
    with PREPARING:
        return silenced_with_loop()


@cache
def silenced_with_loop() -> Any:
    """Return the library with its error printer silenced and its event loop running, which keepalive needs."""
    libvirt = library()
    libvirt.registerErrorHandler(lambda context, error: None, None)
    libvirt.virEventRegisterDefaultImpl()

    def loop() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    Thread(target=loop, daemon=True).start()
    return libvirt


class Session:
    """An open connection. `conn` is libvirt's own, `kind` its driver's name: QEMU, Xen, TEST ..."""

    def __init__(self, settings: dict[str, Any], uri: str) -> None:
        self.libvirt = prepared()
        self.uri = uri
        self._pki = pki_folder(settings) if transport_of(uri) == "tls" and OWN_PKI & settings.keys() else None
        try:
            self.conn = self._open(settings)
            with self.translated("asking who answers"):
                self.kind: str = self.conn.getType()
                self.host: str = self.conn.getHostname()
        except BaseException:
            self.close()
            raise

    def _open(self, settings: dict[str, Any]) -> Any:
        full = full_uri(self.uri, settings, self._pki)
        if transport_of(self.uri) == "ssh":
            atexit.register(end_ssh)  # that of an open() which hangs would wait for its host when we are gone
        types = [self.libvirt.VIR_CRED_AUTHNAME, self.libvirt.VIR_CRED_PASSPHRASE]

        def give(credentials: list[list[Any]], secrets: dict[str, Any]) -> int:
            for credential in credentials:
                key = "username" if credential[0] == self.libvirt.VIR_CRED_AUTHNAME else "password"
                if not secrets.get(key):
                    return -1
                credential[4] = secrets[key]
            return 0

        try:
            conn = self.libvirt.openAuth(full, [types, give, settings], 0)
        except self.libvirt.libvirtError as error:
            if known := ERRORS.get(error.get_error_code()):
                raise known(f"{self.uri}: {error.get_error_message()}") from error
            raise diagnose(self.uri, settings, str(error.get_error_message())) from error
        try:
            conn.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
        except self.libvirt.libvirtError as error:
            if error.get_error_code() != NO_SUPPORT:  # a driver inside this process has nothing to keep alive
                raise ConnectionFailed(f"{self.uri}: {error.get_error_message()}") from error
        return conn

    def close(self) -> None:
        """Log out and remove what was made for the connection."""
        if self._pki:
            shutil.rmtree(self._pki, ignore_errors=True)
        conn = getattr(self, "conn", None)
        if conn:
            try:
                conn.close()
            except self.libvirt.libvirtError:
                return

    @contextmanager
    def translated(self, what: str) -> Iterator[None]:
        """Turn libvirt's errors into ours, by their codes; `what` was being done."""
        try:
            yield
        except self.libvirt.libvirtError as error:
            raise self.ours(error, what) from error

    def ours(self, error: Any, what: str) -> CrossvirtError:
        """Return our error for one of libvirt's."""
        code, said = error.get_error_code(), error.get_error_message()
        if not self._alive():
            return ConnectionFailed(f"{self.uri}: the connection was lost while {what}: {said}")
        kind = ERRORS.get(code, BackendError)
        facts = {"code": code} if kind is BackendError else {}
        return kind(f"{self.host}: {what}: {said}" + (f" (libvirt code {code})" if facts else ""), **facts)

    @cached_property
    def capabilities(self) -> ET.Element:
        """What the host says of itself and of the VMs that it can run, https://libvirt.org/formatcaps.html."""
        with self.translated("asking what the host can do"):
            return ET.fromstring(self.conn.getCapabilities())

    @property
    def host_uuid(self) -> str:
        """The host's UUID, from its firmware where this connection's driver has none to tell; else empty."""
        return self.capabilities.findtext("host/uuid") or self._uuid_in_firmware()

    def _uuid_in_firmware(self) -> str:
        try:
            found = ET.fromstring(self.conn.getSysinfo(0)).findtext("system/entry[@name='uuid']")
        except self.libvirt.libvirtError as error:
            if error.get_error_code() not in (NO_SUPPORT, NOT_CONFIGURED):
                raise self.ours(error, "asking for the host's UUID") from error
            return ""
        return found or ""

    @property
    def encrypted(self) -> bool:
        """Whether the way to the daemon is encrypted; libvirt means its own TLS."""
        return "ssh" in transport_of(self.uri) or self._said_of_the_way(self.conn.isEncrypted, ("tls",))

    @property
    def sealed(self) -> bool:
        """Whether nobody can listen on the way to the daemon: it is encrypted, or stays on this machine."""
        return "ssh" in transport_of(self.uri) or self._said_of_the_way(self.conn.isSecure, ("tls", "unix"))

    def _said_of_the_way(self, ask: Callable[[], int], transports: Collection[str]) -> bool:
        """Return what libvirt says; where this connection's driver cannot, as that of Xen, its transport tells."""
        try:
            return bool(ask())
        except self.libvirt.libvirtError as error:
            if error.get_error_code() != NO_SUPPORT:
                raise
            return transport_of(self.uri) in transports

    def _alive(self) -> bool:
        conn = getattr(self, "conn", None)
        try:
            return conn is not None and bool(conn.isAlive())
        except self.libvirt.libvirtError:
            return False

    def operation(
        self, what: str, call: Callable[[], str | None], abort: Callable[[], object] | None = None
    ) -> Operation:
        """Run a blocking call in a thread of its own; its errors come out as ours."""
        operation = Operation()

        def translated() -> str | None:
            with self.translated(what):
                return call()

        def aborted() -> None:
            start(Future(), lambda: abort() if abort else None)  # it talks to the daemon, which may hang

        if abort:
            operation.abort = aborted
        start(operation, translated)
        return operation


def pki_folder(settings: dict[str, Any]) -> str:
    """Make the private folder of links that libvirt's `pkipath` wants; raises InvalidOption without the files."""
    names = {"ca_path": "cacert.pem", "client_cert": "clientcert.pem", "client_key": "clientkey.pem"}
    if ("client_cert" in settings) != ("client_key" in settings):
        raise InvalidOption("hypervisor: client_cert and client_key go together")
    for key in names.keys() & settings.keys():
        if not Path(settings[key]).is_file():
            raise InvalidOption(f"hypervisor.{key}: there is no file {settings[key]} where the module runs")
    folder = tempfile.mkdtemp(prefix="crossvirt-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # an open() that hangs never comes to close()
    for key, path in {"ca_path": default_ca(), **settings}.items():
        if key in names:
            (Path(folder) / names[key]).symlink_to(Path(path).resolve())
    return folder


def default_ca() -> str:
    """Return the CA file where none is given: libvirt's own, else the system's."""
    return str(LIBVIRT_CA if LIBVIRT_CA.exists() else ssl.get_default_verify_paths().cafile)


def end_ssh() -> None:
    """End the ssh programs that libvirt has started for this process and not ended; only Linux tells of them."""
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread or a program that has ended meanwhile
            for pid in map(int, children.read_text().split()):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "ssh":
                    os.kill(pid, signal.SIGTERM)


def transport_of(uri: str) -> str:
    """Return how a URI reaches its host; without a word for it, a host name means TLS."""
    parts = urlsplit(uri)
    return parts.scheme.partition("+")[2] or ("tls" if parts.hostname else "unix")


def full_uri(uri: str, settings: dict[str, Any], pki: str | None) -> str:
    """Add to a URI what our options mean for libvirt; raises InvalidOption for what contradicts them.

    Parameters: https://libvirt.org/uri.html
    """
    parts = urlsplit(uri)
    if not parts.scheme:
        raise InvalidOption(
            f"hypervisor.hosts: {uri!r} is not a libvirt URI, such as qemu+tls://kvm1.example.com/system"
        )
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    transport = transport_of(uri)
    if settings["validate_certs"] and query.get("no_verify", "0") != "0":
        raise InvalidOption(f"hypervisor.hosts: no_verify in {uri} contradicts validate_certs: true")
    if transport in ("tls", "ssh", "libssh", "libssh2") and not settings["validate_certs"]:
        query["no_verify"] = "1"
    if pki:
        query["pkipath"] = pki
    if pki and not settings["validate_certs"]:
        query["no_sanity"] = "1"  # our own certificate need not be of a CA that we trust
    if transport == "ssh":
        query["no_tty"] = "1"  # never ask anybody
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))
