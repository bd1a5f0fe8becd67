"""The setting ``CHANNEL_WORKERS``: every key with its default and its meaning.

Read late, at first use, and again whenever a test changes the setting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal, get_args

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

Connect = Literal["explicit", "accept"]
Http = Literal["interface"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The values of ``CHANNEL_WORKERS``; times in seconds, sizes in bytes."""

    #: A routed connect consumer that returns without an answer: ``explicit`` refuses the
    #: socket at the handshake time-out (1.0 and later), ``accept`` accepts it (before 1.0).
    CONNECT: Connect = "explicit"

    #: Who answers HTTP: Django in the interface process.
    HTTP: Http = "interface"

    #: A handshake without an answer is refused (403) after this time. Keep it below the
    #: server's own (Daphne: ``--websocket_connect_timeout``, 5 s), which only cuts the line.
    HANDSHAKE_TIMEOUT: float = 4.0

    #: Origins of the pages that may open sockets whose consumer has `configured_origins_only`;
    #: without any, those of ALLOWED_HOSTS. An entry is an origin (``https://chat.example.com``), or
    #: a host as in ALLOWED_HOSTS.
    ALLOWED_ORIGINS: Sequence[str] = ()

    #: How many proxies stand before the interface servers; from so many entries at the right of
    #: X-Forwarded-For the client's address is taken. With 0 the header is not looked at.
    TRUSTED_PROXIES: int = 0

    #: Sockets that one address may have at each interface server; 0 for no limit. One more is
    #: refused: 429 under uvicorn, 403 under Daphne.
    CONNECTIONS_PER_ADDRESS: int = 0

    #: The largest body of an HTTP request; a larger one is answered 413, and the line is closed.
    REQUEST_BODY_SIZE: int = 1024 * 1024

    #: Bytes of the bodies of all requests of a server; a request that brings more is answered 503.
    REQUEST_BYTES_WAITING: int = 64 * 1024 * 1024

    #: How long a client may take to send the head of a request or of a handshake, from when it
    #: connects. Its line is cut then.
    REQUEST_HEAD_TIMEOUT: float = 20.0

    #: How long it may take to send the body; it is answered 408 then, and the line is closed.
    REQUEST_BODY_TIMEOUT: float = 60.0

    #: HTTP requests of one address that are under way at each interface server; 0 for no limit.
    #: One more is answered 429.
    REQUESTS_PER_ADDRESS: int = 0

    #: HTTP requests that are inside Django at once; 0 for no limit. Each may have a connection to
    #: the database. One whose answer streams counts below instead.
    REQUESTS_AT_ONCE: int = 10

    #: Requests that may wait for a place inside Django; one more is answered 503.
    REQUESTS_WAITING: int = 1_000

    #: How long a request waits for such a place, before it is answered 503.
    REQUEST_WAIT_TIMEOUT: float = 10.0

    #: Answers that may stream beside `REQUESTS_AT_ONCE`; one more keeps its place there.
    STREAMS_AT_ONCE: int = 100

    #: Bytes of answers that may wait for one client to read them; then the view that streams waits.
    ANSWER_BYTES_WAITING: int = 8 * 1024 * 1024

    #: Bytes of answers that may wait for all clients of a server; with more, the lines of those
    #: that have not read for longest are cut.
    ALL_ANSWER_BYTES_WAITING: int = 64 * 1024 * 1024

    #: How long a client may read less than 8 KiB of an answer that waits for it, before its line is
    #: cut.
    ANSWER_TIMEOUT: float = 30.0

    #: Lines of one kind that clients cause in the logs of Django and of the server program; more of
    #: them are left out, and counted. 0 for no limit.
    LOG_LINES_PER_MINUTE: int = 20

    #: Frames of one socket that may wait for a worker; one more closes it with 4008.
    FRAMES_WAITING: int = 10_000

    #: Bytes of the frames of one socket that may wait for a worker; more closes it with 4008.
    FRAME_BYTES_WAITING: int = 8 * 1024 * 1024

    #: The largest frame taken from a client; a larger one closes its socket with 4009.
    FRAME_SIZE: int = 256 * 1024

    #: Frames for one client that may wait because it reads slowly; one more cuts its line (the
    #: disconnect consumer gets the code 4010). Under Daphne none waits here: its `send` takes all.
    REPLIES_WAITING: int = 1_000

    #: Bytes of the frames for one client that may wait because it reads slowly, under Daphne too;
    #: more cuts its line, as above.
    REPLY_BYTES_WAITING: int = 8 * 1024 * 1024

    #: Frames of clients that have left which may wait for a worker, over all sockets of a server;
    #: with more, those of the client that leaves next are dropped.
    LEFT_FRAMES_WAITING: int = 100_000

    #: Sends, joins and leaves of one consumer; one more raises OutboxFull in it.
    OUTBOX_OPERATIONS: int = 10_000

    #: Bytes of what one consumer sends; more raises OutboxFull in it.
    OUTBOX_BYTES: int = 32 * 1024 * 1024

    #: Entries for one interface server that it has not read; one with more counts as dead: it is
    #: too slow to live, and its clients come back elsewhere.
    INBOX_ENTRIES: int = 100_000

    #: Bytes of these entries; one with more counts as dead too.
    INBOX_BYTES: int = 128 * 1024 * 1024

    #: How long a finished consumer's sends are tried again while a channel is full; what
    #: does not fit then is dropped and logged, and the rest is sent.
    FULL_TIMEOUT: float = 2.0

    #: How often a message is handed out whose worker dies each time, before it is given up.
    DELIVERIES: int = 3

    #: How many messages that were given up are kept, the newest, for ``manage.py deadletters``.
    DEAD_LETTERS: int = 1_000

    #: How long a stopping worker waits for the consumers under way.
    STOP_TIMEOUT: float = 25.0

    #: Over how long an interface server closes its sockets after SIGTERM, evenly; 0 closes all at
    #: once. Keep it 16 s below the time after which the server would be killed.
    DRAIN_TIME: float = 10.0

    #: When a client whose socket such a server has closed is told to come back, counted from then.
    RETURN_TIME: float = 1.0

    #: The path where an interface server says that it is alive, such as ``/healthz``; empty: none.
    HEALTH_PATH: str = ""

    #: The path where it says whether sockets are served, such as ``/readyz``; empty: none.
    READY_PATH: str = ""


#: Numbers that may be 0.
MAY_BE_ZERO = (
    *("DRAIN_TIME", "RETURN_TIME", "TRUSTED_PROXIES", "CONNECTIONS_PER_ADDRESS"),
    *("REQUESTS_PER_ADDRESS", "REQUESTS_AT_ONCE", "LOG_LINES_PER_MINUTE"),
)

#: A limit for one, and the limit for all, which must not be less.
ONE_AND_ALL = (
    ("REQUEST_BODY_SIZE", "REQUEST_BYTES_WAITING"),
    ("ANSWER_BYTES_WAITING", "ALL_ANSWER_BYTES_WAITING"),
)


def _read(value: Any) -> Configuration:
    if not isinstance(value, dict):
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS must be a dict, not {type(value).__name__}: {value!r}."
        )
    known = {field.name for field in fields(Configuration)}
    if unknown := sorted(set(value) - known):
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS has the unknown key {unknown[0]!r}; "
            f"known are {', '.join(sorted(known))}."
        )
    for name, given in value.items():
        _check(name, given)
    read = Configuration(**value)
    for one, for_all in ONE_AND_ALL:
        if getattr(read, for_all) < getattr(read, one):
            raise ImproperlyConfigured(
                f"CHANNEL_WORKERS[{for_all!r}] must be at least {one}, "
                f"{getattr(read, one)}, not {getattr(read, for_all)}. Raise it, or lower {one}."
            )
    return read


def _check(name: str, given: Any) -> None:
    choices = {"CONNECT": get_args(Connect), "HTTP": get_args(Http)}.get(name)
    if choices is not None:
        if given not in choices:
            allowed = " or ".join(map(repr, choices))
            raise ImproperlyConfigured(
                f"CHANNEL_WORKERS[{name!r}] must be {allowed}, not {given!r}."
            )
        return
    default = getattr(Configuration(), name)
    if isinstance(default, str):
        _check_path(name, given)
    elif isinstance(default, tuple):
        _check_texts(name, given)
    else:
        _check_number(name, given, is_whole=isinstance(default, int))


def _check_texts(name: str, given: Any) -> None:
    if not isinstance(given, list | tuple) or not all(isinstance(item, str) for item in given):
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS[{name!r}] must be a list of texts, such as "
            f'["https://chat.example.com"], not {given!r}.'
        )


def _check_path(name: str, given: Any) -> None:
    if not isinstance(given, str) or not (given == "" or given.startswith("/")):
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS[{name!r}] must be a path that begins with a slash, such as "
            f"'/healthz', or '' for none, not {given!r}."
        )


def _check_number(name: str, given: Any, *, is_whole: bool) -> None:
    fits = isinstance(given, int if is_whole else int | float) and not isinstance(given, bool)
    is_zero = fits and given == 0 and name in MAY_BE_ZERO
    if not fits or not (is_zero or 0 < given < math.inf):
        kind = "a whole number" if is_whole else "a number"
        least = "of at least 0" if name in MAY_BE_ZERO else "above 0"
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS[{name!r}] must be {kind} {least}, not {given!r}."
        )


@cache
def configuration() -> Configuration:
    """Return the setting ``CHANNEL_WORKERS`` with its defaults.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` for an unknown
    key or a value that does not fit.
    """
    return _read(getattr(settings, "CHANNEL_WORKERS", {}))


def _reset(*, setting: str, **kwargs: Any) -> None:
    if setting == "CHANNEL_WORKERS":
        configuration.cache_clear()


setting_changed.connect(_reset)
