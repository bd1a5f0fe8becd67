"""A connection to Redis for one thread, which sends several commands in one write.

redis-py opens it, as it knows addresses, TLS, passwords and Sentinels. After that, commands and
replies pass through hiredis alone, in a fraction of the time of redis-py. A pipeline repeats
nothing, checks no health, as it is never idle for long, and has one time-out for all.
"""

from __future__ import annotations

import socket
from typing import Any

import redis
import redis.exceptions

from channels_workers.layers.redis import redis_py
from channels_workers.layers.redis.meter import Meter
from channels_workers.layers.redis.resp import (
    ASK_RUN,
    INCOMPLETE,
    Command,
    new_reader,
    packed,
    run_of,
)

#: How many bytes are read at once.
READ_SIZE = 65_536


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
        self._reader = new_reader()
        self._buffer = bytearray(READ_SIZE)
        self.meter = Meter()

    def open(self) -> None:
        """Connect, unless it is open; raises the errors of redis-py."""
        if self._socket is None or self._socket.fileno() < 0:  # the pool has closed it
            self._connect()

    def execute(self, *commands: Command) -> list[Any]:
        """Return the reply to each of *commands*, which may be a ``ResponseError``.

        Raises ``OSError`` or an error of redis-py if the connection is cut. It is then unknown
        which commands Redis has run.
        """
        self.open()
        self.write(packed(commands))
        return self.read(len(commands))

    def write(self, data: bytes) -> None:
        """Write packed commands to the open connection; :meth:`read` returns their replies."""
        if self._socket is None:
            raise redis.exceptions.ConnectionError("The connection to Redis is down.")
        try:
            self._socket.sendall(data)
        except BaseException:
            self.release()
            raise

    def read(self, count: int) -> list[Any]:
        """Return the next *count* replies, each of which may be a ``ResponseError``."""
        reader, replies = self._reader, list[Any]()
        try:
            while len(replies) < count:
                if (reply := reader.gets()) is not INCOMPLETE:
                    replies.append(reply)
                    if isinstance(reply, redis.exceptions.ReadOnlyError):
                        self.release()
                    continue
                if self._socket is None:  # released after a READONLY reply
                    raise redis.exceptions.ConnectionError("Redis is a replica now.")
                if not (size := self._socket.recv_into(self._buffer)):
                    raise redis.exceptions.ConnectionError("Redis closed the connection.")
                reader.feed(self._buffer, 0, size)
        except BaseException:  # a late reply would be read as the next one
            self.release()
            raise
        return replies

    def _connect(self) -> None:
        self.release()
        self._connection = self.pool.get_connection()
        self._socket = redis_py.socket_of(self._connection)
        self._reader = new_reader()
        self.write(packed([ASK_RUN]))
        (info,) = self.read(1)
        self.run = run_of(info)
        self.meter.opened()

    def release(self) -> None:
        """Close the connection and give it back to its pool."""
        if self._connection is not None:
            self._connection.disconnect()
            self.pool.release(self._connection)
            self._connection = self._socket = None
            self.run = ""


class PublicBlockingPipeline(BlockingPipeline):
    """The same by the public methods of redis-py, which takes longer.

    *run* stays empty, so each script asks Redis for its run id.
    """

    def open(self) -> None:
        """Connect, unless it is open."""
        if self._connection is None:
            self._connection = self.pool.get_connection()
            self.meter.opened()

    def write(self, data: bytes) -> None:
        """Write packed commands."""
        if self._connection is None:
            raise redis.exceptions.ConnectionError("The connection to Redis is down.")
        try:
            self._connection.send_packed_command([data], check_health=False)
        except BaseException:
            self.release()
            raise

    def read(self, count: int) -> list[Any]:
        """Return the next *count* replies, each of which may be a ``ResponseError``."""
        return [self._read_one() for _ in range(count)]

    def _read_one(self) -> Any:
        if self._connection is None:
            raise redis.exceptions.ConnectionError("Redis is a replica now.")
        try:
            return self._connection.read_response(disable_decoding=True)
        except redis.exceptions.ResponseError as error:
            if isinstance(error, redis.exceptions.ReadOnlyError):
                self.release()
            return error.with_traceback(None)  # it would keep the frames of the caller
        except BaseException:
            self.release()
            raise


def make_blocking_pipeline(pool: redis.ConnectionPool) -> BlockingPipeline:
    """Return a pipeline of *pool* for a thread: the fast kind, if this redis-py permits it."""
    return BlockingPipeline(pool) if redis_py.HAS_SOCKET else PublicBlockingPipeline(pool)
