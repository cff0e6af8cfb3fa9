# SPDX-License-Identifier: GPL-3.0-or-later
"""How bytes get to a vCenter or a host: TLS by our rules, through a proxy if there is one, never without a deadline."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from ...errors import CertificateNotTrusted, ConnectionFailed, CrossvirtError, InvalidOption

DIGESTS = {40: "sha1", 64: "sha256", 128: "sha512"}
SILENCE_SECONDS = 60  # between two signs of life of a server that works on a call


class WrongThumbprint(OSError):
    """The certificate is not the one that was pinned."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and the proxy on the way."""

    host: str
    port: int
    proxy: tuple[str, int] | None = None


def address_from(settings: dict[str, Any], host: str) -> Address:
    """Return where a host of the `hypervisor` option is; raises InvalidOption for what is no host name."""
    name, port = split("hosts", host, settings.get("port", 443))
    proxy = settings.get("proxy")
    return Address(name, port, split("proxy", proxy, None) if proxy else None)


def split(option: str, text: str, port: int | None) -> tuple[str, int]:
    """Return name and port of `name`, `name:port`, `[address]` or `[address]:port`."""
    bare = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
    try:
        parts = urlsplit(f"//{bare}")
        name, number = parts.hostname, parts.port or port
    except ValueError:
        name, number = None, None
    if not name or not number or parts.netloc != bare or set(bare) & set("@ \t\r\n"):
        wanted = "host:port" if port is None else "a host name or an address"
        raise InvalidOption(f"hypervisor.{option}: {text!r} is not {wanted}")
    return name, number


def context_from(settings: dict[str, Any]) -> ssl.SSLContext:
    """Return what TLS has to check; with a thumbprint the certificate itself is compared instead.

    It is always given explicitly: without one, pyvmomi verifies nothing on loopback addresses.
    """
    thumbprint, ca_path = settings.get("thumbprint"), settings.get("ca_path")
    if thumbprint and ca_path:
        raise InvalidOption("hypervisor: give thumbprint or ca_path, not both")
    if thumbprint or not settings["validate_certs"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cafile=ca_path)
    except (OSError, ssl.SSLError) as error:
        raise InvalidOption(f"hypervisor.ca_path: {ca_path} cannot be used: {error.strerror or error}") from error


def connection_class(settings: dict[str, Any]) -> type[HTTPSConnection]:
    """Return the class of connections: one that looks at every certificate where one is pinned.

    pyvmomi's own way of pinning looks only at the first connection of its pool.
    """
    pinned = str(settings.get("thumbprint") or "").replace(":", "").lower()
    if not pinned:
        return HTTPSConnection
    if len(pinned) not in DIGESTS or set(pinned) - set("0123456789abcdef"):
        raise InvalidOption("hypervisor.thumbprint must be the SHA-1, SHA-256 or SHA-512 of a certificate, in hex")
    digest = DIGESTS[len(pinned)]

    class Pinned(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            found = hashlib.new(digest, self.sock.getpeercert(binary_form=True) or b"").hexdigest()
            if found != pinned:
                self.close()
                raise WrongThumbprint(f"its {digest} is {found}")

    return Pinned


def connection(address: Address, settings: dict[str, Any], seconds: float = SILENCE_SECONDS) -> HTTPConnection:
    """Return a connection for requests that are not SOAP."""
    host, port = address.proxy or (address.host, address.port)
    made = connection_class(settings)(host, port, timeout=seconds, context=context_from(settings))
    if address.proxy:
        made.set_tunnel(address.host, address.port)
    return made


def failure(host: str, error: Exception, doing: str) -> CrossvirtError:
    """Return our error for one of the network, TLS or HTTP."""
    if isinstance(error, WrongThumbprint):
        return CertificateNotTrusted(f"{host}: the certificate is not the one of hypervisor.thumbprint: {said(error)}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateNotTrusted(
            f"{host}: the certificate is not trusted: {error.verify_message}; set ca_path or thumbprint"
        )
    if isinstance(error, TimeoutError):
        return ConnectionFailed(f"{host} did not answer in time while {doing}")
    if isinstance(error, (OSError, HTTPException)):
        return ConnectionFailed(f"{host}: the connection failed while {doing}: {said(error)}")
    return ConnectionFailed(f"{host} does not answer as a vSphere API would while {doing}: {type(error).__name__}")


def said(error: Exception) -> str:
    """Return what a failure says of itself, never empty."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
