"""Class-based consumers of WebSockets; source: Channels 1.1.8."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.core.serializers.json import DjangoJSONEncoder

from channels_workers.auth import (
    channel_and_http_session_user_from_http,
    channel_session_user_from_http,
)
from channels_workers.channel import Channel, Group
from channels_workers.exceptions import SendNotAvailableOnDemultiplexer
from channels_workers.generic.base import BaseConsumer, call
from channels_workers.layers.codec import Content
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
)
from channels_workers.message import Consumer, Message
from channels_workers.sessions import enforce_ordering

__all__ = [
    "JsonWebsocketConsumer",
    "WebsocketConsumer",
    "WebsocketDemultiplexer",
    "WebsocketMultiplexer",
]


class WebsocketConsumer(BaseConsumer):
    """A consumer of one path's WebSockets: override :meth:`connect`, :meth:`receive` and so on."""

    method_mapping: ClassVar[Mapping[str, str]] = {
        CONNECT: "raw_connect",
        RECEIVE: "raw_receive",
        DISCONNECT: "raw_disconnect",
    }

    _called_methods = BaseConsumer._called_methods | {
        "connect",
        "receive",
        "disconnect",
        "connection_groups",
    }

    #: Takes the user over from the HTTP session, for ``self.message.user``.
    http_user = False

    #: Takes the HTTP session over too, for ``self.message.http_session``.
    http_user_and_session = False

    #: Costs nothing and changes nothing: the order is always kept.
    strict_ordering = False

    #: Groups that sockets are in; see :meth:`connection_groups`.
    groups: Iterable[str] | None = None

    def get_handler(self, message: Message, **kwargs: Any) -> Consumer:
        """Return the method for the message's channel, with the decorators that are set."""
        if self.http_user or self.http_user_and_session:
            self.channel_session_user = True
        self.path = message["path"]
        handler = super().get_handler(message, **kwargs)
        if self.http_user_and_session:
            handler = channel_and_http_session_user_from_http(handler)
        elif self.http_user:
            handler = channel_session_user_from_http(handler)
        if getattr(self, "slight_ordering", False):
            raise ValueError(
                "Slight ordering is now always on. Please remove `slight_ordering=True`."
            )
        return enforce_ordering(handler) if self.strict_ordering else handler

    def connection_groups(self, **kwargs: Any) -> Iterable[str]:
        """Return the names of the groups to join; *kwargs* are what the route found."""
        return self.groups or []

    def raw_connect(self, message: Message, **kwargs: Any) -> None:
        """Join the groups, then :meth:`connect`."""
        for group in self._groups(kwargs):
            group.add(message.reply_channel)
        call(self.connect, message, **kwargs)

    def connect(self, message: Message, **kwargs: Any) -> None:
        """Accept the socket; an overriding method does so itself."""
        message.reply_channel.send({"accept": True})

    def raw_receive(self, message: Message, **kwargs: Any) -> None:
        """Give the text or the bytes of a frame to :meth:`receive`."""
        if "text" in message:
            call(self.receive, text=message["text"], **kwargs)
        else:
            call(self.receive, bytes=message["bytes"], **kwargs)

    def receive(self, text: str | None = None, bytes: Any = None, **kwargs: Any) -> None:  # noqa: A002
        """Take a frame: *text*, or *bytes*."""

    def send(self, text: str | None = None, bytes: Any = None, close: bool | int = False) -> None:  # noqa: A002
        """Send *text*, or *bytes*, to the socket; *close* it then, with True or with a code.

        Below a :class:`WebsocketDemultiplexer` it raises
        :class:`~channels_workers.exceptions.SendNotAvailableOnDemultiplexer`.
        """
        if "multiplexer" in self.kwargs:
            raise SendNotAvailableOnDemultiplexer("Use multiplexer.send of the multiplexer kwarg.")
        self.message.reply_channel.send(_frame(text, bytes, close))

    @classmethod
    def group_send(
        cls,
        name: str,
        text: str | None = None,
        bytes: Any = None,  # noqa: A002
        close: bool | int = False,
    ) -> None:
        """Send *text*, or *bytes*, to a group; *close* its sockets then."""
        Group(name).send(_frame(text, bytes, close))

    def close(self, status: bool | int = True) -> None:
        """Close the socket, with True (1000) or with a code."""
        self.message.reply_channel.send({"close": status})

    def raw_disconnect(self, message: Message, **kwargs: Any) -> None:
        """Leave the groups, then :meth:`disconnect`."""
        for group in self._groups(kwargs):
            group.discard(message.reply_channel)
        call(self.disconnect, message, **kwargs)

    def disconnect(self, message: Message, **kwargs: Any) -> None:
        """Take the end of the socket; ``message["code"]`` says how it ended."""

    def _groups(self, kwargs: dict[str, Any]) -> list[Group]:
        names = self.connection_groups(**kwargs)
        if isinstance(names, str):
            raise TypeError(f"connection_groups() must return a list of names, not {names!r}.")
        return [Group(name, channel_layer=self.message.channel_layer) for name in names]


class JsonWebsocketConsumer(WebsocketConsumer):
    """A consumer whose frames are JSON, in both directions."""

    def raw_receive(self, message: Message, **kwargs: Any) -> None:
        """Decode a frame for :meth:`receive`; ValueError for a binary one and for no JSON."""
        if "text" not in message:
            raise ValueError("No text section for incoming WebSocket frame!")
        call(self.receive, self.decode_json(message["text"]), **kwargs)

    def receive(self, content: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Take what a frame held."""

    def send(self, content: Any, close: bool | int = False) -> None:  # type: ignore[override]
        """Send *content* as JSON; *close* the socket then, with True or with a code."""
        super().send(text=self.encode_json(content), close=close)

    @classmethod
    def decode_json(cls, text: str) -> Any:
        """Return what *text* holds."""
        return json.loads(text)

    @classmethod
    def encode_json(cls, content: Any) -> str:
        """Return *content* as JSON."""
        return json.dumps(content)

    @classmethod
    def group_send(cls, name: str, content: Any, close: bool | int = False) -> None:  # type: ignore[override]
        """Send *content* as JSON to a group; *close* its sockets then."""
        WebsocketConsumer.group_send(name, cls.encode_json(content), close=close)


class WebsocketMultiplexer:
    """What a consumer of one stream sends with: ``{"stream": ..., "payload": ...}`` as JSON."""

    stream: Any = None
    reply_channel: Any = None

    def __init__(self, stream: Any, reply_channel: Channel) -> None:
        self.stream = stream
        self.reply_channel = reply_channel

    def send(self, payload: Any) -> None:
        """Send *payload* to the socket, on this stream."""
        self.reply_channel.send(self.encode(self.stream, payload))

    @classmethod
    def encode_json(cls, content: Any) -> str:
        """Return *content* as JSON; times, decimals and UUIDs as Django writes them."""
        return json.dumps(content, cls=DjangoJSONEncoder)

    @classmethod
    def encode(cls, stream: str, payload: Any) -> Content:
        """Return the message that sends *payload* on *stream*."""
        return {"text": cls.encode_json({"stream": stream, "payload": payload})}

    @classmethod
    def group_send(cls, name: str, stream: str, payload: Any, close: bool | int = False) -> None:
        """Send *payload* on *stream* to a group; *close* its sockets then."""
        message = cls.encode(stream, payload)
        if close:
            message["close"] = True
        Group(name).send(message)


class WebsocketDemultiplexer(JsonWebsocketConsumer):
    """Several consumers on one WebSocket: each frame says which stream it is for.

    A frame is ``{"stream": name, "payload": dict}``. The consumer of that name gets the payload
    as its content, and a ``multiplexer`` as a keyword argument, to send with. Each consumer gets
    the connect and the disconnect; the demultiplexer has accepted the socket.
    """

    #: Names of streams to classes, subclasses of :class:`JsonWebsocketConsumer`.
    consumers: ClassVar[Mapping[Any, type[JsonWebsocketConsumer]]] = {}

    #: What the consumers send with.
    multiplexer_class: ClassVar[type[WebsocketMultiplexer]] = WebsocketMultiplexer

    def receive(self, content: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Give the payload to its stream's consumer; ValueError for any other frame."""
        if not isinstance(content, dict) or not {"stream", "payload"} <= content.keys():
            raise ValueError("Invalid multiplexed **frame received (no channel/payload key)")
        stream, payload = content["stream"], content["payload"]
        names = [name for name in self.consumers if name == stream]
        if not names:
            raise ValueError("Invalid multiplexed frame received (stream not mapped)")
        if not isinstance(payload, dict):
            raise ValueError("Multiplexed frame payload is not a dict")
        self.message.content["text"] = self.encode_json(payload)
        self._run(names[0], self.message, kwargs)

    def connect(self, message: Message, **kwargs: Any) -> None:
        """Accept the socket; give the connect to each consumer."""
        message.reply_channel.send({"accept": True})
        for stream in self.consumers:
            self._run(stream, message, kwargs)

    def disconnect(self, message: Message, **kwargs: Any) -> None:
        """Give the disconnect to each consumer."""
        for stream in self.consumers:
            self._run(stream, message, kwargs)

    def send(self, *args: Any, **kwargs: Any) -> None:
        """Raise: a frame needs the name of its stream."""
        raise SendNotAvailableOnDemultiplexer("Use multiplexer.send of the multiplexer kwarg.")

    @classmethod
    def group_send(cls, *args: Any, **kwargs: Any) -> None:
        """Raise: a frame needs the name of its stream."""
        raise SendNotAvailableOnDemultiplexer("Use WebsocketMultiplexer.group_send")

    def _run(self, stream: Any, message: Message, kwargs: dict[str, Any]) -> None:
        multiplexer = self.multiplexer_class(stream, message.reply_channel)
        self.consumers[stream](message, **{**kwargs, "multiplexer": multiplexer})


def _frame(text: str | None, data: Any, close: bool | int) -> Content:
    content: Content = {"close": close} if close else {}
    if text is not None:
        content["text"] = text
    elif data is not None:
        content["bytes"] = data
    else:
        raise ValueError("You must pass text or bytes")
    return content
