"""Frames from anywhere: consumers, views, tasks and signals."""

from __future__ import annotations

from typing import Any

from channels_workers.bearer.wire import SUBPROTOCOL
from channels_workers.channel import Channel, Group
from channels_workers.envelope.frames import answer_frame, error_frame, message_frame
from channels_workers.envelope.refused import Refused
from channels_workers.exceptions import DenyConnection
from channels_workers.layers.codec import Content
from channels_workers.message import Message

#: The beginning of the names of all versions of the protocol.
VERSIONS = "channels-workers.v"


def accept(message: Message) -> None:
    """Accept the socket of *message*, a ``websocket.connect``, with the version of the protocol.

    A client that offers no version speaks this one. Raises
    :class:`~channels_workers.exceptions.DenyConnection` if it offers other versions only.
    """
    offered = [str(each) for each in message.get("subprotocols") or ()]
    if SUBPROTOCOL in offered:
        message.reply_channel.send({"accept": True, "subprotocol": SUBPROTOCOL})
        return
    if any(each.startswith(VERSIONS) for each in offered):
        raise DenyConnection(
            f"it offers {', '.join(offered)}, and this release speaks {SUBPROTOCOL} only"
        )
    message.reply_channel.send({"accept": True})


def content_of(payload: Any, *, stream: str = "", group: str = "") -> Content:
    """Return the content that sends *payload* as a frame, for a ``send`` of your own.

    *payload* is a JSON value. It may have dates, decimals and UUIDs, and with the extra ``schemas``
    dataclasses and models of pydantic. *group* is the name of the group that it is for, if any.
    Raises ``TypeError`` or ``ValueError`` for anything else.
    """
    return message_frame(payload, stream, group)


def send(
    channel: Channel | str,
    payload: Any,
    *,
    stream: str = "",
    immediately: bool = False,
    in_transaction: str | None = None,
) -> None:
    """Send *payload* to a socket. *channel* is its reply channel, or the name of that.

    Other arguments and errors are those of :func:`content_of` and
    :meth:`Channel.send() <channels_workers.channel.Channel.send>`.
    """
    content = content_of(payload, stream=stream)
    _channel(channel).send(content, immediately, in_transaction=in_transaction)


async def asend(
    channel: Channel | str,
    payload: Any,
    *,
    stream: str = "",
    immediately: bool = False,
    in_transaction: str | None = None,
) -> None:
    """Do the same as :func:`send` in a coroutine."""
    content = content_of(payload, stream=stream)
    await _channel(channel).asend(content, immediately, in_transaction=in_transaction)


def group_send(
    group: Group | str,
    payload: Any,
    *,
    stream: str = "",
    immediately: bool = False,
    in_transaction: str | None = None,
) -> None:
    """Send *payload* to each socket in *group*, or the group of that name.

    If the group has a :doc:`history </how-to/resume>`, clients learn the position of the message.
    Other arguments and errors are those of :func:`content_of` and
    :meth:`Group.send() <channels_workers.channel.Group.send>`.
    """
    found = _group(group)
    content = content_of(payload, stream=stream, group=found.name)
    found.send(content, immediately, in_transaction=in_transaction)


async def agroup_send(
    group: Group | str,
    payload: Any,
    *,
    stream: str = "",
    immediately: bool = False,
    in_transaction: str | None = None,
) -> None:
    """Do the same as :func:`group_send` in a coroutine."""
    found = _group(group)
    content = content_of(payload, stream=stream, group=found.name)
    await found.asend(content, immediately, in_transaction=in_transaction)


def reply(channel: Channel | str, id: str | int, payload: Any) -> None:  # noqa: A002
    """Answer the request *id* of a socket whose handler returned ``DEFERRED``.

    Keep ``envelope.id`` and the name of the reply channel until then. In a coroutine, call this
    with ``sync_to_async()``. Errors are those of :func:`send`.
    """
    _channel(channel).send(answer_frame("reply", id=id, payload=payload))


def refuse(channel: Channel | str, id: str | int, refused: Refused) -> None:  # noqa: A002
    """Answer such a request with an error, as if its handler had raised *refused*."""
    _channel(channel).send(error_frame(refused, {"id": id}))


def _channel(channel: Channel | str) -> Channel:
    return channel if isinstance(channel, Channel) else Channel(channel)


def _group(group: Group | str) -> Group:
    return group if isinstance(group, Group) else Group(group)
