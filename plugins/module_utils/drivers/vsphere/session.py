# SPDX-License-Identifier: GPL-3.0-or-later
"""One login at a vCenter or a host: opening it, renewing it once when it expires, and always ending it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, TypeVar

from ansible.module_utils.basic import missing_required_lib

from ...errors import AuthenticationFailed, ConnectionFailed, CrossvirtError, InvalidOption, MissingLibrary
from . import faults, transport

T = TypeVar("T")
API_VERSION = "vim.version.version12"  # vSphere 6.7; everything later speaks it as well
LOGOUT_SECONDS = 2


def library() -> tuple[Any, Any, Any]:
    """Return pyVmomi's vim, vmodl and SoapStubAdapter; raises MissingLibrary with what to install where."""
    try:
        from pyVmomi import vim, vmodl
        from pyVmomi.SoapAdapter import SoapStubAdapter
    except ImportError as error:
        said = missing_required_lib("pyvmomi", url="https://pypi.org/project/pyvmomi")
        raise MissingLibrary(f"{said} For example: {sys.executable} -m pip install pyvmomi") from error
    return vim, vmodl, SoapStubAdapter


class Session:
    """A login. `content` is the ServiceContent, `logins` counts; calls may be made from several threads."""

    def __init__(self, settings: dict[str, Any], host: str) -> None:
        self.vim, self.vmodl, adapter = library()
        self.host = host
        self.settings = settings
        self._check_credentials()
        self.address = transport.address_from(settings, host)
        proxy_host, proxy_port = self.address.proxy or (None, None)
        self.stub = adapter(
            host=self.address.host,
            port=self.address.port,
            version=API_VERSION,
            sslContext=transport.context_from(settings),
            httpProxyHost=proxy_host,
            httpProxyPort=proxy_port,
            httpConnectionTimeout=settings["connect_timeout_seconds"],
            connectionPoolTimeout=transport.SILENCE_SECONDS,
        )
        self.stub.scheme = transport.connection_class(settings)
        self.logins = 0
        self._renewing = Lock()
        try:
            with self.translated("connecting"):
                self.content = self.vim.ServiceInstance("ServiceInstance", self.stub).RetrieveContent()
                self._log_in()
        except BaseException:
            self.close()
            raise
        self._set_deadline(transport.SILENCE_SECONDS)

    @property
    def is_vcenter(self) -> bool:
        """Whether a vCenter answers, and not a host without one."""
        return bool(self.content.about.apiType == "VirtualCenter")

    def _check_credentials(self) -> None:
        has_token, keys = bool(self.settings.get("token")), ("username", "password")
        if has_token and any(self.settings.get(key) for key in keys):
            raise InvalidOption("hypervisor: give token, or username and password, not both")
        if not has_token and (missing := [key for key in keys if not self.settings.get(key)]):
            raise InvalidOption(f"hypervisor: vsphere needs {' and '.join(missing)}, or a token")

    def _log_in(self) -> None:
        manager = self.content.sessionManager
        if token := self.settings.get("token"):
            self.stub.SetSessionId(token)
            try:
                is_open = manager.currentSession is not None
            except self.vim.fault.NotAuthenticated:
                is_open = False
            if not is_open:
                raise AuthenticationFailed(f"{self.host}: the session of hypervisor.token is not open any more")
        else:
            self.stub.SetSessionId("")
            manager.Login(self.settings["username"], self.settings["password"])
        self.logins += 1

    def close(self) -> None:
        """Log out, unless the session was lent by a token; harmless when the connection is already gone."""
        with self._renewing:
            open_still, self.logins = self.logins, 0  # from here on nobody logs in again
        if open_still and not self.settings.get("token"):
            self._set_deadline(LOGOUT_SECONDS)
            with suppress(Exception):  # a server that does not let go ends the session by itself, in time
                self._log_out()
        self.stub.DropConnections()

    def _log_out(self) -> None:
        try:
            self.content.sessionManager.Logout()
        except ConnectionError:  # this connection was cut while nobody used it; the next one is new
            self.content.sessionManager.Logout()

    def _set_deadline(self, seconds: float) -> None:
        """Bound the silence of every connection, of those that are open too."""
        self.stub.schemeArgs["timeout"] = seconds
        for connection, _since in self.stub.pool:
            connection.sock.settimeout(seconds)

    @contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Turn faults and failures of the network into our errors; `doing` says what was being done."""
        try:
            yield
        except (CrossvirtError, AssertionError):
            raise
        except Exception as error:
            raise self.ours(error, doing) from error

    def ours(self, error: Any, doing: str) -> CrossvirtError:
        """Return our error for a fault or any failure of a call."""
        if isinstance(error, CrossvirtError):
            return error
        if isinstance(error, self.vmodl.MethodFault):
            return faults.ours(error, self.host, doing)
        return transport.failure(self.host, error, doing)

    def call(self, doing: str, call: Callable[[], T]) -> T:
        """Make calls; where the session has expired, log in again and make them once more from the start.

        What begins something may stand at the end of `call` only: a call that was refused has begun nothing.
        """
        logins = self.logins
        with self.translated(doing):
            try:
                return call()
            except self.vim.fault.NotAuthenticated:
                self.renew(logins)
            return call()

    def renew(self, logins: int) -> None:
        """Log in again, unless another thread did so since there were so many `logins`."""
        if self.settings.get("token"):
            raise AuthenticationFailed(f"{self.host}: the session of hypervisor.token has expired")
        with self._renewing:
            if not self.logins:
                raise ConnectionFailed(f"{self.host}: the session was closed")
            if logins == self.logins:
                self._log_in()
