# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands between a client and one libvirtd, counts the calls and, when told to, plays a bad network.

Both directions are read as libvirt's RPC frames: length, program, version, procedure, type, serial, status, payload.
A unix socket takes one JSON object per line, `{"do": NAME, ...}`, and answers each with another; see `Proxy.control`.
"""

import asyncio
import collections
import dataclasses
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.lab import servers
from tests.lab.procedures import AGENT_COMMAND, name_of

CALL = 0
AGENT_ORDER = re.compile(rb'"execute"\s*:\s*"([a-z0-9-]+)"')


@dataclasses.dataclass
class Trap:
    """A fault that waits for the call after `after` others, of one procedure or any.

    With `deliver` the call itself arrives and only its answer is lost.
    """

    action: str
    after: int
    procedure: str | None
    deliver: bool

    def springs(self, name: str) -> bool:
        """Look at a call: is it the one?"""
        if self.procedure in (None, name):
            self.after -= 1
        return self.after < 0


class Proxy:
    """Sessions of one listening port, what they asked, and the faults that were ordered."""

    def __init__(self, address: str, port: int, target: str) -> None:
        self.listen_on, self.target = (address, port), (target, 16509)
        self.server: asyncio.Server | None = None
        self.sessions: set[asyncio.Task[Any]] = set()
        self.calls: collections.Counter[str] = collections.Counter()
        self.connections = 0
        self.delay_seconds = 0.0
        self.trap: Trap | None = None
        self.flowing = asyncio.Event()
        self.flowing.set()

    async def control(self, order: dict[str, Any]) -> dict[str, Any]:
        """Do what a test asks for; KeyError for an unknown order."""
        match order["do"]:
            case "counts":
                return {"calls": dict(self.calls), "connections": self.connections}
            case "reset":
                self.calls.clear()
                self.connections = 0
            case "delay":
                self.delay_seconds = float(order["seconds"])
            case "trap":
                self.trap = Trap(order["action"], order["after"], order["procedure"], order["deliver"])
            case "heal":
                await self.heal()
            case name:
                {"hang": self.hang, "cut": self.cut, "refuse": self.refuse}[name]()
        return {}

    async def heal(self) -> None:
        """Forget every fault, let held frames go on, take connections again."""
        self.delay_seconds = 0.0
        self.trap = None
        self.flowing.set()
        if self.server is None:
            self.server = await asyncio.start_server(self.session, *self.listen_on)

    def hang(self) -> None:
        """Hold every frame, in both directions."""
        self.flowing.clear()

    def cut(self) -> None:
        """Break every connection that there is."""
        for session in self.sessions:
            session.cancel()

    def refuse(self) -> None:
        """Take no new connections."""
        if self.server is not None:
            self.server.close()
            self.server = None

    async def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until either side ends it or it is cut."""
        task = asyncio.current_task()
        assert task is not None
        self.sessions.add(task)
        self.connections += 1
        pumps: list[asyncio.Task[None]] = []
        ends = [writer]
        try:
            host_reader, host_writer = await asyncio.open_connection(*self.target)
            ends.append(host_writer)
            pumps = [
                asyncio.create_task(self.upstream(reader, host_writer)),
                asyncio.create_task(self.downstream(host_reader, writer)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.CancelledError):
            pass  # the host is down, or the session was cut: either way the client sees its connection end
        finally:
            self.sessions.discard(task)
            for pump in pumps:
                pump.cancel()
            for end in ends:
                end.transport.abort()

    async def upstream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Count the client's frames and deliver them, late or not at all."""
        async for frame in frames(reader):
            is_call = int.from_bytes(frame[16:20]) == CALL
            if is_call:
                name = call_name(frame)
                self.calls[name] += 1
                if self.trap and self.trap.springs(name):
                    await self.spring(self.trap, frame, writer)
                    continue
            if is_call and self.delay_seconds:  # latency, not a slower wire: what follows is not queued behind this
                asyncio.get_running_loop().call_later(self.delay_seconds, writer.write, frame)
            else:
                await self.deliver(frame, writer)

    async def downstream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Deliver the host's frames."""
        async for frame in frames(reader):
            await self.deliver(frame, writer)

    async def deliver(self, frame: bytes, writer: asyncio.StreamWriter) -> None:
        """Write a frame as soon as nothing hangs."""
        await self.flowing.wait()
        writer.write(frame)
        await writer.drain()

    async def spring(self, trap: Trap, frame: bytes, writer: asyncio.StreamWriter) -> None:
        """Hang or cut at this call, before or after it has gone through."""
        self.trap = None
        if trap.deliver:
            await self.deliver(frame, writer)
        if trap.action == "cut":
            self.cut()
            return
        self.hang()
        if not trap.deliver:
            await self.deliver(frame, writer)


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield whole frames, until the connection ends."""
    try:
        while True:
            length = await reader.readexactly(4)
            yield length + await reader.readexactly(int.from_bytes(length) - 4)
    except (asyncio.IncompleteReadError, ConnectionError):
        return


def call_name(frame: bytes) -> str:
    """Name the procedure called; an agent command by what it asks, `agent:guest-ping`."""
    name = name_of(int.from_bytes(frame[4:8]), int.from_bytes(frame[12:16]))
    command = AGENT_ORDER.search(frame) if name == AGENT_COMMAND else None
    return f"agent:{command[1].decode()}" if command else name


async def serve(pid_file: Path, control: Path, proxy: Proxy) -> None:
    """Listen for clients and for orders, for ever."""

    async def orders(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            writer.write(json.dumps(await proxy.control(json.loads(line))).encode() + b"\n")
        writer.close()

    await proxy.heal()
    async with await asyncio.start_unix_server(orders, control) as server:
        servers.ready(pid_file)
        await server.serve_forever()


def main() -> None:
    """`proxy PID_FILE CONTROL_SOCKET ADDRESS PORT HOST_ADDRESS`."""
    pid_file, control, address, port, target = sys.argv[1:]
    asyncio.run(serve(Path(pid_file), Path(control), Proxy(address, int(port), target)))


if __name__ == "__main__":
    main()
