"""``@envelope`` for consumers that are functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, TypeVar, overload

from asgiref.sync import sync_to_async

from channels_workers.envelope import groups
from channels_workers.envelope.frames import JOIN, LEAVE
from channels_workers.envelope.handling import Handling, database_of_once, roll_back_once
from channels_workers.envelope.streams import validated
from channels_workers.logs import name_of
from channels_workers.message import Consumer, Message
from channels_workers.sessions import channel_session

Result = TypeVar("Result")

#: The attribute of a decorated function with the type of its payloads.
PAYLOAD = "envelope_payload"

#: Returns the name of the real group that the client of a message may join by a name, or None.
MayJoin = Callable[[Message, str], Any]

#: Returns a text that names the client of a message across its connections, or None.
NonceOwner = Callable[[Message], str | None]


def owner_of(message: Message) -> str | None:
    """Return the primary key of the user of *message*, None for anonymous users."""
    user = getattr(message, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None


@overload
def envelope(func: Consumer) -> Consumer: ...


@overload
def envelope(
    *, may_join: MayJoin = ..., nonce_owner: NonceOwner = ..., payload: Any = ...
) -> Callable[[Consumer], Consumer]: ...


def envelope(
    func: Consumer | None = None,
    *,
    may_join: MayJoin | None = None,
    nonce_owner: NonceOwner = owner_of,
    payload: Any = Any,
) -> Consumer | Callable[[Consumer], Consumer]:
    """Let a ``websocket.receive`` consumer take frames of the protocol.

    The function runs for messages and requests, with ``message.channel_session``. It has
    ``message.envelope``, an :class:`Envelope`. Its result answers a request; it may also call
    ``message.reply(payload)``. It may raise :class:`Refused`. Pings, joins, leaves, invalid frames
    and repeated nonces are answered without it.

    *may_join* gets the message and the name of a group, and is as
    :meth:`EnvelopeConsumer.may_join`; without it nobody may join. *nonce_owner* gets the message,
    and is as :meth:`EnvelopeConsumer.nonce_owner`. *payload* is the type of the payload:
    ``message.envelope.payload`` is then an instance.

    Write it with or without brackets, for ``def`` and ``async def``, below ``@once``. Decorators
    above it run for all frames, and so *may_join* has what they give, such as ``message.user``.
    Decorators below it run for messages and requests. Raises ``TypeError`` for a function with
    ``@once``, as its ack must be part of the transaction.
    """
    if func is None:
        return functools.partial(
            _decorated, may_join=may_join, nonce_owner=nonce_owner, payload=payload
        )
    return _decorated(func, may_join, nonce_owner, payload)


def _decorated(
    func: Consumer, may_join: MayJoin | None, nonce_owner: NonceOwner, payload: Any
) -> Consumer:
    if isinstance(func, type) or not callable(func):
        raise TypeError(f"@envelope decorates a function, not {func!r}. Use EnvelopeConsumer.")
    if getattr(func, "is_once", False):
        raise TypeError("Write @once above @envelope: its ack must be part of the transaction.")
    is_async = iscoroutinefunction(func)
    if iscoroutinefunction(may_join) and not is_async:
        raise TypeError(
            f"{func.__qualname__} is `def`, and its may_join is `async def`, which nobody would "
            "await. Write both the same way."
        )
    parts = _Parts(func, may_join, nonce_owner, payload)
    inner = _async(parts) if is_async else _sync(parts)
    setattr(inner, PAYLOAD, payload)
    return inner


class _Parts:
    """What ``@envelope`` calls for the consumer *func*."""

    def __init__(
        self, func: Consumer, may_join: MayJoin | None, nonce_owner: NonceOwner, payload: Any
    ) -> None:
        self.func = func
        self.name = name_of(func)
        self.may_join = may_join
        self.nonce_owner = nonce_owner
        self.payload = payload

    def begin(self, message: Message, handling: Handling) -> bool:
        """Read the frame; return False if it is answered."""
        is_open = handling.read()
        if is_open:
            found = handling.envelope
            if found.type not in (JOIN, LEAVE):
                found = found._replace(payload=validated(self.payload, found.payload))
            message.envelope = found
            message.reply = handling.reply
        if not is_open or handling.envelope.type in (JOIN, LEAVE):
            roll_back_once()
        return is_open

    def has_run(self, message: Message, handling: Handling) -> bool:
        """Say whether the frame repeats one that has run."""
        return handling.has_run(self.name, self.nonce_owner(message))

    def answer_to_join(self, message: Message, group: str) -> Any:
        """Return what *may_join* returns, perhaps an awaitable."""
        return None if self.may_join is None else self.may_join(message, group)


def _sync(parts: _Parts) -> Consumer:
    @channel_session
    def handle(message: Message, handling: Handling, *args: Any, **kwargs: Any) -> None:
        found = handling.envelope
        with handling.guarded():
            if found.type == JOIN:
                may_join = functools.partial(parts.answer_to_join, message)
                handling.send(groups.join(message, found, may_join, parts.name))
            elif found.type == LEAVE:
                groups.leave(message, found)
                handling.answer("left", group=found.group)
            elif not parts.has_run(message, handling):
                handling.finish(parts.func(message, *args, **kwargs))

    @functools.wraps(parts.func)
    def inner(message: Message, *args: Any, **kwargs: Any) -> None:
        handling = Handling(message)
        with handling.ending(), handling.guarded():
            if parts.begin(message, handling):
                handle(message, handling, *args, **kwargs)

    return inner


def _async(parts: _Parts) -> Consumer:
    @channel_session
    async def handle(message: Message, handling: Handling, *args: Any, **kwargs: Any) -> None:
        found = handling.envelope
        with handling.guarded():
            if found.type == JOIN:
                may_join = functools.partial(parts.answer_to_join, message)
                handling.send(await groups.ajoin(message, found, may_join, parts.name))
            elif found.type == LEAVE:
                await groups.aleave(message, found)
                handling.answer("left", group=found.group)
            elif not await _call(parts.has_run, message, handling):
                await _call(handling.finish, await parts.func(message, *args, **kwargs))

    @functools.wraps(parts.func)
    async def inner(message: Message, *args: Any, **kwargs: Any) -> None:
        handling = Handling(message)
        async with handling.aending():
            with handling.guarded():
                if parts.begin(message, handling):
                    await handle(message, handling, *args, **kwargs)

    return inner


async def _call(step: Callable[..., Result], *args: Any) -> Result:
    """Call *step*, in a transaction of ``@once`` on the thread of its ORM."""
    return step(*args) if database_of_once() is None else await sync_to_async(step)(*args)
