"""What a consumer is called with. The API is that of Channels 1.1.8."""

from __future__ import annotations

import copy
from collections.abc import Callable, ItemsView, KeysView, ValuesView
from functools import cached_property
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from channels_workers.channel import Channel
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.history import Position
from channels_workers.layers.types import (
    Delivery,
)
from channels_workers.registry import get_channel_layer

__all__ = ["Message"]

#: It is called with a message, and with what its route found in the message.
Consumer = Callable[..., Any]


class Message:
    """A message of a channel. It reads and writes its content like a dict.

    * ``content``: the dict itself. The interface server writes it for a socket, and the sender
      for other messages. ``message["key"]`` raises ``KeyError`` for a key that is not there.
    * ``channel_name``: the name of its channel, a str.
    * ``reply_channel``: the :class:`~channels_workers.channel.Channel` of its socket, from
      ``content["reply_channel"]``. None if that is missing.
    * ``channel_layer``: the layer that carried it. For a message that a test makes with None, the
      default layer.
    * ``id``: a str that stays the same if the message runs again. Use it to make writes
      idempotent. It is ``<reply channel>:<order>`` for a socket, and ``<parent id>.<number>`` for
      what a consumer sent. For a delayed message it is what ``send`` returned. ``""`` for a
      message that no layer carried.
    * ``request_id``: the id of the handshake or request of its connection, by the setting
      ``REQUEST_ID_HEADER``. None without it, and for other messages.
    * ``position``: the :class:`~channels_workers.layers.history.Position` of a message to a group
      with history, if this channel is in the group; else None.
    * ``channel_session``: the session of its connection, set by
      :func:`~channels_workers.sessions.channel_session`. Without it: ``AttributeError``.
    * ``http_session``: the session of the browser or None, set by
      :func:`~channels_workers.sessions.http_session`.
    * ``user``: the logged-in user, set by the decorators of :mod:`channels_workers.auth`, and by
      :func:`~channels_workers.tokens.token_user`.
    * ``token_claims``: what the token of a handshake says, a dict, set by
      :func:`~channels_workers.tokens.token_user`. Without a token: ``AttributeError``.
    * ``envelope`` and ``reply(payload)``: what a frame says, and the answer to its request, set by
      :func:`~channels_workers.envelope.envelope`.
    * ``frame``: what a frame of a socket says, an instance of a type, set by
      :func:`~channels_workers.schemas.receives`.
    """

    channel_session: SessionBase
    http_session: SessionBase | None
    user: Any
    token_claims: dict[str, Any]
    envelope: Any
    reply: Callable[[Any], None]
    frame: Any

    def __init__(
        self,
        content: Content,
        channel_name: str,
        channel_layer: WorkerLayer | None,
        delivery: Delivery | None = None,
    ) -> None:
        self.content = content
        if channel_layer is not None:
            self.channel_layer = channel_layer
        self.channel_name = channel_name
        self.delivery = delivery
        self.id = delivery.id if delivery else ""
        name = content.get("reply_channel")
        #: A Channel; None for a message that did not come from a socket.
        self.reply_channel: Any = Channel(name, channel_layer=channel_layer) if name else None

    @cached_property
    def channel_layer(self) -> WorkerLayer:
        """The layer that carried it, or the default layer."""
        return get_channel_layer()

    @property
    def request_id(self) -> str | None:
        """The id of the handshake or request of its connection; None for other messages."""
        if self.delivery is None or self.delivery.reply_channel is None:
            return None
        found = self.content.get("request_id")
        return found if isinstance(found, str) else None

    @cached_property
    def channel(self) -> Channel:
        """The :class:`~channels_workers.channel.Channel` that it came from."""
        return Channel(self.channel_name, channel_layer=self.channel_layer)

    @property
    def position(self) -> Position | None:
        """Its place in the history of the group that it was sent to."""
        return Position.parse(self.delivery.position) if self.delivery else None

    def __getitem__(self, key: str) -> Any:
        return self.content[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.content[key] = value

    def __contains__(self, key: str) -> bool:
        return key in self.content

    def keys(self) -> KeysView[str]:
        """Return the keys of the content."""
        return self.content.keys()

    def values(self) -> ValuesView[Any]:
        """Return the values of the content."""
        return self.content.values()

    def items(self) -> ItemsView[str, Any]:
        """Return the items of the content."""
        return self.content.items()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of *key* in the content, or *default* if it is not there."""
        return self.content.get(key, default)

    def copy(self) -> Message:
        """Return a copy with the same id and a deep copy of the content.

        It has no session and no user until a decorator sets them.
        """
        return Message(
            copy.deepcopy(self.content), self.channel_name, self.channel_layer, self.delivery
        )

    def __repr__(self) -> str:
        return f"<Message {self.id or '(no id)'} on {self.channel_name}>"
