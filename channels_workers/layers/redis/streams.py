"""Reads the streams of ordinary channels, for workers and for receiving coroutines."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import redis.asyncio
import redis.exceptions

from channels_workers import recorder
from channels_workers.conf import configuration
from channels_workers.exceptions import MessageError
from channels_workers.layers.aside import Aside
from channels_workers.layers.redis import hosts, wire
from channels_workers.layers.redis.blocking_pipeline import (
    BlockingPipeline,
    make_blocking_pipeline,
)
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.requests import Request, load_scripts
from channels_workers.layers.redis.resp import Arguments, Command, pack
from channels_workers.layers.redis.wire import GROUP
from channels_workers.layers.shards.names import named
from channels_workers.layers.types import Delivery, Refusals, Unreadable
from channels_workers.logs import described, fields
from channels_workers.tracing import hooks

#: Errors of Redis if a stream, or its consumer group, does not exist (any more).
NO_STREAM = ("NOGROUP", "UNBLOCKED")

#: The error if Redis does not know a script (any more).
NO_SCRIPT = redis.exceptions.NoScriptError

#: The error if a stream has its consumer group already.
GROUP_EXISTS = "BUSYGROUP"

#: How many pending deliveries of each channel a consumer reads after a lost reply, and for how long
#: (s): until its last read is over, Redis may deliver more to a connection that is cut.
RECOVERED, RECOVERY_TIME = 1000, 3.0

#: How long a receiving coroutine waits in one request (ms), and how often until it starts afresh.
RECEIVE_BLOCK, RECEIVE_TIMES = 2000, 15

#: How often a read repairs its streams before it fails: a flush deletes one after another.
REPAIRS = 100

CURE = (
    "It is a dead letter now, see `manage.py deadletters`; the others go on. Another program "
    "writes to these keys, or a process of another release."
)

logger = logging.getLogger(__name__)


class Pull(NamedTuple):
    """A pull: up to *most* messages of each channel, after *timeout* seconds at most."""

    channels: tuple[str, ...]
    consumer: str
    timeout: float
    most: int = 1

    def command(self, prefix: str, start: str = ">") -> Command:
        """Return the command that reads new messages or, from "0" on, pending ones.

        *prefix* begins the keys of the streams.
        """
        block = ("BLOCK", max(1, int(self.timeout * 1000))) if self.timeout > 0 else ()
        keys = [prefix + channel for channel in self.channels]
        reads = ("XREADGROUP", "GROUP", GROUP, self.consumer, "COUNT", self.most, *block)
        return (*reads, "STREAMS", *keys, *[start] * len(keys))


@lru_cache(256)
def as_written(pull: Pull, prefix: str) -> bytes:
    """Return the bytes of the command that pulls new messages; a thread repeats a few."""
    data: bytes = pack(pull.command(prefix))
    return data


class Recovery:
    """The pending deliveries that a consumer has read since a reply was lost."""

    def __init__(self) -> None:
        self.until = time.monotonic() + RECOVERY_TIME
        self._seen: set[tuple[str, str]] = set()

    def news(self, found: list[Delivery]) -> list[Delivery]:
        """Return those of *found* that are new since the last call."""
        before = self._seen
        self._seen = {(delivery.channel, delivery.token) for delivery in found}
        return [each for each in found if (each.channel, each.token) not in before]


class Taken(NamedTuple):
    """An *entry* with its *fields*; without fields, the entry after which the next one will come.

    Without a *delivery*, the entry is unreadable.
    """

    entry: bytes
    fields: Sequence[bytes] = ()
    delivery: Delivery | None = None


class Streams:
    """The streams of all ordinary channels; each message goes to one reader.

    An unreadable message becomes a dead letter, alone.
    """

    def __init__(self, client: Client, refusals: Refusals) -> None:
        self.client = client
        self._refusals = refusals
        self._shard = client.shard.name if client.shard else None
        self._dead_letters = client.key("dead_letters")
        self._prefix = client.key("channel:")
        self._recovering: dict[str, Recovery] = {}
        self._pipelines: dict[int, BlockingPipeline] = {}  # by the thread that alone uses it
        self._aside = Aside(logger, CURE)

    def begin_in_child(self) -> None:
        """Forget the connections of the parent, whose threads may have the same ids."""
        self._recovering, self._pipelines = {}, {}

    def key(self, channel: str) -> str:
        """Return the key of a channel's stream."""
        return self._prefix + channel

    def length(self, channel: str) -> int:
        """Return how many messages of *channel* wait or are pending."""
        return int(self.client.read("XLEN", f"channel:{channel}", "stream"))

    # For workers

    def pull(self, pull: Pull) -> list[Delivery]:
        """Wait for messages; after a lost reply, return pending deliveries first."""
        if (recovery := self._recovering.get(pull.consumer)) is not None:
            is_over = time.monotonic() > recovery.until
            found = self._read_group(pull._replace(timeout=0, most=RECOVERED), "0")
            if is_over and self._recovering.get(pull.consumer) is recovery:
                del self._recovering[pull.consumer]
            if news := recovery.news(found):
                return news
        try:
            return self._read_group(pull, ">")
        except Exception:
            self.recover(pull.consumer)
            raise

    def pending(self, pull: Pull) -> list[Delivery]:
        """Return the deliveries that the consumer has not finished; callable from any thread."""
        with self.client.explained():
            try:
                reply = self.client.redis.execute_command(*pull.command(self._prefix, "0"))  # type: ignore[no-untyped-call]
            except redis.exceptions.ResponseError as error:
                if self._lacks_group(error, pull.channels):
                    return []
                raise
        return self._readable(reply, pull.consumer)

    def recover(self, consumer: str) -> None:
        """For some seconds, let pulls first read deliveries whose reply may have been lost."""
        self._recovering[consumer] = Recovery()

    def call(self, request: Request, quick: bool = False) -> Any:
        """Run a script, on the own connection of the thread if it has one.

        Otherwise a *quick* call fails after ``SEND_TIMEOUT``.
        """
        pipeline = self._pipelines.get(threading.get_ident())
        if pipeline is None:
            return self.client.call(request, quick)
        (reply,) = self._call_by(pipeline, [request])
        if isinstance(reply, Exception):
            self.client.explain(reply)
            raise reply
        return reply

    def call_all(self, requests: Sequence[Request]) -> list[Any]:
        """Run scripts in one write; return the replies, each of which may be an error.

        Without an own connection of the thread, each is called alone.
        """
        pipeline = self._pipelines.get(threading.get_ident())
        if pipeline is None:
            return [self._try_call(request) for request in requests]
        return self._call_by(pipeline, requests)

    def _known(self, run: str) -> tuple[str, str, None, str]:
        return self.client.prefix, run, None, self.client.shards

    def _call_by(self, pipeline: BlockingPipeline, requests: Sequence[Request]) -> list[Any]:
        try:
            pipeline.open()
            known, meter = self._known(pipeline.run), pipeline.meter
            if meter.instruments is not None:
                meter.began = time.monotonic()
            pipeline.write(b"".join([pack(each.command(*known)) for each in requests]))
            replies = pipeline.read(len(requests))
            if meter.instruments is not None:
                meter.answered(requests)
            if NO_SCRIPT in map(type, replies):
                self._load_missing(pipeline, requests, replies)
        except Exception as error:
            self.client.explain(error)
            raise
        return replies

    def call_and_pull(
        self, requests: Sequence[Request], pull: Pull
    ) -> tuple[list[Any], list[Delivery]]:
        """Run scripts and pull, in one write; return the replies and the deliveries.

        A reply may be an error. An error of the pull is left to the next pull, and so is a pull
        that must first return pending deliveries.
        """
        if pull.consumer in self._recovering:
            return [self._try_call(request) for request in requests], []
        pipeline = self._pipelines.get(threading.get_ident()) or self._pipeline()
        try:
            pipeline.open()
            known, meter = self._known(pipeline.run), pipeline.meter
            if meter.instruments is not None:
                meter.began = time.monotonic()
            scripts = [pack(request.command(*known)) for request in requests]
            pipeline.write(b"".join((*scripts, as_written(pull, self._prefix))))
            replies = pipeline.read(len(requests))
            if meter.instruments is not None:
                meter.answered(requests)
            if hooks.active is not None:
                hooks.active.replied()
            found = self._read_pulled(pipeline, pull.consumer)
            if NO_SCRIPT in map(type, replies):
                self._load_missing(pipeline, requests, replies)
        except Exception as error:
            self.recover(pull.consumer)
            self.client.explain(error)
            raise
        return replies, found

    def _read_pulled(self, pipeline: BlockingPipeline, consumer: str) -> list[Delivery]:
        try:
            (reply,) = pipeline.read(1)
            read = wire.read_streams(reply, self._prefix, consumer)
            if read.unreadable:
                self._give_up(read, consumer)
            return read.deliveries if self._shard is None else named(self._shard, read.deliveries)
        except Exception:  # noqa: BLE001  (the next pull raises it)
            self.recover(consumer)
            return []

    def _try_call(self, request: Request) -> Any:
        try:
            return self.call(request)
        except Exception as error:  # noqa: BLE001  (the caller handles it)
            return error

    def _load_missing(
        self, pipeline: BlockingPipeline, requests: Sequence[Request], replies: list[Any]
    ) -> None:
        """Repeat each of *requests* whose script Redis did not know."""
        for at, reply in enumerate(replies):
            if isinstance(reply, NO_SCRIPT):
                replies[at] = self._load_and_call(pipeline, requests[at])

    def _load_and_call(self, pipeline: BlockingPipeline, request: Request) -> Any:
        load = load_scripts([request.script], self.client.shards)
        *loaded, reply = pipeline.execute(*load, request.command(*self._known("")))
        return next(filter(_is_error, loaded), reply)

    def release_pipelines(self) -> None:
        """Release the connections of threads that have ended."""
        living = {thread.ident for thread in threading.enumerate()}
        for thread in self._pipelines.keys() - living:
            self._pipelines.pop(thread).release()

    def _pipeline(self) -> BlockingPipeline:
        thread = threading.get_ident()
        if thread not in self._pipelines:
            self._pipelines[thread] = make_blocking_pipeline(self.client.pool)
        return self._pipelines[thread]

    def _read_group(self, pull: Pull, start: str) -> list[Delivery]:
        pipeline = self._pipeline()
        with self.client.explained():
            for _ in range(REPAIRS):
                (reply,) = pipeline.execute(pull.command(self._prefix, start))
                if not self._lacks_group(reply, pull.channels):
                    break
                made = pipeline.execute(*map(self._group_command, pull.channels))
                for failed in filter(is_failure, made):
                    if not self._lacks_group(failed, pull.channels):
                        raise failed
            return self._readable(reply, pull.consumer)

    def _lacks_group(self, reply: Any, channels: Sequence[str]) -> bool:
        """Say whether a read failed for lack of a group; set aside keys that are no stream."""
        if hosts.is_wrong_type(reply):
            self.client.mend([f"channel:{channel}" for channel in channels], "stream")
            return True
        return isinstance(reply, Exception) and str(reply).startswith(NO_STREAM)

    # For coroutines

    async def receive(self, channel: str) -> Delivery:
        """Take the next message of *channel*; wait for it on a connection of its own.

        A cancelled call takes none, or hands it back, behind those that wait.
        """
        while hosts.goes_on():
            taken = await self.take(channel)
            if taken.delivery is not None:
                return taken.delivery
            if not taken.fields:
                await self.wait_for_one(channel, taken.entry)
        raise asyncio.CancelledError

    async def take(self, channel: str) -> Taken:
        """Take the next message of *channel*, if there is one; cancelled as :meth:`receive` is."""
        loop = asyncio.get_running_loop()
        # No task: the end of an event loop cancels those.
        taking = loop.run_in_executor(None, self._take, channel)
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            await _undisturbed(taking)
            await _undisturbed(loop.run_in_executor(None, self._hand_back, channel, taking))
            raise

    def _take(self, channel: str) -> Taken:
        entry, *found = self.client.call(Request("take", [channel], repeatable=False))
        if not found:
            return Taken(entry)
        reply = [[self.key(channel).encode(), [[entry, *found]]]]
        read = wire.read_streams(reply, self._prefix, "")
        for _, _, error in read.unreadable:
            self._set_aside(channel, error)
            self._keep_dead_letter(channel, error, found[0])
        return Taken(entry, found[0], read.deliveries[0] if read.deliveries else None)

    def _keep_dead_letter(
        self, channel: str, error: MessageError, message: Sequence[bytes]
    ) -> None:
        """Make a dead letter of a *message* that is in no stream any more."""
        kept = ("MAXLEN", "~", configuration().DEAD_LETTERS, "*")
        about = ("channel", channel, "reason", f"{wire.UNREADABLE}: {error}")
        message = message[: wire.MOST_FIELDS]
        with self.client.explained():
            self.client.redis.execute_command("XADD", self._dead_letters, *kept, *about, *message)  # type: ignore[no-untyped-call]

    def _hand_back(self, channel: str, taking: asyncio.Future[Taken]) -> None:
        try:
            if (taken := taking.result()).delivery is not None:
                self.client.redis.execute_command("XADD", self.key(channel), "*", *taken.fields)  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001  (logged; the cancelled caller must end)
            text = "A message of channel %s may be lost, as its receiver was cancelled: %s"
            extra = fields("message_lost", channel=channel)
            logger.error(text, channel, described(error), extra=extra)

    async def wait_for_one(self, channel: str, entry: bytes) -> None:
        """Wait for a message after *entry*, :data:`RECEIVE_TIMES` times at most."""
        client = redis.asyncio.Redis(connection_pool=hosts.asyncio_pool(self.client.host))
        client.set_response_callback("XREAD", wire.as_it_is)
        wait = ("XREAD", "COUNT", 1, "BLOCK", RECEIVE_BLOCK, "STREAMS", self.key(channel), entry)
        try:
            with self.client.explained():
                for _ in range(RECEIVE_TIMES):
                    if await client.execute_command(*wait) or not hosts.goes_on():  # type: ignore[no-untyped-call]
                        return
        finally:
            await client.aclose(close_connection_pool=True)

    # For both

    def _readable(self, reply: Any, consumer: str) -> list[Delivery]:
        read = wire.read_streams(reply, self._prefix, consumer)
        self._give_up(read, consumer)
        return read.deliveries if self._shard is None else named(self._shard, read.deliveries)

    def _give_up(self, read: wire.Read, consumer: str) -> None:
        """Make dead letters of what is unreadable."""
        for channel, token, error in read.unreadable:
            self._set_aside(channel, error)
            letter = [channel, token, consumer, f"{wire.UNREADABLE}: {error}"]
            rest: Arguments = [configuration().DEAD_LETTERS, *self._refusals]
            self.client.call(Request("dead_letter", [*letter, *rest]))
            if (found := recorder.current()) is not None:
                found.worker.dead_lettered(channel)

    def _set_aside(self, channel: str, error: MessageError) -> None:
        where, extra = f"A message of channel {channel}", fields("unreadable", channel=channel)
        self._aside.add(Unreadable(where, str(error)), extra)

    def _group_command(self, channel: str) -> Command:
        return ("XGROUP", "CREATE", self.key(channel), GROUP, "0", "MKSTREAM")


async def _undisturbed(future: asyncio.Future[Any]) -> None:
    """Wait for *future*, however often the caller is cancelled."""
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([future])


def _is_error(reply: Any) -> bool:
    return isinstance(reply, Exception)


def is_failure(reply: Any) -> bool:
    """Say whether making a group failed, and it does not exist either."""
    return isinstance(reply, Exception) and not str(reply).startswith(GROUP_EXISTS)
