"""Class-based consumers of envelopes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, ClassVar

from channels_workers.bearer import wire
from channels_workers.bearer.configuration import token_settings
from channels_workers.envelope import groups, sending
from channels_workers.envelope.frames import (
    JOIN,
    LEAVE,
    MESSAGE,
    REQUEST,
    Envelope,
    FrameRefused,
)
from channels_workers.envelope.handling import Handling
from channels_workers.envelope.refused import INVALID, UNKNOWN
from channels_workers.envelope.streams import Stream, described, methods_by_stream, validated
from channels_workers.generic.base import call
from channels_workers.generic.websockets import WebsocketDemultiplexer
from channels_workers.layers.types import RECEIVE
from channels_workers.logs import fields, name_of
from channels_workers.message import Message

logger = logging.getLogger(__name__)


class EnvelopeConsumer(WebsocketDemultiplexer):
    """A consumer of the :doc:`protocol </reference/protocol>` ``channels-workers.v1``.

    Write a method with :func:`stream` for each stream, and :meth:`may_join` for groups. Everything
    of :class:`~channels_workers.generic.websockets.WebsocketConsumer` works, too: ``http_user``,
    ``once``, :meth:`connect`. ``consumers`` are the streams of a
    :class:`~channels_workers.generic.websockets.WebsocketDemultiplexer`, which get messages only.

    Handlers have ``self.envelope``, ``self.message`` and ``self.kwargs``.
    """

    channel_session = True

    #: The types (of dataclasses, models or others) of what the server sends by itself, for each
    #: name of a stream (str), ``""`` for frames without one. They are for documents and tools.
    sends: ClassVar[Mapping[str, Any]] = {}

    _called_methods = WebsocketDemultiplexer._called_methods | {"may_join", "nonce_owner"}

    _methods: ClassVar[Mapping[str, str]] = {}
    _streams: ClassVar[Mapping[str, Stream]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Look for the handlers; ``TypeError`` for one that could not be called."""
        super().__init_subclass__(**kwargs)
        cls._methods = methods_by_stream(cls)
        if twice := sorted(set(cls._methods) & set(cls.consumers)):
            raise TypeError(
                f"{cls.__qualname__} has both a handler and a consumer for the stream "
                f"{twice[0]!r}. Remove one."
            )

    @classmethod
    def streams(cls) -> Mapping[str, Stream]:
        """Return the streams with handlers, and their types, by name.

        Raises ``TypeError`` for annotations that cannot be resolved.
        """
        if "_streams" not in vars(cls):
            cls._streams = described(cls, cls._methods)
        return cls._streams

    # For subclasses

    def connect(self, message: Message, **kwargs: Any) -> None:
        """Accept the socket. Override it to refuse some, and call it to accept the others."""
        sending.accept(message)
        for name in self.consumers:
            self._run(name, message, kwargs)

    def may_join(self, group: str) -> str | None:
        """Return the name of the real group that the client may join by the name *group*.

        By default nobody may join. Return None or raise :class:`Refused` to refuse. The name on the
        wire may be any text of up to 100 characters.
        """
        _note_default(name_of(type(self)))
        return None

    def nonce_owner(self) -> str | None:
        """Return a text that names the client across its connections, or None.

        With ``once``, a nonce of the same owner runs once. By default it is the primary key of
        ``self.message.user``, and None for anonymous users and without a user.
        """
        user = getattr(self.message, "user", None)
        return str(user.pk) if user is not None and user.is_authenticated else None

    # For handlers

    @property
    def envelope(self) -> Envelope:
        """What the frame says beside its payload."""
        return self._handling.envelope

    def send(  # type: ignore[override]
        self, payload: Any, *, stream: str = "", close: bool | int = False
    ) -> None:
        """Send *payload* to the socket, on *stream*. *close* closes it then: True or a code.

        Errors are those of :func:`channels_workers.envelope.send`.
        """
        content = sending.content_of(payload, stream=stream)
        self.message.reply_channel.send({**content, "close": close} if close else content)

    @classmethod
    def group_send(cls, name: str, payload: Any, *, stream: str = "") -> None:  # type: ignore[override]
        """Send *payload* to the group *name*, as :func:`channels_workers.envelope.group_send`."""
        sending.group_send(name, payload, stream=stream)

    # The way of a frame

    def dispatch(self, message: Message, **kwargs: Any) -> Any:
        """Read the frame first: for what needs no handler, no user is loaded."""
        if message.channel_name != RECEIVE or self._is_token(message):
            return super().dispatch(message, **kwargs)
        self._handling = handling = Handling(message)
        with handling.ending(), handling.guarded():
            if handling.read() and self._find():
                return super().dispatch(message, **kwargs)
        return None

    def _is_token(self, message: Message) -> bool:
        """Say whether `token_user` takes the message, so that no handler does."""
        if not self.token_user:
            return False
        return wire.of_frame(message.get("text"), token_settings().TOKEN_SIZE) is not None

    def _find(self) -> bool:
        """Find and validate what the handler gets; raise :class:`Refused`."""
        envelope = self.envelope
        if envelope.type not in (MESSAGE, REQUEST):
            return True
        name = envelope.stream
        if name in self._methods:
            self._payload = validated(self.streams()[name].payload, envelope.payload)
        elif name not in self.consumers:
            what = f"no stream {name!a}" if name else "no handler for frames without a stream"
            raise FrameRefused(UNKNOWN, f"There is {what}.", "stream")
        elif envelope.type == REQUEST:
            raise FrameRefused(INVALID, "This stream takes messages, not requests.", "type")
        elif not isinstance(envelope.payload, dict):
            raise FrameRefused(INVALID, "The payload must be an object.", "payload")
        return True

    def runs_once(self, message: Message) -> bool:
        """Joins and leaves need no transaction."""
        is_handled = message.channel_name != RECEIVE or self._is_token(message)
        return bool(self.once) and (is_handled or self.envelope.type in (MESSAGE, REQUEST))

    def raw_receive(self, message: Message, **kwargs: Any) -> None:
        """Handle the frame. For other frames than tokens, :meth:`dispatch` has read it."""
        handling = self._handling
        with handling.guarded():
            if self.envelope.type == JOIN:
                may_join, name = partial(call, self.may_join), name_of(type(self))
                handling.send(groups.join(message, self.envelope, may_join, name))
            elif self.envelope.type == LEAVE:
                groups.leave(message, self.envelope)
                handling.answer("left", group=self.envelope.group)
            elif not handling.has_run(name_of(type(self)), self._owner()):
                handling.finish(self._handle(kwargs))

    def _owner(self) -> str | None:
        return self.nonce_owner() if self.once and self.envelope.nonce is not None else None

    def _handle(self, kwargs: dict[str, Any]) -> Any:
        name = self.envelope.stream
        if (method := self._methods.get(name)) is not None:
            return call(getattr(self, method), self._payload)
        self.message.content["text"] = self.encode_json(self.envelope.payload)
        self._run(name, self.message, kwargs)
        return None


@cache
def _note_default(name: str) -> None:
    logger.warning(
        "A client of %s is refused a join, because it has no may_join(). Define that: it returns "
        "the name of the group that the client may join. This is logged once",
        name,
        extra=fields("join_refused", consumer=name),
    )
