# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP proxy that knows CONNECT, and remembers where it was asked to connect to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread


class Proxy(ThreadingTCPServer):
    """Listens on a port of its own; `asked` are the targets."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.asked: list[str] = []


class Tunnel(StreamRequestHandler):
    """One client."""

    server: Proxy

    def handle(self) -> None:
        """Connect it to where it wants to go, until one of the two has enough."""
        target = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        self.server.asked.append(target)
        host, _colon, port = target.rpartition(":")
        with socket.create_connection((host, int(port))) as far, suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            Thread(target=copy, args=(far, self.connection), daemon=True).start()
            copy(self.connection, far)


def copy(source: socket.socket, target: socket.socket) -> None:
    """Hand on what comes, and the end."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """Run one; yields its host:port and the targets asked for."""
    with Proxy() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}", server.asked
        server.shutdown()
