"""A connection to Redis for one event loop, which sends several commands in one write.

It is opened and used as that of a thread; see
:mod:`~channels_workers.layers.redis.blocking_pipeline`. Callbacks get the replies, without a task.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import hiredis
import redis.asyncio
import redis.exceptions

from channels_workers.concurrency.futures import settle
from channels_workers.layers.redis import redis_py
from channels_workers.layers.redis.hosts import goes_on
from channels_workers.layers.redis.meter import Meter
from channels_workers.layers.redis.resp import (
    ASK_RUN,
    INCOMPLETE,
    UNKNOWN_RUN,
    Command,
    new_reader,
    packed,
    run_of,
)

#: Called with the replies to all commands, which may be ``ResponseError``, or with one error.
Done = Callable[[list[Any] | Exception], object]


class AsyncPipeline(asyncio.Protocol):
    """A connection of *pool*, for one event loop.

    *run* is the run id of its Redis while it is open. A reply may take as long as the socket's
    time-out; then, and when Redis has become a replica, the connection is cut.
    """

    def __init__(self, pool: redis.asyncio.ConnectionPool) -> None:
        self.pool = pool
        self.run = ""
        self._connection: Any = None
        self._transport: asyncio.WriteTransport | None = None
        self._opened_by: asyncio.BaseProtocol
        self._reader = new_reader()
        self._done: Done | None = None  # while replies are missing
        self._replies: list[Any] = []
        self._expected = 0
        self._written_at = 0.0  # monotonic seconds
        self._watch: asyncio.TimerHandle | None = None
        self.meter = Meter()

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
        self.meter.opened()
        self._transport = transport
        self._reader = new_reader()
        self._opened_by = transport.get_protocol()
        transport.set_protocol(self)
        if connection.socket_timeout is not None:
            self._end_if_late(connection.socket_timeout)

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

    def start(self, data: bytes, count: int, done: Done) -> None:
        """Write *count* packed commands; call *done* once, with all replies or an error."""
        if self._done is not None:
            raise RuntimeError("This pipeline still waits for replies.")
        if self._transport is None:
            error = redis.exceptions.ConnectionError("The connection to Redis is down.")
            asyncio.get_running_loop().call_soon(done, error)
            return
        self._done, self._replies, self._expected = done, [], count
        self._written_at = time.monotonic()
        self._transport.write(data)

    async def execute(self, *commands: Command) -> list[Any]:
        """Open it, and return the reply to each of *commands*, which may be a ``ResponseError``.

        Raises ``OSError`` or an error of redis-py if the connection is cut.
        """
        await self.open()
        if not commands:
            return []
        replies: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.start(packed(commands), len(commands), partial(settle, replies))
        return await replies

    # Called by the transport

    def data_received(self, data: bytes) -> None:
        """Read replies."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not INCOMPLETE:
                self._replies.append(reply)
        except hiredis.HiredisError as error:
            self._fail(error)
            self._abort()
            return
        if self._done is None or len(self._replies) < self._expected:
            return
        if any(isinstance(reply, redis.exceptions.ReadOnlyError) for reply in self._replies):
            self._abort()
        done, self._done = self._done, None
        done(self._replies)

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the connection is down."""
        self._transport = None
        self._opened_by.connection_lost(error)
        if self._watch is not None:
            self._watch.cancel()
        reason = error or "Redis closed the connection, or was too slow"
        self._fail(redis.exceptions.ConnectionError(str(reason)))

    def _fail(self, error: Exception) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(error)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _end_if_late(self, limit: float) -> None:
        """Cut the connection if a reply has taken *limit* seconds; look again when one may have."""
        waited = time.monotonic() - self._written_at if self._done is not None else 0.0
        if waited >= limit:
            self._abort()
        else:
            loop = asyncio.get_running_loop()
            self._watch = loop.call_later(limit - waited, self._end_if_late, limit)


class PublicAsyncPipeline(AsyncPipeline):
    """The same by the public methods of redis-py, with a task for each write.

    *run* stays empty, so each script asks Redis for its run id.
    """

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
        self.meter.opened()
        self._is_open = True

    def start(self, data: bytes, count: int, done: Done) -> None:
        """Write *count* packed commands; call *done* once, with all replies or an error."""
        if self._is_busy:
            raise RuntimeError("This pipeline still waits for replies.")
        loop = asyncio.get_running_loop()
        if self._is_open:
            self._is_busy = True
            exchange = self._exchange(data, count, done)
            self._task = loop.create_task(exchange, name="channels_workers pipeline")
        else:
            error = redis.exceptions.ConnectionError("The connection to Redis is down.")
            loop.call_soon(done, error)

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
            return error.with_traceback(None)  # it would keep the frames of the event loop


def make_async_pipeline(pool: redis.asyncio.ConnectionPool) -> AsyncPipeline:
    """Return a pipeline of *pool* for a loop: the fast kind, if this redis-py permits it."""
    return AsyncPipeline(pool) if redis_py.HAS_TRANSPORT else PublicAsyncPipeline(pool)
