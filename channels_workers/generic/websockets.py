"""Class-based consumers of WebSockets. The API is that of Channels 1.1.8."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from django.core.serializers.json import DjangoJSONEncoder

from channels_workers.auth import (
    channel_and_http_session_user_from_http,
    channel_session_user_from_http,
)
from channels_workers.channel import Channel, Group
from channels_workers.conf import configuration
from channels_workers.exceptions import SendNotAvailableOnDemultiplexer
from channels_workers.generic.base import BaseConsumer, call
from channels_workers.layers.codec import Content
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    RESUME,
)
from channels_workers.message import Consumer, Message
from channels_workers.sessions import enforce_ordering
from channels_workers.tokens.decorators import token_user

__all__ = [
    "JsonWebsocketConsumer",
    "WebsocketConsumer",
    "WebsocketDemultiplexer",
    "WebsocketMultiplexer",
]


class WebsocketConsumer(BaseConsumer):
    """A consumer of WebSockets. Override :meth:`connect`, :meth:`receive`, :meth:`disconnect`.

    Each of them runs in an instance of its own, which has the path of the socket as ``self.path``
    (str). Keep what later messages need in ``self.message.channel_session``.
    """

    method_mapping: ClassVar[Mapping[str, str]] = {
        CONNECT: "raw_connect",
        RECEIVE: "raw_receive",
        DISCONNECT: "raw_disconnect",
        RESUME: "raw_resume",
    }

    _called_methods = BaseConsumer._called_methods | {
        "connect",
        "receive",
        "disconnect",
        "resume",
        "connection_groups",
    }

    #: Gives the methods ``self.message.user``, from the HTTP session.
    http_user = False

    #: Gives the methods ``self.message.http_session`` too.
    http_user_and_session = False

    #: Gives the methods ``self.message.user`` by a token, with
    #: :func:`~channels_workers.tokens.token_user`.
    token_user = False

    #: Changes nothing: the order is always kept.
    strict_ordering = False

    #: Names of groups that sockets join; see :meth:`connection_groups`.
    groups: Iterable[str] | None = None

    @classmethod
    def channel_names(cls) -> set[str]:
        """Return the channels that the class has methods for.

        ``websocket.resume`` is one of them if ``RESUME_TIME`` is set.
        """
        names = super().channel_names()
        return names if configuration().RESUME_TIME else names - {RESUME}

    def get_handler(self, message: Message, **kwargs: Any) -> Consumer:
        """Return the method for the message's channel, with the decorators that are set."""
        if self.http_user or self.http_user_and_session:
            self.channel_session_user = True
        self.path = message["path"]
        handler = super().get_handler(message, **kwargs)
        if self.token_user:
            handler = token_user(partial(call, handler))
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
        """Return the names (str) of the groups to join, by default :attr:`groups`.

        *kwargs* are the named groups of the route. It is called at the connect and at the
        disconnect. A single str instead of a list raises ``TypeError``.
        """
        return self.groups or []

    def raw_connect(self, message: Message, **kwargs: Any) -> None:
        """Join the groups, then :meth:`connect`."""
        for group in self._groups(kwargs):
            group.add(message.reply_channel)
        call(self.connect, message, **kwargs)

    def connect(self, message: Message, **kwargs: Any) -> None:
        """Accept the socket. If you override it, accept or refuse there.

        Send ``{"accept": True}``, or raise
        :class:`~channels_workers.exceptions.DenyConnection`.
        """
        message.reply_channel.send({"accept": True})

    def raw_resume(self, message: Message, **kwargs: Any) -> None:
        """Call :meth:`resume`; the socket is in its groups still."""
        call(self.resume, message, **kwargs)

    def resume(self, message: Message, **kwargs: Any) -> None:
        """Handle a client that is back on its connection, with a new socket.

        *message* has what :meth:`connect` gets of a handshake. Raise
        :class:`~channels_workers.exceptions.DenyConnection` to refuse it: the connection ends.
        """

    def raw_receive(self, message: Message, **kwargs: Any) -> None:
        """Pass the text or the bytes of a frame to :meth:`receive`."""
        if "text" in message:
            call(self.receive, text=message["text"], **kwargs)
        else:
            call(self.receive, bytes=message["bytes"], **kwargs)

    def receive(self, text: str | None = None, bytes: Any = None, **kwargs: Any) -> None:  # noqa: A002
        """Handle a frame: *text* (str), or *bytes* for a binary frame. The other one is None."""

    def send(self, text: str | None = None, bytes: Any = None, close: bool | int = False) -> None:  # noqa: A002
        """Send *text* (str) or *bytes* to the socket, after the consumer has returned.

        *close* closes the socket then: True (1000), or a code, 1000 or 3000 to 4999. Raises
        ``ValueError`` without text and bytes, and what
        :meth:`Channel.send() <channels_workers.channel.Channel.send>` raises. Below a
        :class:`WebsocketDemultiplexer` it raises
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
        """Send *text* (str) or *bytes* to the group *name*; outside consumers, at once.

        *close* closes its sockets then: True (1000), or a code. Errors are those of :meth:`send`.
        """
        Group(name).send(_frame(text, bytes, close))

    def close(self, status: bool | int = True) -> None:
        """Close the socket. *status* is True (1000) or a code, 1000 or 3000 to 4999."""
        self.message.reply_channel.send({"close": status})

    def raw_disconnect(self, message: Message, **kwargs: Any) -> None:
        """Leave the groups, then :meth:`disconnect`."""
        for group in self._groups(kwargs):
            group.discard(message.reply_channel)
        call(self.disconnect, message, **kwargs)

    def disconnect(self, message: Message, **kwargs: Any) -> None:
        """Handle the end of the socket. ``message["code"]`` is its close code (int).

        It is 1006 if the connection broke without one. What you send to the socket goes nowhere.
        """

    def _groups(self, kwargs: dict[str, Any]) -> list[Group]:
        names = self.connection_groups(**kwargs)
        if isinstance(names, str):
            raise TypeError(f"connection_groups() must return a list of names, not {names!r}.")
        return [Group(name, channel_layer=self.message.channel_layer) for name in names]


class JsonWebsocketConsumer(WebsocketConsumer):
    """A consumer whose frames are JSON, in both directions.

    Override :meth:`decode_json` and :meth:`encode_json` for another encoder.
    """

    def raw_receive(self, message: Message, **kwargs: Any) -> None:
        """Decode a frame for :meth:`receive`. ``ValueError`` if it is binary or no JSON."""
        if "text" not in message:
            raise ValueError("No text section for incoming WebSocket frame!")
        call(self.receive, self.decode_json(message["text"]), **kwargs)

    def receive(self, content: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Handle *content*, the decoded JSON of a frame: any JSON value."""

    def send(self, content: Any, close: bool | int = False) -> None:  # type: ignore[override]
        """Send *content* as JSON. *close* closes the socket then: True (1000), or a code.

        Raises ``TypeError`` for a content that JSON does not know.
        """
        super().send(text=self.encode_json(content), close=close)

    @classmethod
    def decode_json(cls, text: str) -> Any:
        """Return the value of *text*; ``ValueError`` if it is no JSON."""
        return json.loads(text)

    @classmethod
    def encode_json(cls, content: Any) -> str:
        """Return *content* as JSON (str); ``TypeError`` for a value that JSON does not know."""
        return json.dumps(content)

    @classmethod
    def group_send(cls, name: str, content: Any, close: bool | int = False) -> None:  # type: ignore[override]
        """Send *content* as JSON to a group. *close* closes its sockets then."""
        WebsocketConsumer.group_send(name, cls.encode_json(content), close=close)


class WebsocketMultiplexer:
    """Sends for the consumer of one stream, as ``{"stream": ..., "payload": ...}`` in JSON.

    *stream* is the name of the stream, *reply_channel* the channel of the socket. A consumer gets
    one as the keyword argument ``multiplexer``.
    """

    stream: Any = None
    reply_channel: Any = None

    def __init__(self, stream: Any, reply_channel: Channel) -> None:
        self.stream = stream
        self.reply_channel = reply_channel

    def send(self, payload: Any) -> None:
        """Send *payload*, any JSON value, to the socket on this stream."""
        self.reply_channel.send(self.encode(self.stream, payload))

    @classmethod
    def encode_json(cls, content: Any) -> str:
        """Return *content* as JSON. Times, decimals and UUIDs are written as Django does."""
        return json.dumps(content, cls=DjangoJSONEncoder)

    @classmethod
    def encode(cls, stream: str, payload: Any) -> Content:
        """Return the message that sends *payload* on *stream*: ``{"text": ...}``."""
        return {"text": cls.encode_json({"stream": stream, "payload": payload})}

    @classmethod
    def group_send(cls, name: str, stream: str, payload: Any, close: bool | int = False) -> None:
        """Send *payload* on *stream* to the group *name*. With *close*, close its sockets then."""
        message = cls.encode(stream, payload)
        if close:
            message["close"] = True
        Group(name).send(message)


class WebsocketDemultiplexer(JsonWebsocketConsumer):
    """Several consumers on one WebSocket. Each frame names the stream that it is for.

    A frame is ``{"stream": name, "payload": dict}``. The consumer of that stream gets the payload
    as its content, and the keyword argument ``multiplexer`` to send with. Each consumer gets the
    connect and the disconnect. The demultiplexer itself accepts the socket. Any other frame raises
    ``ValueError``, which is logged, and the socket stays open.
    """

    #: For each name of a stream (str) a subclass of :class:`JsonWebsocketConsumer`, or the
    #: ``consumer`` of a :class:`~channels_workers.binding.websockets.WebsocketBinding`.
    consumers: ClassVar[Mapping[Any, Consumer]] = {}

    #: The class of the multiplexer.
    multiplexer_class: ClassVar[type[WebsocketMultiplexer]] = WebsocketMultiplexer

    def receive(self, content: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Pass the payload to the consumer of its stream. ``ValueError`` for other frames."""
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
        """Accept the socket, and pass the connect to each consumer."""
        message.reply_channel.send({"accept": True})
        for stream in self.consumers:
            self._run(stream, message, kwargs)

    def resume(self, message: Message, **kwargs: Any) -> None:
        """Pass the resume to each consumer."""
        for stream in self.consumers:
            self._run(stream, message, kwargs)

    def disconnect(self, message: Message, **kwargs: Any) -> None:
        """Pass the disconnect to each consumer."""
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
