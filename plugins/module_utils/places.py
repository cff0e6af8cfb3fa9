# SPDX-License-Identifier: GPL-3.0-or-later
"""Every set of endpoints that a task talks to: its own, and those that its VMs move to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

from .connection import Connection
from .endpoints import Endpoint, Endpoints
from .errors import ConnectionFailed, CrossvirtError
from .registry import OpenDriver


class Places:
    """The endpoints at home, and those of other connections as they are asked for; each host counts once."""

    def __init__(self, connection: Connection, home: Endpoints, drivers: OpenDriver) -> None:
        self.connection, self.home, self._drivers = connection, home, drivers
        self._others: list[tuple[Connection, Endpoints]] = []
        self._closed: list[tuple[Connection, CrossvirtError]] = []  # waiting once for who does not answer is enough

    @classmethod
    async def open(cls, connection: Connection, drivers: OpenDriver) -> Self:
        """Connect to the home of a task; raises what Endpoints.open raises."""
        return cls(connection, await Endpoints.open(connection, drivers(connection.type)), drivers)

    async def at(self, connection: Connection) -> Endpoints:
        """Return the endpoints of another connection; those that lead where a known one leads are that one."""
        for known, endpoints in [(self.connection, self.home), *self._others]:
            if known == connection:
                return endpoints
        for known, error in self._closed:
            if known == connection:
                raise error
        try:
            opened = await Endpoints.open(connection, self._drivers(connection.type))
        except CrossvirtError as error:
            self._closed.append((connection, error))
            raise
        self._others.append((connection, opened))
        known_by = {identity: member for member, identity in await self.home.ask(lambda driver: driver.identity)}
        for member, identity in await opened.ask(lambda driver: driver.identity):
            if identity in known_by:
                await member.close()
                opened.members = [known_by[identity] if one is member else one for one in opened.members]
        return opened

    async def again(self, endpoint: Endpoint) -> Endpoint:
        """Connect anew to the host of an endpoint that may be lost; raises ConnectionFailed."""
        for connection, endpoints in [(self.connection, self.home), *self._others]:
            if endpoint in endpoints.members:
                await endpoint.open_again(self._drivers(connection.type), connection)
                break
        return endpoint

    def endpoints_of(self, endpoint: Endpoint) -> Endpoints:
        """Return the set that an endpoint is one of; raises ConnectionFailed for one that was lost meanwhile."""
        for endpoints in (self.home, *(one for _who, one in self._others)):
            if endpoint in endpoints.members:
                return endpoints
        raise ConnectionFailed(f"{endpoint.host} does not answer any more")

    def label_of(self, endpoint: Endpoint) -> str:
        """Return what results call the connection that an endpoint belongs to."""
        others = ((connection.label, endpoints) for connection, endpoints in self._others)
        labels = [(self.connection.label, self.home), *others]
        return next((label for label, endpoints in labels if endpoint in endpoints.members), self.connection.label)

    @property
    def failures(self) -> Sequence[CrossvirtError]:
        """Those endpoints that do not answer, and were allowed not to."""
        return [*self.home.failures, *(error for _connection, one in self._others for error in one.failures)]

    async def close(self) -> None:
        """Log out everywhere, side by side."""
        members = {
            member for endpoints in (self.home, *(one for _who, one in self._others)) for member in endpoints.members
        }
        await asyncio.gather(*(member.close() for member in members))
