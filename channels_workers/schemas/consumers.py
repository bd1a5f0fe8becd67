"""A class-based consumer whose frames are types."""

from __future__ import annotations

from typing import Any, ClassVar

from channels_workers.declarations import Declaration, Exchange
from channels_workers.generic.base import call
from channels_workers.generic.websockets import JsonWebsocketConsumer
from channels_workers.message import Message
from channels_workers.schemas.frames import exchanges_of, read_frame
from channels_workers.schemas.reading import MOST_VALUES, Extra, Reader
from channels_workers.schemas.writing import write


class TypedWebsocketConsumer(JsonWebsocketConsumer):
    """A :class:`~channels_workers.generic.websockets.JsonWebsocketConsumer` of types.

    ``receive`` gets an instance of one of the types in :attr:`receives`, and ``send`` and
    ``group_send`` take an instance of any type. For a frame that is of none of them
    ``receive`` is not called: see :func:`~channels_workers.schemas.receives`.
    """

    #: The types of frames from clients. Empty: ``receive`` gets the decoded JSON.
    receives: ClassVar[tuple[Any, ...]] = ()

    #: The types of frames to clients, for the AsyncAPI document.
    sends: ClassVar[tuple[Any, ...]] = ()

    #: The key whose value tells several types apart.
    by: ClassVar[str] = "type"

    #: ``"forbid"``, or ``"ignore"`` for keys that a type does not have.
    extra: ClassVar[Extra] = "forbid"

    #: How many values a frame may have.
    most_values: ClassVar[int] = MOST_VALUES

    _reader: ClassVar[Reader | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make the reader. ``TypeError`` if it cannot tell the types apart."""
        super().__init_subclass__(**kwargs)
        options = cls.by, cls.extra, cls.most_values
        cls._reader = Reader(cls.receives, *options) if cls.receives else None

    @classmethod
    def declaration(cls) -> Declaration:
        """Return what the sockets of this class receive and send."""
        received = exchanges_of(cls._reader) if cls._reader else ()
        sent = (Exchange("send", cls.sends, cls.by),) if cls.sends else ()
        return Declaration((*received, *sent))

    def raw_receive(self, message: Message, **kwargs: Any) -> None:
        """Read a frame for ``receive``, or answer it with an error."""
        if self._reader is None:
            super().raw_receive(message, **kwargs)
        else:
            call(self.receive, read_frame(self._reader, message), **kwargs)

    @classmethod
    def encode_json(cls, content: Any) -> str:
        """Return *content*, an instance of a type, or a JSON value, as JSON."""
        return write(content)
