"""The options of a connection, with their defaults. Times are in seconds."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypedDict, TypeVar, cast

T = TypeVar("T")

#: A value, or a function or coroutine function that returns one, called for each attempt.
Source: TypeAlias = T | Callable[[], T | Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token. *expires* is a Unix time (s), for the renewal before it."""

    text: str
    expires: float | None = None


class Options(TypedDict, total=False):
    """Options of a :class:`Connection` and of a :class:`Client`."""

    #: The subprotocols to offer.
    protocols: Source[Sequence[str]]
    #: HTTP headers of the handshake, such as ``Origin`` or ``Cookie``.
    headers: Source[Mapping[str, str]]
    #: The bearer token, or what returns one. It is sent as ``Authorization: Bearer``.
    token: Source[str | Token] | None
    #: Whether to go on with the same connection over a new socket, if the server can.
    resume: bool
    #: Close codes after which it does not connect again.
    final_codes: Collection[int]
    #: HTTP statuses of refused handshakes after which it does not connect again.
    final_statuses: Collection[int]
    #: The delay of the first attempt after a loss.
    first_delay: float
    #: The longest delay.
    longest_delay: float
    #: How long a handshake may take, with the functions for its address, headers and token.
    handshake_timeout: float
    #: How often to send a ping frame, None for never.
    ping_interval: float | None
    #: How long the pong may take.
    ping_timeout: float | None
    #: How long the server may take to answer a close frame.
    close_timeout: float
    #: The largest frame to receive (bytes); a larger one closes the socket with 1009.
    frame_size: int
    #: How many messages wait for an iterator.
    queue_size: int
    #: How many bytes wait for an iterator.
    queue_bytes: int
    #: How many bytes of sent frames are kept for a resume.
    resume_bytes: int
    #: Further arguments of ``websockets.asyncio.client.connect``, such as ``ssl`` and ``proxy``.
    connect: Mapping[str, Any]


DEFAULTS: Options = {
    "protocols": (),
    "headers": {},
    "token": None,
    "resume": False,
    "final_codes": (),
    "final_statuses": (),
    "first_delay": 1.0,
    "longest_delay": 30.0,
    "handshake_timeout": 20.0,
    "ping_interval": 20.0,
    "ping_timeout": 20.0,
    "close_timeout": 5.0,
    "frame_size": 2**20,
    "queue_size": 1_000,
    "queue_bytes": 8 * 2**20,
    "resume_bytes": 2**20,
    "connect": {},
}


def with_defaults(options: Options) -> Options:
    """Return *options* with the defaults of the others; ``TypeError`` for an unknown one."""
    if unknown := sorted(set(options) - set(DEFAULTS)):
        raise TypeError(f"Unknown option {unknown[0]!r}. Known: {', '.join(sorted(DEFAULTS))}.")
    return {**DEFAULTS, **options}


async def value_of(source: Source[T]) -> T:
    """Return the value of *source*, which may be a function or a coroutine function."""
    found = source() if callable(source) else source
    return cast(T, await found if inspect.isawaitable(found) else found)
