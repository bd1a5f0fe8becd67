"""Connections to Redis that one thread or task keeps, for several commands in one write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio
import redis.exceptions

#: A command with its arguments.
Command = Sequence[str | bytes | int]


class Line:
    """A connection of *pool*, for one thread.

    It repeats nothing, and connects again with the next command after an error.
    """

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self.pool = pool
        self._connection: Any = None

    def execute(self, *commands: Command) -> list[Any]:
        """Return the reply to each of *commands*, that may be a ``ResponseError``.

        Raises what redis-py raises when the line is cut; it is not known then what Redis did.
        """
        self.send(*commands)
        return [self.read() for _ in commands]

    def send(self, *commands: Command) -> None:
        """Write *commands*; :meth:`read` gives the reply to each."""
        if self._connection is None:
            self._connection = self.pool.get_connection()
        with self._cut_after_error():
            self._connection.send_packed_command(self._connection.pack_commands(commands))

    def read(self) -> Any:
        """Return the next reply, that may be a ``ResponseError``."""
        with self._cut_after_error():
            try:
                return self._connection.read_response()
            except redis.exceptions.ResponseError as error:
                return error

    @contextmanager
    def _cut_after_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:  # what was to be read would be taken for the next reply
            self._connection.disconnect()
            raise

    def release(self) -> None:
        """Give the connection back to its pool."""
        if self._connection is not None:
            self.pool.release(self._connection)
            self._connection = None


class AsyncLine:
    """A connection of *pool*, for one task; as :class:`Line`."""

    def __init__(self, pool: redis.asyncio.ConnectionPool) -> None:
        self.pool = pool
        self._connection: Any = None

    async def execute(self, *commands: Command) -> list[Any]:
        """Return the reply to each of *commands*, as :meth:`Line.execute` does."""
        if self._connection is None:
            self._connection = await self.pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            packed = self._connection.pack_commands(commands)
            await self._connection.send_packed_command(packed)
            return [await self._read() for _ in commands]
        except BaseException:
            await self._connection.disconnect(nowait=True)
            raise

    async def call(self, *command: str | bytes | int) -> Any:
        """Return the reply to one command; raise it, if it is an error."""
        (reply,) = await self.execute(command)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def _read(self) -> Any:
        try:
            return await self._connection.read_response()
        except redis.exceptions.ResponseError as error:
            return error
