"""The exceptions of the engine.

::

    ChannelError
    ├── ChannelFull              a channel's capacity is reached (also Channels 4's ChannelFull)
    ├── OutboxFull               a consumer exceeds the limit of its outbox
    ├── OnceRefused              a consumer with @once does what its transaction cannot hold
    ├── MessageError             content that cannot be encoded (also ValueError)
    │   └── MessageTooLarge
    ├── ServerEvicted            the layer has evicted this interface server
    ├── ResponseBroken           a response failed after a part of it was sent
    ├── TaskLost                 the message of a task is a dead letter
    └── LayerUnavailable         the server behind the layer does not answer now
        └── LayerUnfit           it answers, but its version or kind is not usable
            └── LayerRefused     it refuses our user, or a permission that we need

    AcceptConnection             raised by a consumer: accept the WebSocket (Channels 2)
    DenyConnection               raised by a consumer: refuse the WebSocket (1.1.8)
    ConsumeLater                 raised by a consumer: run this message again later (1.1.8)
    ResponseLater                raised by a view: another consumer answers (1.1.8)
    RequestTimeout               the body of a request does not come (1.1.8)
    RequestAborted               the client of a request has gone (1.1.8)
    ChannelSocketException       raised by a consumer: run something for its socket (1.1.8)
    └── WebsocketCloseException  close it, with a code (1.1.8)
    SendNotAvailableOnDemultiplexer  a demultiplexer was asked to send (1.1.8)
"""

from __future__ import annotations

from typing import Any

from channels.exceptions import ChannelFull as LayerChannelFull
from django.core.exceptions import RequestAborted as DjangoRequestAborted

__all__ = [
    "AcceptConnection",
    "ChannelError",
    "ChannelFull",
    "ChannelSocketException",
    "ConsumeLater",
    "DenyConnection",
    "LayerRefused",
    "LayerUnavailable",
    "LayerUnfit",
    "MessageError",
    "MessageTooLarge",
    "OnceRefused",
    "OutboxFull",
    "RequestAborted",
    "RequestTimeout",
    "ResponseBroken",
    "ResponseLater",
    "SendNotAvailableOnDemultiplexer",
    "ServerEvicted",
    "TaskLost",
    "WebsocketCloseException",
]


class ChannelError(Exception):
    """The base of all exceptions of this package that report a failure."""


class ChannelFull(ChannelError, LayerChannelFull):  # type: ignore[misc]
    """A channel has as many messages as its capacity allows.

    A send that goes out at once raises it, and nothing was sent. It is a subclass of
    ``channels.exceptions.ChannelFull``, so code for Channels 4 catches it. *channel* is the name
    of the channel, *capacity* a number of messages. Both are attributes.
    """

    def __init__(self, channel: str = "", capacity: int = 0) -> None:
        self.channel = channel
        self.capacity = capacity
        super().__init__(
            f"The channel {channel!r} holds {capacity} messages, its capacity. "
            "Run more workers for it, or raise `capacity` in the CONFIG of CHANNEL_LAYERS."
        )


class OutboxFull(ChannelError):
    """One consumer sends, joins or leaves too much.

    The send, ``add`` or ``discard`` beyond a limit raises it. The limits are ``OUTBOX_OPERATIONS``
    (a number) and ``OUTBOX_BYTES`` in ``CHANNEL_WORKERS``, and ``ANSWER_BYTES_WAITING`` for what
    goes to the client of a request.
    """


class OnceRefused(ChannelError):
    """A consumer with ``@once`` does what cannot be a part of its transaction.

    Examples are a send with ``immediately=True`` and a send to another layer. The text has the
    cure. Like other exceptions, it rolls the transaction back.
    """


class MessageError(ChannelError, ValueError):
    """Content with a value or a key that cannot be encoded.

    A send raises it, and so does :func:`~channels_workers.sessions.session_for_reply_channel` at
    its ``save()``. It also stands for a message that cannot be decoded.
    """


class MessageTooLarge(MessageError):
    """An encoded message, or channel session, is larger than ``message_size`` (bytes).

    ``message_size`` is in the ``CONFIG`` of ``CHANNEL_LAYERS``.
    """


class ServerEvicted(ChannelError):
    """The layer has evicted this interface server, and closed its connections."""


class LayerUnavailable(ChannelError):
    """Redis does not answer, or cannot take anything now.

    Sends outside consumers raise it, within about ``SEND_TIMEOUT`` of ``CHANNEL_WORKERS``. It is
    then unknown whether the message was sent. Workers and interface servers wait and try again.
    """


class LayerUnfit(LayerUnavailable):
    """Redis answers, but its version or kind is not supported."""


class LayerRefused(LayerUnfit):
    """Redis refuses the configured user: the password is wrong, or a right is missing."""


class AcceptConnection(Exception):
    """Raise it in a ``websocket.connect`` consumer to accept the connection.

    In other consumers it is an error, which is logged.
    """


class DenyConnection(Exception):
    """Raise it in a ``websocket.connect`` consumer to refuse the connection (HTTP 403).

    In a ``websocket.resume`` consumer it refuses the socket too, and ends the connection.

    ``DenyConnection("the room is full")`` gives the reason, for the log: the client does not get
    it. In other consumers it is an error, which is logged.
    """


class ConsumeLater(Exception):
    """Raise it in a consumer that cannot handle its message yet.

    The run is undone: nothing that it sent goes out, and its channel session is not saved. The
    message runs again after 0.05 s, with the same id, behind those that wait. Each further wait
    is twice as long, up to 1 s. The next messages of the connection wait too. After 10 more runs
    the message becomes a dead letter.
    """


class ResponseLater(Exception):
    """Raise it in a view whose request another consumer will answer.

    The worker then sends nothing. Whoever answers needs ``request.reply_channel.name``.
    """


class RequestTimeout(OSError):
    """The body of a request does not come; the client gets the status 408.

    A view that reads the body gets it, as Django's ``UnreadablePostError``.
    """


class RequestAborted(DjangoRequestAborted, OSError):
    """The client has gone before its request was answered.

    A view that reads the body gets it, as Django's ``UnreadablePostError``.
    """


class ResponseBroken(ChannelError):
    """A response failed after a part of it was sent; the client's connection is cut.

    The log has it. Its cause is what the response raised.
    """


class TaskLost(ChannelError):
    """The message of a task has become a dead letter, so the task has failed.

    Its worker died ``DELIVERIES`` times, or the database stayed away. No code raises it: it is in
    the ``errors`` of the result.
    """


class ChannelSocketException(Exception):
    """Raise a subclass of it in a consumer: its :meth:`run` then acts on the socket."""

    def run(self, message: Any) -> None:
        """Act on the socket of *message*, a ``Message``; subclasses must override it.

        What it sends goes out with the commit of the message. What it raises is logged.
        """
        raise NotImplementedError("Subclasses of ChannelSocketException must define run(message).")


class WebsocketCloseException(ChannelSocketException):
    """Raise it in a consumer to close its WebSocket.

    *code* is 1000, which is the default, or from 3000 to 4999. Any other raises ``ValueError``.
    """

    def __init__(self, code: int | None = None) -> None:
        if code is not None and not is_close_code(code):
            raise ValueError(f"invalid close code {code} (must be 1000 or from [3000, 4999])")
        super().__init__(code)
        self._code = code

    def run(self, message: Any) -> None:
        """Close the socket of *message*; ``ValueError`` if it is from no socket."""
        if message.reply_channel is None or not message.channel_name.startswith("websocket."):
            raise ValueError("You cannot raise CloseWebsocketError from a non-websocket handler.")
        message.reply_channel.send({"close": self._code or True})


def is_close_code(code: int) -> bool:
    """Say whether an application may close a WebSocket with *code* (RFC 6455, 7.4)."""
    return code == 1000 or 3000 <= code <= 4999


class SendNotAvailableOnDemultiplexer(Exception):
    """A demultiplexer cannot send. Its streams send with their ``multiplexer``."""
