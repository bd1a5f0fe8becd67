"""Where the messages of a connection go: to a group, to a stream, or to the client itself."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable
from contextlib import suppress

from channels_workers.client.calls import Call, Calls
from channels_workers.client.exceptions import Refused
from channels_workers.client.frames import Message, encode
from channels_workers.client.options import Options
from channels_workers.client.subscriptions import GroupMessages, Messages
from channels_workers.logs import fields, shown

logger = logging.getLogger(__name__)


class Mailboxes:
    """The iterators of one client. An iterator that nobody holds any more is forgotten.

    Joins and leaves become *calls*; *on_change* is called when there is one to send.
    """

    def __init__(
        self, options: Options, stall_timeout: float, calls: Calls, on_change: Callable[[], None]
    ) -> None:
        self.inbox = Messages("The messages of the client", options, stall_timeout)
        self._calls, self._on_change = calls, on_change
        self._groups: weakref.WeakValueDictionary[str, GroupMessages] = (
            weakref.WeakValueDictionary()
        )
        self._streams: weakref.WeakValueDictionary[str, Messages] = weakref.WeakValueDictionary()
        self._names: dict[str, str] = {}  # of groups, by another name that the server gave them
        self._ends: dict[str, weakref.finalize[..., GroupMessages]] = {}
        #: Messages of groups, while the name of one is not known, and how many bytes they may have.
        self._early: list[tuple[Message, int]] = []
        self._early_bytes, self._most_early = 0, options["queue_bytes"]
        self._was_dropped = False

    # Messages

    async def put(self, message: Message, cost: int) -> None:
        """Give *message*, of *cost* bytes, to its iterator."""
        group = self._group_of(message.group)
        if group is not None:
            await group.take(message, cost)
        elif message.group and self._may_be_early(cost):
            self._early.append((message, cost))
            self._early_bytes += cost
        else:
            await self._put_aside(message, cost)

    def _group_of(self, alias: str | None) -> GroupMessages | None:
        if alias is None:
            return None
        return self._groups.get(self._names.get(alias, alias))

    def _may_be_early(self, cost: int) -> bool:
        has_room = self._early_bytes + cost <= self._most_early
        return has_room and any(group.is_asked for group in self._groups.values())

    async def _put_aside(self, message: Message, cost: int) -> None:
        stream = self._streams.get(message.stream) if message.stream else None
        mailbox = stream or self.inbox
        if not mailbox.is_read and mailbox.is_full:
            if not self._was_dropped:
                self._was_dropped = True
                text = (
                    "Nobody reads the messages of the client, so they are dropped. Iterate over "
                    "the client, or over the stream %s. This is logged once."
                )
                stream_name = shown(message.stream or "of the message, if it has one")
                logger.warning(text, stream_name, extra=fields("client_messages_dropped"))
            return
        await mailbox.put(message, cost)

    # Streams

    def add_stream(self, name: str, stream: Messages) -> None:
        """Let *stream* have the messages of the stream *name*; ``ValueError`` if another has."""
        if self._streams.setdefault(name, stream) is not stream:
            raise ValueError(f"The stream {name!r} is read already. Share its iterator.")

    def remove_stream(self, name: str, stream: Messages) -> None:
        """Let *stream* have no more messages."""
        if self._streams.get(name) is stream:
            del self._streams[name]
        stream.end()

    # Groups

    def join_group(self, group: GroupMessages) -> None:
        """Join, now and with each connection; ``ValueError`` if another iterator has."""
        if self._groups.setdefault(group.name, group) is not group:
            raise ValueError(f"The group {group.name!r} is joined already. Share its iterator.")
        loop, name = asyncio.get_running_loop(), group.name
        end = weakref.finalize(group, _call_in, loop, self._forget, name)
        end.atexit = False
        self._ends[name] = end
        self._join(group)

    def _join(self, group: GroupMessages, *, leave_first: bool = False) -> None:
        if group.call is not None:
            self._calls.drop(group.call)
        name, since = group.name, group.since
        leave = self._leave(name) if leave_first else None
        join = self._calls.add(
            lambda call_id: encode("join", id=call_id, group=name, since=since), is_urgent=True
        )
        group.begin_join(join, leave)
        self._on_change()

    async def note_joined(self, group: GroupMessages) -> None:
        """Take note that the name of *group* in its messages is known."""
        if group.alias != group.name:
            self._names[group.alias] = group.name
        early, self._early, self._early_bytes = self._early, [], 0
        for message, cost in early:
            await self.put(message, cost)

    def leave_group(self, group: GroupMessages, error: Exception | None = None) -> None:
        """Leave, and let the iteration end, with *error*."""
        if self._groups.get(group.name) is group:
            del self._groups[group.name]
            self._ends.pop(group.name).detach()
            self._forget_names(group.name)
            if not isinstance(error, Refused):
                self._leave(group.name)
        if group.call is not None:
            self._calls.drop(group.call)
        group.end(error)

    def _forget(self, name: str) -> None:
        """Leave a group whose iterator is gone."""
        if name not in self._groups and self._ends.pop(name, None) is not None:
            self._forget_names(name)
            self._leave(name)

    def _forget_names(self, name: str) -> None:
        self._names = {alias: each for alias, each in self._names.items() if each != name}

    def _leave(self, name: str) -> Call:
        call = self._calls.add(
            lambda call_id: encode("leave", id=call_id, group=name), is_urgent=True
        )
        self._on_change()
        return call

    # The connection

    def begin_anew(self, *, is_resumed: bool) -> None:
        """Join again: the connection is new, or *is_resumed* with a gap."""
        self._early, self._early_bytes = [], 0
        for group in [*self._groups.values()]:
            self._join(group, leave_first=is_resumed)

    def end(self, error: Exception | None) -> None:
        """Let all iterations end."""
        for end in self._ends.values():
            end.detach()
        self._ends.clear()
        for mailbox in (self.inbox, *self._streams.values(), *self._groups.values()):
            mailbox.end(error)
        self._groups.clear()
        self._streams.clear()
        self._names.clear()

    def reopen(self) -> None:
        """Begin anew after :meth:`end`."""
        self.inbox.reopen()


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[str], None], name: str) -> None:
    """Call *function* in *loop*: a garbage collector runs in any thread."""
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(function, name)
