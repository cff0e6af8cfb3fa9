# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a connection failed: libvirt has one code for all, so look step by step at name, TCP, TLS, our certificate."""

from __future__ import annotations

import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

from ...errors import AuthenticationFailed, CertificateNotTrusted, ConnectionFailed

PORTS = {"tls": 16514, "tcp": 16509, "ssh": 22}
WELCOME = b"\x01"  # what libvirtd sends once it has accepted the client's certificate


def diagnose(uri: str, settings: dict[str, Any], said: str) -> ConnectionFailed:
    """Return the most precise error that can be found out."""
    parts = urlsplit(uri)
    transport = parts.scheme.partition("+")[2] or ("tls" if parts.hostname else "unix")
    if parts.hostname is None or transport not in PORTS:
        return ConnectionFailed(f"{uri}: {said}")
    seconds = settings["connect_timeout_seconds"]
    try:
        address = (parts.hostname, parts.port or PORTS[transport])
        with socket.create_connection(address, seconds) as connection:
            return (
                tls_failure(uri, connection, settings, said)
                if transport == "tls"
                else ConnectionFailed(f"{uri}: {said}")
            )
    except socket.gaierror as error:
        return ConnectionFailed(f"{uri}: the name {parts.hostname} cannot be resolved: {error.strerror}")
    except OSError as error:
        return ConnectionFailed(
            f"{uri}: no TCP connection to {address[0]} port {address[1]}: {error.strerror or error}"
        )


def tls_failure(uri: str, connection: socket.socket, settings: dict[str, Any], said: str) -> ConnectionFailed:
    """Shake hands as libvirt would, and see whose certificate displeases whom."""
    context = ssl.create_default_context(cafile=settings.get("ca_path"))
    try:
        if "client_cert" in settings:
            context.load_cert_chain(settings["client_cert"], settings["client_key"])
    except (OSError, ssl.SSLError) as error:
        return ConnectionFailed(f"{uri}: hypervisor.client_cert and client_key cannot be used: {error}")
    if not settings["validate_certs"]:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with context.wrap_socket(connection, server_hostname=urlsplit(uri).hostname) as tls:
            welcomed = tls.recv(1) == WELCOME
    except ssl.SSLCertVerificationError as error:
        return CertificateNotTrusted(
            f"{uri}: the host's certificate is not trusted: {error.verify_message}; hypervisor.ca_path names its CA"
        )
    except OSError:
        welcomed = False
    if welcomed:
        return ConnectionFailed(f"{uri}: {said}")
    offered = settings.get("client_cert")
    mine = (
        f"the client certificate {offered}"
        if offered
        else "a client without certificate; hypervisor.client_cert and client_key give one"
    )
    return AuthenticationFailed(f"{uri}: the host refuses {mine}")
