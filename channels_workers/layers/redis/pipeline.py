"""Connections to Redis for one thread or one event loop, which send several commands in one write.

redis-py opens them, as it knows addresses, TLS, passwords and Sentinels. After that, commands and
replies pass through hiredis alone, in a fraction of the time of redis-py. A pipeline repeats
nothing, checks no health, as it is never idle for long, and has one time-out for all.

:func:`blocking_pipeline` and :func:`async_pipeline` return the fast kind, or that of redis-py's
public methods if :mod:`~channels_workers.layers.redis.redis_py` lacks a private part.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import hiredis
import redis
import redis.asyncio
import redis.exceptions

from channels_workers.concurrency.futures import settle
from channels_workers.layers.redis import redis_py
from channels_workers.layers.redis.hosts import goes_on, plain
from channels_workers.layers.redis.requests import Command

#: How many bytes are read at once.
READ_SIZE = 65_536

#: The result of a reader while the next reply is incomplete.
INCOMPLETE = object()


def packed(commands: Iterable[Command]) -> bytes:
    """Return the bytes of *commands*."""
    pack: Any = hiredis.pack_command  # its types are too narrow
    return b"".join([pack(tuple(command)) for command in commands])


def error_of(text: str) -> redis.exceptions.ResponseError:
    """Return the exception for an error reply."""
    text = plain(text)
    if text.startswith("NOSCRIPT"):
        return redis.exceptions.NoScriptError(text)
    if text.startswith("READONLY"):
        return redis.exceptions.ReadOnlyError(text)
    return redis.exceptions.ResponseError(text)


def new_reader() -> hiredis.Reader:
    """Return a parser of replies."""
    return hiredis.Reader(replyError=error_of, notEnoughData=INCOMPLETE)


#: The command that shows the run id of a Redis, which is new at each start.
ASK_RUN = ("INFO", "server")


#: Stands for the run id if the user may not ask for it.
UNKNOWN_RUN = "?"


def run_of(info: Any) -> str:
    """Return the run id in the reply to :data:`ASK_RUN`."""
    found = re.search(rb"run_id:(\w+)", info) if isinstance(info, bytes) else None
    return found[1].decode() if found else UNKNOWN_RUN


class BlockingPipeline:
    """A connection of *pool*, for one thread.

    After an error, or when Redis has become a replica, it connects again with the next command.
    *run* is the run id of its Redis while it is open: no command reaches a restarted Redis.
    """

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self.pool = pool
        self.run = ""
        self._connection: Any = None
        self._socket: socket.socket | None = None
        self._reader: Any = new_reader()  # its types lack bytearray
        self._buffer = bytearray(READ_SIZE)

    def open(self) -> None:
        """Connect, unless it is open; raises the errors of redis-py."""
        if self._connection is None or redis_py.socket_of(self._connection) is not self._socket:
            self._connect()

    def execute(self, *commands: Command) -> list[Any]:
        """Return the reply to each of *commands*, which may be a ``ResponseError``.

        Raises ``OSError`` or an error of redis-py if the connection is cut. It is then unknown
        which commands Redis has run.
        """
        self.open()
        self.send(*commands)
        return [self.read() for _ in commands]

    def send(self, *commands: Command) -> None:
        """Write *commands* to the open connection; :meth:`read` returns the reply to each."""
        self.write(packed(commands))

    def write(self, data: bytes) -> None:
        """Write :func:`packed` commands."""
        if self._socket is None:
            raise redis.exceptions.ConnectionError("The connection to Redis is down.")
        try:
            self._socket.sendall(data)
        except BaseException:
            self.release()
            raise

    def read(self) -> Any:
        """Return the next reply, which may be a ``ResponseError``."""
        reader = self._reader
        try:
            while (reply := reader.gets()) is INCOMPLETE:
                if self._socket is None:  # released after a READONLY reply
                    raise redis.exceptions.ConnectionError("Redis is a replica now.")
                size = self._socket.recv_into(self._buffer)
                if not size:
                    raise redis.exceptions.ConnectionError("Redis closed the connection.")
                reader.feed(self._buffer, 0, size)
        except BaseException:  # a late reply would be read as the next one
            self.release()
            raise
        if isinstance(reply, redis.exceptions.ReadOnlyError):
            self.release()
        return reply

    def _connect(self) -> None:
        self.release()
        self._connection = self.pool.get_connection()
        self._socket = redis_py.socket_of(self._connection)
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


#: Called with the replies to all commands, which may be ``ResponseError``, or with one error.
Done = Callable[[list[Any] | Exception], object]


class AsyncPipeline(asyncio.Protocol):
    """A connection of *pool*, for one event loop, without a task: callbacks get the replies.

    *run* is as in :class:`BlockingPipeline`.
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
        self._timeout = ReplyTimeout(self._abort)

    async def open(self) -> None:
        """Connect, unless it is open; raises the errors of redis-py."""
        if self._transport is not None:
            return
        await self.close()
        connection: Any = await self.pool.get_connection()  # type: ignore[no-untyped-call]
        self._connection, transport = connection, redis_py.transport_of(connection)
        self.run = await self._ask_run(connection)
        if not goes_on():  # the task was cancelled, which redis-py swallowed
            raise asyncio.CancelledError
        if transport.is_closing():
            raise redis.exceptions.ConnectionError("Redis closed the connection at once.")
        self._transport = transport
        self._timeout.limit = connection.socket_timeout
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
        """Write *commands* and call *done* once, after the replies to earlier ones."""
        if self._done is not None:
            raise RuntimeError("This pipeline still waits for replies.")
        if not commands:
            asyncio.get_running_loop().call_soon(done, [])
            return
        if self._transport is None:
            error = redis.exceptions.ConnectionError("The connection to Redis is down.")
            asyncio.get_running_loop().call_soon(done, error)
            return
        data = packed(commands)
        self._done, self._replies, self._expected = done, [], len(commands)
        self._timeout.begin()
        self._transport.write(data)

    async def execute(self, *commands: Command) -> list[Any]:
        """Do the same as :meth:`start`, after :meth:`open`; raise the error."""
        await self.open()
        replies: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.start(commands, partial(settle, replies))
        return await replies

    # Called by the transport

    def data_received(self, data: bytes) -> None:
        """Read replies."""
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
        """Note that the connection is down."""
        self._transport = None
        self._opened_by.connection_lost(error)
        reason = error or "Redis closed the connection, or was too slow"
        self._finish(redis.exceptions.ConnectionError(str(reason)))

    def _finish(self, replies: list[Any] | Exception) -> None:
        done, self._done, self._expected = self._done, None, 0
        self._timeout.end()
        if done is not None:
            done(replies)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class ReplyTimeout:
    """Calls *end_it* if a reply takes longer than *limit* seconds.

    One timer serves many short waits.
    """

    def __init__(self, end_it: Callable[[], None]) -> None:
        self.limit: float | None = None
        self._end_it = end_it
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Note that a wait begins."""
        self._since = time.monotonic()
        if self._timer is None and self.limit is not None:
            self._set(self.limit)

    def end(self) -> None:
        """Note that the wait has ended."""
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


# The same by the public methods of redis-py


class PublicBlockingPipeline(BlockingPipeline):
    """The slower kind: *run* stays empty, so each script asks Redis for its run id."""

    def open(self) -> None:
        """Connect, unless it is open."""
        if self._connection is None:
            self._connection = self.pool.get_connection()

    def write(self, data: bytes) -> None:
        """Write :func:`packed` commands."""
        if self._connection is None:
            raise redis.exceptions.ConnectionError("The connection to Redis is down.")
        try:
            self._connection.send_packed_command([data], check_health=False)
        except BaseException:
            self.release()
            raise

    def read(self) -> Any:
        """Return the next reply, which may be a ``ResponseError``."""
        if self._connection is None:
            raise redis.exceptions.ConnectionError("Redis is a replica now.")
        try:
            return self._connection.read_response(disable_decoding=True)
        except redis.exceptions.ResponseError as error:
            if isinstance(error, redis.exceptions.ReadOnlyError):
                self.release()
            return error
        except BaseException:
            self.release()
            raise


class PublicAsyncPipeline(AsyncPipeline):
    """The slower kind: a task for each write; *run* stays empty, as above."""

    def __init__(self, pool: redis.asyncio.ConnectionPool) -> None:
        super().__init__(pool)
        self._is_open = self._is_busy = False
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, unless it is open."""
        if self._is_open:
            return
        await self.close()
        self._connection = await self.pool.get_connection()  # type: ignore[no-untyped-call]
        if not goes_on():  # the task was cancelled, which redis-py swallowed
            raise asyncio.CancelledError
        self._is_open = True

    def start(self, commands: Sequence[Command], done: Done) -> None:
        """Write *commands* and call *done* once, after the replies to earlier ones."""
        if self._is_busy:
            raise RuntimeError("This pipeline still waits for replies.")
        loop = asyncio.get_running_loop()
        if not commands:
            loop.call_soon(done, [])
        elif not self._is_open:
            error = redis.exceptions.ConnectionError("The connection to Redis is down.")
            loop.call_soon(done, error)
        else:
            self._is_busy = True
            exchange = self._exchange(packed(commands), len(commands), done)
            self._task = loop.create_task(exchange, name="channels_workers pipeline")

    async def _exchange(self, data: bytes, count: int, done: Done) -> None:
        replies: list[Any] | Exception
        try:
            await self._connection.send_packed_command(data, check_health=False)
            replies = [await self._read() for _ in range(count)]
        except Exception as error:  # noqa: BLE001  (the callback gets it)
            self._is_open, replies = False, error
        finally:
            self._is_busy = False
        done(replies)

    async def _read(self) -> Any:
        try:
            return await self._connection.read_response(disable_decoding=True)
        except redis.exceptions.ResponseError as error:
            if isinstance(error, redis.exceptions.ReadOnlyError):
                self._is_open = False
            return error


def blocking_pipeline(pool: redis.ConnectionPool) -> BlockingPipeline:
    """Return a pipeline of *pool* for one thread."""
    return BlockingPipeline(pool) if redis_py.HAS_SOCKET else PublicBlockingPipeline(pool)


def async_pipeline(pool: redis.asyncio.ConnectionPool) -> AsyncPipeline:
    """Return a pipeline of *pool* for one event loop."""
    return AsyncPipeline(pool) if redis_py.HAS_TRANSPORT else PublicAsyncPipeline(pool)
