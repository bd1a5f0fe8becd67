"""The groups that the client of a connection has joined, by the names that it knows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from channels_workers.channel import Group
from channels_workers.conf import configuration
from channels_workers.envelope.frames import Envelope, answer_frame
from channels_workers.envelope.refused import DENIED, Refused
from channels_workers.layers.codec import Content
from channels_workers.layers.history import Joined
from channels_workers.log_limits import flood
from channels_workers.logs import fields, shown
from channels_workers.message import Message

logger = logging.getLogger(__name__)
logger.addFilter(flood)  # its lines can come with each frame of a client, without end

#: The beginning of the names of the engine's own groups, such as those that close sockets of users.
OF_ENGINE = "channels_workers."

#: The key of the channel session with them: a dict from the client's names to the real ones.
KEY = "_envelope_groups"


def join(
    message: Message, envelope: Envelope, may_join: Callable[[str], Any], consumer: str
) -> Content:
    """Let the client of *message* join as *envelope* says, and return the answer.

    *may_join* returns the name of the real group for that of the client; *consumer* is its name.
    Raises :class:`Refused`.
    """
    groups = _JoinedGroups(message, envelope)
    groups.check_number()
    name = real_name(may_join(envelope.group), consumer)
    joined = groups.group(name).add(message.reply_channel, since=groups.since(name))
    if (before := groups.replaced_by(name)) is not None:
        before.discard(message.reply_channel)
    return groups.note_join(name, joined)


async def ajoin(
    message: Message, envelope: Envelope, may_join: Callable[[str], Any], consumer: str
) -> Content:
    """Do the same as :func:`join` in a coroutine; *may_join* may be one."""
    groups = _JoinedGroups(message, envelope)
    groups.check_number()
    answer = may_join(envelope.group)
    name = real_name(await answer if isawaitable(answer) else answer, consumer)
    joined = await groups.group(name).aadd(message.reply_channel, since=groups.since(name))
    if (before := groups.replaced_by(name)) is not None:
        await before.adiscard(message.reply_channel)
    return groups.note_join(name, joined)


def leave(message: Message, envelope: Envelope) -> None:
    """Let the client leave the group that *envelope* names, if it is in that."""
    if (group := _JoinedGroups(message, envelope).note_leave()) is not None:
        group.discard(message.reply_channel)


async def aleave(message: Message, envelope: Envelope) -> None:
    """Do the same as :func:`leave` in a coroutine."""
    if (group := _JoinedGroups(message, envelope).note_leave()) is not None:
        await group.adiscard(message.reply_channel)


def real_name(answer: Any, consumer: str) -> str:
    """Return the name of the group that ``may_join`` of *consumer* returned as *answer*.

    Raises :class:`Refused` without one and for groups of the engine, and ``TypeError`` for anything
    else, such as True.
    """
    is_of_engine = isinstance(answer, str) and answer.startswith(OF_ENGINE)
    if is_of_engine:
        logger.warning(
            "may_join of %s would let a client into a group of the engine, so it is refused. "
            "Compare the name with those that you know, or put a text of yours in front of it",
            consumer,
            extra=fields("join_refused", consumer=consumer),
        )
    if not answer or is_of_engine:
        raise Refused(DENIED, "You may not join this group.")
    if isinstance(answer, str):
        return answer
    raise TypeError(
        f"may_join of {consumer} must return the name of the group (str) or None, not "
        f"{type(answer).__name__}."
    )


class _JoinedGroups:
    """The groups of the connection of *message*, which has a channel session, at *envelope*."""

    def __init__(self, message: Message, envelope: Envelope) -> None:
        self._message = message
        self._envelope = envelope
        self._session: SessionBase = message.channel_session
        found: Any = self._session.get(KEY, {})
        self._names: dict[str, str] = dict(found)

    def check_number(self) -> None:
        """Raise :class:`Refused` if the client may not join one more group."""
        most = configuration().JOINS_PER_SOCKET
        if self._envelope.group in self._names or len(self._names) < most:
            return
        path = shown(str(self._message.get("path", "-")))
        logger.warning(
            "A client at %s is in %d groups, JOINS_PER_SOCKET of CHANNEL_WORKERS, and is refused "
            "one more",
            path,
            most,
            extra=fields("join_refused", connection=self._message.reply_channel.name, path=path),
        )
        raise Refused(DENIED, f"You are in {most} groups. Leave one first.")

    def group(self, name: str) -> Group:
        """Return the group with the real *name*."""
        return Group(name, channel_layer=self._message.channel_layer)

    def since(self, name: str) -> str | None:
        """Return the position to replay from; None for a group without a history."""
        histories = self._message.channel_layer.histories
        has_history = histories is not None and histories.limits_of(name) is not None
        return self._envelope.since if has_history else None

    def replaced_by(self, name: str) -> Group | None:
        """Return the group that the client leaves as it joins the real group *name*."""
        own = self._envelope.group
        before = self._names.get(own, name)
        others = [real for each, real in self._names.items() if each != own]
        return None if before == name or before in others else self.group(before)

    def note_join(self, name: str, joined: Joined | None) -> Content:
        """Note the join of the real group *name*; return the answer."""
        envelope = self._envelope
        if self._names.get(envelope.group) != name:
            self._names[envelope.group] = name
            self._session[KEY] = self._names
        keys: dict[str, Any] = {"id": envelope.id, "group": envelope.group}
        if name != envelope.group:
            keys["name"] = name
        if joined is not None:
            keys["at"] = str(joined.position)
        is_gap = joined.is_gap if joined is not None else envelope.since is not None
        return answer_frame("joined", **keys, gap=is_gap)

    def note_leave(self) -> Group | None:
        """Note that the client leaves; return the group to leave, None if there is none."""
        name = self._names.pop(self._envelope.group, None)
        if name is None:
            return None
        self._session[KEY] = self._names
        return None if name in self._names.values() else self.group(name)
