"""Connections to Redis that one thread or task keeps, for several commands in one write.

redis-py opens them: it knows addresses, TLS, passwords and Sentinels. What is said then goes by
hiredis alone, which costs a fraction of redis-py's time: a line repeats nothing, asks for no
health (it is never idle for long) and has one time-out for all.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import hiredis
import redis
import redis.asyncio
import redis.exceptions

from channels_workers.concurrency.futures import settle
from channels_workers.layers.redis.hosts import goes_on, plain
from channels_workers.layers.redis.requests import Command

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
    text = plain(text)
    if text.startswith("NOSCRIPT"):
        return redis.exceptions.NoScriptError(text)
    if text.startswith("READONLY"):
        return redis.exceptions.ReadOnlyError(text)
    return redis.exceptions.ResponseError(text)


def new_reader() -> hiredis.Reader:
    """Return what makes replies of bytes."""
    return hiredis.Reader(replyError=error_of, notEnoughData=INCOMPLETE)


#: What tells the run of a Redis: the name of the process, which it makes anew at each start.
ASK_RUN = ("INFO", "server")


#: What stands for the run of a Redis that may not be asked for it.
UNKNOWN_RUN = "?"


def run_of(info: Any) -> str:
    """Return the run id in the reply to :data:`ASK_RUN`."""
    found = re.search(rb"run_id:(\w+)", info) if isinstance(info, bytes) else None
    return found[1].decode() if found else UNKNOWN_RUN


class BlockingPipeline:
    """A connection of *pool*, for one thread.

    It connects again with the next command after an error, or when Redis is a replica now.
    *run* is the run of the Redis that it leads to, as long as it is open: what it is told cannot
    reach a Redis that was started again.
    """

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self.pool = pool
        self.run = ""
        self._connection: Any = None
        self._socket: Any = None
        self._reader: Any = new_reader()  # its types do not know that it reads a bytearray
        self._buffer = bytearray(READ_SIZE)

    def open(self) -> None:
        """Connect, unless the line is open; raises what redis-py raises."""
        if self._connection is None or self._connection._sock is not self._socket:
            self._connect()

    def execute(self, *commands: Command) -> list[Any]:
        """Return the reply to each of *commands*, that may be a ``ResponseError``.

        Raises ``OSError``, or what redis-py raises, when the line is cut; it is not known then
        what Redis did.
        """
        self.open()
        self.send(*commands)
        return [self.read() for _ in commands]

    def send(self, *commands: Command) -> None:
        """Write *commands* to the open line; :meth:`read` gives the reply to each."""
        self.write(packed(commands))

    def write(self, data: bytes) -> None:
        """Write commands that are :func:`packed`, as :meth:`send` does."""
        if self._socket is None:
            raise redis.exceptions.ConnectionError("The line to Redis is down.")
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
                if self._socket is None:  # released, as the reply before said READONLY
                    raise redis.exceptions.ConnectionError("Redis is a replica now.")
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
        self.send(ASK_RUN)
        self.run = run_of(self.read())

    def release(self) -> None:
        """Close the connection and give it back to its pool."""
        if self._connection is not None:
            self._connection.disconnect()
            self.pool.release(self._connection)
            self._connection = self._socket = None
            self.run = ""


#: Called with the reply to each command, that may be a ``ResponseError``, or with what cut it off.
Done = Callable[[list[Any] | Exception], object]


class AsyncPipeline(asyncio.Protocol):
    """A connection of *pool*, for one event loop, without a task: replies come by callbacks.

    *run* is as that of :class:`BlockingPipeline`.
    """

    def __init__(self, pool: redis.asyncio.ConnectionPool) -> None:
        self.pool = pool
        self.run = ""
        self._connection: Any = None
        self._transport: asyncio.WriteTransport | None = None
        self._opened_by: asyncio.BaseProtocol
        self._reader = new_reader()
        self._replies: list[Any] = []
        self._expected = 0
        self._is_replica = False  # by its replies
        self._done: Done | None = None
        self._watch = Watch(self._abort)

    async def open(self) -> None:
        """Connect, unless the line is open; raises what redis-py raises."""
        if self._transport is not None:
            return
        await self.close()
        connection: Any = await self.pool.get_connection()  # type: ignore[no-untyped-call]
        self._connection, transport = connection, connection._writer.transport
        self.run = await self._ask_run(connection)
        if not goes_on():  # nobody would end what begins now
            raise asyncio.CancelledError
        if transport.is_closing():
            raise redis.exceptions.ConnectionError("Redis closed the connection at once.")
        self._transport = transport
        self._watch.limit = connection.socket_timeout
        self._reader = new_reader()
        self._is_replica = False
        self._opened_by = transport.get_protocol()
        transport.set_protocol(self)

    async def _ask_run(self, connection: Any) -> str:
        await connection.send_command(*ASK_RUN)
        try:
            return run_of(await connection.read_response())
        except redis.exceptions.ResponseError:
            return UNKNOWN_RUN

    async def close(self) -> None:
        """Close the connection and give it back to its pool."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self.pool.release(connection)

    def start(self, commands: Sequence[Command], done: Done) -> None:
        """Write *commands* and call *done* once; nothing else may be under way."""
        if self._done is not None:
            raise RuntimeError("Commands are under way on this line.")
        if not commands:
            asyncio.get_running_loop().call_soon(done, [])
            return
        if self._transport is None:
            error = redis.exceptions.ConnectionError("The line to Redis is down.")
            asyncio.get_running_loop().call_soon(done, error)
            return
        data = packed(commands)
        self._done, self._replies, self._expected = done, [], len(commands)
        self._watch.begin()
        self._transport.write(data)

    async def execute(self, *commands: Command) -> list[Any]:
        """Do the same as :meth:`start`, opened if need be; raise what cuts the line."""
        await self.open()
        replies: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.start(commands, partial(settle, replies))
        return await replies

    # Called by the transport

    def data_received(self, data: bytes) -> None:
        """Take replies."""
        self._reader.feed(data)
        try:
            while len(self._replies) < self._expected:
                if (reply := self._reader.gets()) is INCOMPLETE:
                    return
                self._replies.append(reply)
                self._is_replica |= isinstance(reply, redis.exceptions.ReadOnlyError)
        except hiredis.HiredisError as error:
            self._finish(error)
            self._abort()
            return
        if self._is_replica:
            self._abort()
        self._finish(self._replies)

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the line is down."""
        self._transport = None
        self._opened_by.connection_lost(error)
        reason = error or "Redis closed the connection, or was too slow"
        self._finish(redis.exceptions.ConnectionError(str(reason)))

    def _finish(self, replies: list[Any] | Exception) -> None:
        done, self._done, self._expected = self._done, None, 0
        self._watch.end()
        if done is not None:
            done(replies)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


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
