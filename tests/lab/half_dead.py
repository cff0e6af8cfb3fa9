# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that takes every connection and never says a word."""

import socket
import sys
from pathlib import Path

from tests.lab import servers


def main() -> None:
    """`half_dead PID_FILE ADDRESS PORT`."""
    pid_file, address, port = sys.argv[1:]
    taken = []
    with socket.create_server((address, int(port))) as server:
        servers.ready(Path(pid_file))
        while True:
            taken.append(server.accept())


if __name__ == "__main__":
    main()
