"""Connections to Redis that one thread or task keeps, for several commands in one write.

redis-py opens them: it knows addresses, TLS, passwords and Sentinels. What is said then goes by
hiredis alone, which costs a fraction of redis-py's time: a line repeats nothing, asks for no
health (it is never idle for long) and has one time-out for all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import hiredis
import redis
import redis.asyncio
import redis.exceptions

#: A command with its arguments.
Command = Sequence[str | bytes | int]

#: How many bytes are read at once.
READ_SIZE = 65_536

#: What a reader gives while the next reply is not complete.
INCOMPLETE = object()


def packed(commands: Iterable[Command]) -> bytes:
    """Return *commands* as they are written."""
    pack: Any = hiredis.pack_command  # its types know only commands of one argument
    return b"".join([pack(tuple(command)) for command in commands])


def error_of(text: str) -> redis.exceptions.ResponseError:
    """Return what stands for an error that Redis replies."""
    if text.startswith("NOSCRIPT"):
        return redis.exceptions.NoScriptError(text)
    if text.startswith("READONLY"):
        return redis.exceptions.ReadOnlyError(text)
    return redis.exceptions.ResponseError(text)


def new_reader() -> hiredis.Reader:
    """Return what makes replies of bytes."""
    return hiredis.Reader(replyError=error_of, notEnoughData=INCOMPLETE)


class Line:
    """A connection of *pool*, for one thread.

    It connects again with the next command after an error, or when Redis is a replica now.
    """

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self.pool = pool
        self._connection: Any = None
        self._socket: Any = None
        self._reader: Any = new_reader()  # its types do not know that it reads a bytearray
        self._buffer = bytearray(READ_SIZE)

    def execute(self, *commands: Command) -> list[Any]:
        """Return the reply to each of *commands*, that may be a ``ResponseError``.

        Raises ``OSError``, or what redis-py raises, when the line is cut; it is not known then
        what Redis did.
        """
        self.send(*commands)
        return [self.read() for _ in commands]

    def send(self, *commands: Command) -> None:
        """Write *commands*; :meth:`read` gives the reply to each."""
        data = packed(commands)
        if self._connection is None or self._connection._sock is not self._socket:
            self._connect()
        try:
            self._socket.sendall(data)
        except BaseException:
            self.release()
            raise

    def read(self) -> Any:
        """Return the next reply, that may be a ``ResponseError``."""
        reader = self._reader
        try:
            while (reply := reader.gets()) is INCOMPLETE:
                size = self._socket.recv_into(self._buffer)
                if not size:
                    raise redis.exceptions.ConnectionError("Redis closed the connection.")
                reader.feed(self._buffer, 0, size)
        except BaseException:  # what was to be read would be taken for the next reply
            self.release()
            raise
        if isinstance(reply, redis.exceptions.ReadOnlyError):
            self.release()
        return reply

    def _connect(self) -> None:
        self.release()
        self._connection = self.pool.get_connection()
        self._socket = self._connection._sock
        self._reader = new_reader()

    def release(self) -> None:
        """Close the connection and give it back to its pool."""
        if self._connection is not None:
            self._connection.disconnect()
            self.pool.release(self._connection)
            self._connection = self._socket = None


class AsyncLine:
    """A connection of *pool*, for one task; as :class:`Line`."""

    def __init__(self, pool: redis.asyncio.ConnectionPool) -> None:
        self.pool = pool
        self._connection: Any = None
        self._stream: asyncio.StreamReader
        self._transport: asyncio.WriteTransport
        self._reader = new_reader()
        self._watch = Watch(self._abort)

    async def execute(self, *commands: Command) -> list[Any]:
        """Return the reply to each of *commands*, as :meth:`Line.execute` does."""
        if self._connection is None:
            await self._connect()
        replies: list[Any] = []
        self._watch.begin()
        try:
            self._transport.write(packed(commands))
            while len(replies) < len(commands):
                reply = self._reader.gets()
                if reply is INCOMPLETE:
                    self._reader.feed(await self._read())
                else:
                    replies.append(reply)
        except BaseException:
            await self._cut()
            raise
        finally:
            self._watch.end()
        if any(isinstance(reply, redis.exceptions.ReadOnlyError) for reply in replies):
            await self._cut()
        return replies

    async def call(self, *command: str | bytes | int) -> Any:
        """Return the reply to one command; raise it, if it is an error."""
        (reply,) = await self.execute(command)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def _read(self) -> bytes:
        data = await self._stream.read(READ_SIZE)
        if not data:
            raise redis.exceptions.ConnectionError("Redis closed the connection, or was too slow.")
        return data

    async def _connect(self) -> None:
        connection: Any = await self.pool.get_connection()  # type: ignore[no-untyped-call]
        self._connection = connection
        self._stream, self._transport = connection._reader, connection._writer.transport
        self._watch.limit = connection.socket_timeout
        self._reader = new_reader()

    def _abort(self) -> None:
        self._transport.abort()

    async def _cut(self) -> None:
        connection, self._connection = self._connection, None
        await connection.disconnect(nowait=True)
        await self.pool.release(connection)


class Watch:
    """Calls *end_it* when something that began has not ended after *limit* seconds.

    One timer serves many that begin and end in its time, which are cheap.
    """

    def __init__(self, end_it: Callable[[], None]) -> None:
        self.limit: float | None = None
        self._end_it = end_it
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Note that it begins."""
        self._since = time.monotonic()
        if self._timer is None and self.limit is not None:
            self._set(self.limit)

    def end(self) -> None:
        """Note that it has ended."""
        self._since = None

    def _set(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._since is None or self.limit is None:
            return
        left = self._since + self.limit - time.monotonic()
        if left > 0:
            self._set(left)
        else:
            self._end_it()
