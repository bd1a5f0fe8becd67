"""Reads the streams of ordinary channels, for workers and for coroutines."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Any

import redis.asyncio
import redis.exceptions

from channels_workers.layers.operations import Delivery
from channels_workers.layers.redis import commands, connections
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.commands import GROUP, Request
from channels_workers.layers.redis.lines import Command, Line

#: How Redis begins when a stream, or its consumer group, is not there yet, or not any more.
NO_STREAM = ("NOGROUP", "UNBLOCKED")

#: How it begins when a stream has its consumer group already.
GROUP_EXISTS = "BUSYGROUP"

#: How many of its own deliveries a consumer reads again after a lost reply, of each channel.
RECOVERED = 1000

logger = logging.getLogger(__name__)


class Streams:
    """The streams of all ordinary channels; each message is handed to one reader.

    A message that cannot be read is given up alone.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._recovering: set[str] = set()
        self._lines: dict[int, Line] = {}  # by the thread that alone uses it

    def key(self, channel: str) -> str:
        """Return the key of a channel's stream."""
        return self.client.key(f"channel:{channel}")

    def length(self, channel: str) -> int:
        """Return how many messages of *channel* wait or are under way."""
        return self.client.redis.xlen(self.key(channel))

    # For workers

    def pull(self, channels: Sequence[str], consumer: str, timeout: float) -> list[Delivery]:
        """Wait up to *timeout* seconds; after a lost reply, return what is still ours first."""
        if consumer in self._recovering:
            found = self._read_group(channels, consumer, "0", 0, count=RECOVERED)
            self._recovering.discard(consumer)
            if found:
                return found
        try:
            return self._read_group(channels, consumer, ">", timeout)
        except Exception:
            self.recover(consumer)
            raise

    def recover(self, consumer: str) -> None:
        """Let the next pull look first for what Redis may have handed out unseen."""
        self._recovering.add(consumer)

    def is_recovering(self, consumer: str) -> bool:
        """Say whether the next pull will look for that."""
        return consumer in self._recovering

    def call(self, request: Request) -> Any:
        """Run a script, on the thread's own connection if it has one."""
        line = self._lines.get(threading.get_ident())
        if line is None:
            return self.client.call(request)
        with self.client.explained():
            (reply,) = line.execute(self.client.command(request))
            return _raised(self._known(line, request, reply))

    def call_and_pull(
        self, request: Request, channels: Sequence[str], consumer: str, timeout: float
    ) -> tuple[Any, list[Delivery]]:
        """Run a script and pull, in one write; return the script's reply and what was pulled.

        The reply may be an error. One of the pull is left to the next pull.
        """
        line = self._line()
        try:
            pull = self._command(channels, consumer, ">", timeout)
            line.send(self.client.command(request), pull)
            reply = line.read()
            found = self._read_pulled(line, consumer)
            return self._known(line, request, reply), found
        except Exception as error:
            self.recover(consumer)
            self.client.explain(error)
            raise

    def _read_pulled(self, line: Line, consumer: str) -> list[Delivery]:
        try:
            return self._readable(_raised(line.read()), consumer)
        except Exception:  # noqa: BLE001  (the next pull meets it, too)
            self.recover(consumer)
            return []

    def _known(self, line: Line, request: Request, reply: Any) -> Any:
        """Return *reply*, or that to another call if Redis did not know the script yet."""
        if not isinstance(reply, redis.exceptions.NoScriptError):
            return reply
        teach = commands.teach([request.script])
        *taught, reply = line.execute(*teach, self.client.command(request))
        return next((each for each in taught if isinstance(each, Exception)), reply)

    def release_lines(self) -> None:
        """Give up the connections of threads that have ended."""
        living = {thread.ident for thread in threading.enumerate()}
        for thread in self._lines.keys() - living:
            self._lines.pop(thread).release()

    def _line(self) -> Line:
        thread = threading.get_ident()
        if thread not in self._lines:
            self._lines[thread] = Line(self.client.pool)
        return self._lines[thread]

    def _command(
        self, channels: Sequence[str], consumer: str, start: str, timeout: float, count: int = 1
    ) -> Command:
        block = ("BLOCK", max(1, int(timeout * 1000))) if timeout > 0 else ()
        keys = [self.key(channel) for channel in channels]
        reads = ("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", count, *block)
        return (*reads, "STREAMS", *keys, *[start] * len(channels))

    def _read_group(
        self, channels: Sequence[str], consumer: str, start: str, timeout: float, count: int = 1
    ) -> list[Delivery]:
        command = self._command(channels, consumer, start, timeout, count)
        line = self._line()
        with self.client.explained():
            (reply,) = line.execute(command)
            if not (isinstance(reply, Exception) and str(reply).startswith(NO_STREAM)):
                return self._readable(_raised(reply), consumer)
            for made in line.execute(*(self._group_command(channel) for channel in channels)):
                if not str(made).startswith(GROUP_EXISTS):
                    _raised(made)
        return self._read_group(channels, consumer, start, timeout, count)

    # For coroutines

    async def receive(self, channel: str) -> Delivery:
        """Wait for the next message of *channel*, on a connection of its own, and delete it."""
        client = redis.asyncio.Redis(connection_pool=connections.asyncio_pool(self.client.host))
        client.set_response_callback("XREADGROUP", commands.as_it_is)
        try:
            while True:
                if found := await self._take(client, channel):
                    return found[0]
        finally:
            await client.aclose(close_connection_pool=True)

    async def _take(self, client: redis.asyncio.Redis, channel: str) -> list[Delivery]:
        key = self.key(channel)
        try:
            reply = await client.execute_command(  # type: ignore[no-untyped-call]
                *("XREADGROUP", "GROUP", GROUP, "receive", "COUNT", 1, "BLOCK", 2000, "NOACK"),
                *("STREAMS", key, ">"),
            )
        except redis.exceptions.ResponseError as error:
            if not str(error).startswith(NO_STREAM):
                raise
            await asyncio.to_thread(self._create_group, channel)
            return []
        found = await asyncio.to_thread(self._readable, reply, "")
        for delivery in found:
            await client.xdel(key, delivery.token)
        return found

    # For both

    def _readable(self, reply: Any, consumer: str) -> list[Delivery]:
        read = commands.read_streams(reply, self.key(""), consumer)
        for channel, token, error in read.unreadable:
            logger.error("A message is given up: %s", error)
            with self.client.explained():
                self.client.redis.xack(self.key(channel), GROUP, token)
                self.client.redis.xdel(self.key(channel), token)
        return read.deliveries

    def _create_group(self, channel: str) -> None:
        try:
            self.client.redis.execute_command(*self._group_command(channel))  # type: ignore[no-untyped-call]
        except redis.exceptions.ResponseError as error:
            if not str(error).startswith(GROUP_EXISTS):
                raise

    def _group_command(self, channel: str) -> Command:
        return ("XGROUP", "CREATE", self.key(channel), GROUP, "0", "MKSTREAM")


def _raised(reply: Any) -> Any:
    if isinstance(reply, Exception):
        raise reply
    return reply
