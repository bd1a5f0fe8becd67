"""Kept connections: they outlive their socket for a while, and may move to another server.

A client that is back in time goes on with its connection: the reply channel, the session and the
groups stay, and no disconnect comes. :class:`KeptChannels` is what one server knows of them.
"""

from __future__ import annotations

import asyncio
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

from channels_workers.concurrency.futures import settle
from channels_workers.conf import configuration
from channels_workers.exceptions import MessageError
from channels_workers.layers.codec import Codec, Content
from channels_workers.layers.types import (
    Connection,
    ConnectionSnapshot,
    InboxOperation,
    PendingMessage,
    new_id,
)
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How long a new owner waits for what the former one had for the client (s).
HAND_OVER_TIME = 3.0

#: How many messages and releases a new owner holds meanwhile.
HELD = 1_000

#: The code of the disconnect of a connection that was lost while it was being adopted.
LOST = 1006

CROWDED = (
    "%d connections ended before their clients could come back: more than %d waited. Raise PARKED "
    "in CHANNEL_WORKERS, or lower RESUME_TIME"
)

#: No client has so many frames; the form of ``MOVED`` has no place for more digits.
MOST_FRAMES = 10**15

#: Matches the reply channel of a kept connection, which clients may have made up.
is_kept_channel = re.compile(
    r"(?:[a-z0-9]{1,8}-)?[0-9a-f]{16}!kept\.[0-9]{1,7}\.[0-9a-f]{16}"
).fullmatch


class Parked(Enum):
    """The result of :meth:`LayerKept.park`.

    ``REPEATED``: it was parked before, and its disconnect stays due then. ``GONE``: it has no
    record, ends already, or another server has it.
    """

    PARKED = "parked"
    REPEATED = "repeated"
    GONE = "gone"


class Adopted(NamedTuple):
    """A kept connection that this server has now.

    *order* is that of its last message. That is *pending*, and its release will come, or it is
    finished. *received* counts the ``websocket.receive`` among its messages. *session* is encoded.

    *former* is the server that had it, "" if that is dead. *missed* is what it had for the client
    after the frames that the client has, oldest first. With a *is_gap* more may be missing.

    Publish ``websocket.resume`` only if it *is_heard*: else no worker listens to it.
    """

    order: int
    pending: PendingMessage | None
    disconnect_payload: bytes
    received: int
    session: bytes | None
    former: str
    is_heard: bool
    missed: tuple[Content, ...] = ()
    is_gap: bool = True

    def with_missed(self, missed: tuple[Content, ...] | None) -> Adopted:
        """Return it with what the former server had, None for a gap."""
        return self._replace(missed=missed or (), is_gap=missed is None)


class KeptConnection(Connection, Protocol):
    """A connection that may be parked, and move."""

    def resumed(self, adopted: Adopted) -> None:
        """Go on with an adopted connection, whose messages come from now on."""

    def hand_over(self, has: int) -> Sequence[Content] | None:
        """End without a disconnect, as a new socket goes on.

        Return the frames after the first *has*, None if some of them are gone. The layer has
        forgotten this receiver already.
        """


# What one server knows


class Claim(NamedTuple):
    """By what *server* has a connection: the id of an *adoption*, or "" for its first server."""

    server: str
    adoption: str = ""


@dataclass
class Kept:
    """The state of a kept connection.

    This server has it by *adoption*. It was resumed so often, as its messages tell, and is *parked*
    with this close code.
    """

    adoption: str = ""
    resumes: int = 0
    parked: int | None = None


class Adoption(NamedTuple):
    """The reply of a layer; the former server had the connection *before* by this adoption."""

    adopted: Adopted
    before: str


class HandOver(NamedTuple):
    """What goes to the new *server* of a connection."""

    server: str
    reply_channel: str
    payload: bytes


class Arrival:
    """Stands in for a connection that is being adopted, and holds what comes for it."""

    def __init__(self, connection: KeptConnection) -> None:
        self.connection = connection
        self.adoption = new_id()
        #: Whether it gets what comes. If a former connection of this server has not learned yet
        #: that it had moved away, it still gets what is before that in the inbox.
        self.is_registered = False
        #: What the former server had, None for a gap, once that is known.
        self.missed: tuple[Content, ...] | None = None
        self.is_known = False
        self._waiter: asyncio.Future[None] | None = None
        self._held: list[Callable[[], object]] = []
        self.is_gap = False

    def hold(self, call: Callable[[], object]) -> None:
        """Make *call* later; too many of them make a gap."""
        if len(self._held) < HELD:
            self._held.append(call)
        else:
            self.is_gap = True

    def deliver(self, content: Content, to_group: bool = False) -> None:
        """Hold a message."""
        self.hold(partial(self.connection.deliver, content, to_group))

    def release(self, order: int) -> None:
        """Hold a release, in any case."""
        self._held.append(partial(self.connection.release, order))

    def evicted(self) -> None:
        """Hold the news, and wait for nothing more."""
        self._held.append(self.connection.evicted)
        self.finish(None)

    def end_told(self) -> None:
        """Hold the end, and wait for nothing more."""
        self._held.append(self.connection.end_told)
        self.finish(None)

    def snapshot(self) -> ConnectionSnapshot | None:
        """Return None: a loss of data meanwhile is one of the connection."""
        return None

    def register(self) -> None:
        """Note that it gets what comes."""
        self.is_registered = True
        self._wake()

    def finish(self, missed: tuple[Content, ...] | None) -> None:
        """Note what the former server had."""
        if not self.is_known:
            self.missed, self.is_known = missed, True
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and self.is_registered and self.is_known:
            settle(self._waiter, None)

    async def wait(self) -> tuple[Content, ...] | None:
        """Wait for what the former server had; None is a gap."""
        if not (self.is_registered and self.is_known):
            self._waiter = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._waiter], timeout=HAND_OVER_TIME)
            self.is_known = True  # what comes later is too late
        return self.missed

    def let_go(self) -> None:
        """Make the calls that were held."""
        for call in self._held:
            try:
                call()
            except Exception:  # one message must not stop the others
                logger.exception("A held message failed", extra=fields("delivery_failed"))

    def resumed(self, adopted: Adopted) -> None:
        """Do nothing: this only stands in."""

    def hand_over(self, has: int) -> None:
        """Wait for nothing more: a third server has adopted the connection."""
        self.finish(None)


class Channels(Protocol):
    """The parts of a server that its kept channels use."""

    id: str
    codec: Codec
    receivers: dict[str, Any]
    connections: dict[str, Connection]
    groups: dict[str, dict[str, Any]]
    groups_of: dict[str, set[str]]
    sessions: dict[str, bytes]


class KeptChannels:
    """The kept connections of one server; no I/O."""

    def __init__(self, server: Channels) -> None:
        self.server = server
        self.states: dict[str, Kept] = {}
        #: What goes to other servers, until the layer takes it.
        self.hand_overs: list[HandOver] = []
        #: Those that wait for the end of a former receiver.
        self._expected: dict[str, Arrival] = {}

    def clear(self) -> None:
        """Forget everything."""
        self.states.clear()
        self.hand_overs.clear()
        self._expected.clear()

    def parked(self) -> Iterator[str]:
        """Yield the parked connections."""
        return (channel for channel, kept in self.states.items() if kept.parked is not None)

    def note_resume(self, channel: str) -> None:
        """Note that a message of this connection is a ``websocket.resume``."""
        if channel in self.states:
            self.states[channel].resumes += 1

    def note_parked(self, channel: str, code: int | None) -> None:
        """Note whether this connection is parked, with its close code."""
        if channel in self.states:
            self.states[channel].parked = code

    def take_hand_overs(self) -> list[HandOver]:
        """Return what goes to other servers since the last call."""
        found, self.hand_overs = self.hand_overs, []
        return found

    def claim(self, channel: str) -> Claim:
        """Return by what this server has a connection."""
        kept = self.states.get(channel)
        return Claim(self.server.id, kept.adoption if kept is not None else "")

    # Adopting

    def expect(self, channel: str, connection: KeptConnection) -> Arrival:
        """Hold what comes for *channel* from now on, or from the end of the former receiver on."""
        arrival = self._expected[channel] = Arrival(connection)
        if channel not in self.server.receivers:
            self._register(channel)
        return arrival

    def _register(self, channel: str) -> None:
        server, arrival = self.server, self._expected.pop(channel, None)
        if arrival is not None:
            server.receivers[channel] = server.connections[channel] = arrival
            server.groups_of[channel] = set()
            self.states[channel] = Kept(arrival.adoption)
            arrival.register()

    def forget(self, channel: str) -> None:
        """Expect nothing more for *channel*."""
        self._expected.pop(channel, None)

    def had(self, channel: str, found: Adoption) -> bool:
        """Say whether this server had the connection right before it was *found*."""
        kept, former = self.states.get(channel), found.adopted.former
        return kept is not None and (former, found.before) == (self.server.id, kept.adoption)

    def known(self, channel: str, arrival: Arrival) -> Kept | None:
        """Return what this server knew of *channel* before *arrival*."""
        return None if self.stands_in(channel, arrival) else self.states.get(channel)

    def replace(self, channel: str, has: int) -> tuple[Content, ...] | None:
        """End the former connection of this same server; return what it had, None for a gap."""
        self.forget(channel)
        return _frames_after(self.server.connections.get(channel), channel, has)

    def stands_in(self, channel: str, arrival: Arrival) -> bool:
        """Say whether *arrival* stands in for *channel*."""
        return self.server.connections.get(channel) is arrival

    def admit(self, channel: str, arrival: Arrival, adopted: Adopted) -> Adopted:
        """Let the connection go on, with what was held; return what it gets."""
        server, connection = self.server, arrival.connection
        server.receivers[channel] = server.connections[channel] = connection
        for group in server.groups_of.setdefault(channel, set()):
            server.groups[group][channel] = connection
        kept = self.states[channel]
        kept.resumes, kept.parked = max(0, adopted.order - adopted.received), None
        if adopted.session is not None:
            server.sessions.setdefault(channel, adopted.session)
        adopted = adopted._replace(is_gap=adopted.is_gap or arrival.is_gap)
        connection.resumed(adopted)
        arrival.let_go()
        return adopted

    # The inbox

    def move(self, operation: InboxOperation) -> bool:
        """Let a connection go that another server has adopted, with what it had.

        Return False if it was let go before. Forget the receiver after that, and call
        :meth:`moved`.
        """
        channel = operation.target
        server, mark, rest = operation.value.decode().partition(":")
        has, _, adoption = rest.partition(":")
        if not mark or not has.isdigit() or len(has) > 15:
            raise MessageError("It has no number of frames.")
        kept = self.states.get(channel)
        is_here = kept is not None and kept.adoption == adoption
        connection = self.server.connections.get(channel) if is_here else None
        missed = _frames_after(connection, channel, int(has))
        payload = b""
        if missed is not None:
            try:
                payload = self.server.codec.encode({"missed": list(missed)})
            except MessageError as error:
                extra = fields("hand_over_failed", connection=channel)
                logger.error(
                    "Handing over the frames of %s failed: %s", channel, error, extra=extra
                )
        self.hand_overs.append(HandOver(server, channel, payload))
        return is_here

    def moved(self, channel: str) -> None:
        """Note that the receiver of *channel* is forgotten: it may have a new one."""
        self._register(channel)

    def take_over(self, operation: InboxOperation) -> None:
        """Take what the former server had; without a payload it has lost some of it."""
        arrival = self.server.connections.get(operation.target)
        if not isinstance(arrival, Arrival):
            return  # it came too late
        missed = (
            self.server.codec.decode(operation.value).get("missed") if operation.value else None
        )
        is_readable = isinstance(missed, list) and all(isinstance(each, dict) for each in missed)
        arrival.finish(tuple(missed) if is_readable and missed is not None else None)


def _frames_after(
    connection: Connection | None, channel: str, has: int
) -> tuple[Content, ...] | None:
    """Return the frames of *connection* after the first *has*, None for a gap."""
    if connection is None:
        return None
    try:
        missed = cast("KeptConnection", connection).hand_over(has)
    except Exception:  # the new owner goes on
        extra = fields("delivery_failed", connection=channel)
        logger.exception("Handing over %s failed", channel, extra=extra)
        return None
    return None if missed is None else tuple(missed)


class Home(Channels, Protocol):
    """The parts of a server that a layer uses for its kept connections."""

    kept: KeptChannels


def log_crowded(ended: int) -> None:
    """Log that so many parked connections have ended early, with a cleanup."""
    if ended:
        logger.warning(CROWDED, ended, configuration().PARKED, extra=fields("parked_ended"))


class LayerKept(ABC):
    """The side of a layer that keeps connections; used in the event loop of the server."""

    def __init__(self) -> None:
        self._adopting: dict[str, asyncio.Future[None]] = {}
        self._episodes = Episodes()

    async def park(self, reply_channel: str, code: int) -> Parked:
        """Keep a connection whose client was lost for the time in its name.

        Its disconnect, with *code*, follows unless a server adopts the connection in time. This
        waits while the layer is away, and raises :class:`LayerUnavailable` as ``close`` does.
        """
        server = self._home()
        server.kept.note_parked(reply_channel, code)
        parked, ended = await self._park(server.kept.claim(reply_channel), reply_channel, code)
        self._note_crowded(ended)
        if parked is Parked.GONE:
            server.kept.note_parked(reply_channel, None)
        return parked

    async def adopt(
        self, reply_channel: str, connection: KeptConnection, has: int
    ) -> Adopted | None:
        """Let *connection* go on with a kept connection, whose client has *has* frames.

        The result is None if there is none of this name, or if it has ended, or if a process of an
        older release would not find it. This waits while the layer is away, and for what the former
        server had. When cancelled, it parks the connection again.
        """
        if not (is_kept_channel(reply_channel) and 0 <= has < MOST_FRAMES):
            return None
        while (other := self._adopting.get(reply_channel)) is not None:
            await asyncio.shield(other)
        server = self._home()
        over = self._adopting[reply_channel] = asyncio.get_running_loop().create_future()
        arrival = server.kept.expect(reply_channel, connection)
        adopted = None
        try:
            adopted = await self._adopt_for(arrival, server, reply_channel, has)
        except BaseException:
            self._give_back_of(arrival, server, reply_channel)
            raise
        finally:
            del self._adopting[reply_channel]
            over.set_result(None)
            server.kept.forget(reply_channel)
            if adopted is None and server.kept.stands_in(reply_channel, arrival):
                self._detach(server, reply_channel)
        return adopted

    @abstractmethod
    async def hears_resumes(self) -> bool:
        """Say whether a worker listens to ``websocket.resume``, or will once there is one."""

    async def _adopt_for(
        self, arrival: Arrival, server: Home, channel: str, has: int
    ) -> Adopted | None:
        known = server.kept.known(channel, arrival)
        found = await self._adopt(Claim(server.id, arrival.adoption), channel, has, known)
        if found is None:
            return None
        adopted = found.adopted
        if server.kept.had(channel, found):
            missed = server.kept.replace(channel, has)
        else:
            if adopted.former in ("", server.id):
                arrival.finish(None)
            missed = await arrival.wait()
            if not server.kept.stands_in(channel, arrival):  # a third server has it meanwhile
                self._give_back_of(arrival, server, channel)
                return None
        return server.kept.admit(channel, arrival, adopted.with_missed(missed))

    def _give_back_of(self, arrival: Arrival, server: Home, channel: str) -> None:
        """Park a connection again that may have been adopted for nobody."""
        known = server.kept.known(channel, arrival)
        if known is not None and known.parked is not None:
            self._give_back(server.kept.claim(channel), channel, known.parked)
        self._give_back(Claim(server.id, arrival.adoption), channel, LOST)

    def _note_crowded(self, ended: int) -> None:
        if ended:
            extra, limit = fields("parked_ended"), configuration().PARKED
            self._episodes.log(logger, logging.WARNING, CROWDED, ended, limit, extra=extra)

    @abstractmethod
    def _home(self) -> Home:
        """Return the server of this process; start it if there is none."""

    @abstractmethod
    async def _park(self, claim: Claim, channel: str, code: int) -> tuple[Parked, int]:
        """Park a connection; return how many others have ended, as too many wait."""

    @abstractmethod
    async def _adopt(
        self, claim: Claim, channel: str, has: int, known: Kept | None
    ) -> Adoption | None:
        """Let the server of *claim* have a connection by it; see ``adopt.lua``.

        *known* is what that server knows of it already.
        """

    @abstractmethod
    def _give_back(self, claim: Claim, channel: str, code: int) -> None:
        """Park a connection, soon."""

    @abstractmethod
    def _detach(self, server: Home, channel: str) -> None:
        """Forget the receiver of *channel*."""
