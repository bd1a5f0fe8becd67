"""The setting ``CHANNEL_WORKERS``: every key with its default and its meaning.

It is read at first use, and again whenever a test changes the setting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from channels_workers.conf_values import Connect, Http, check


@dataclass(frozen=True, slots=True)
class Configuration:
    """The values of ``CHANNEL_WORKERS``; times in seconds, sizes in bytes."""

    #: What happens when a routed connect consumer returns without an answer: ``explicit`` refuses
    #: the socket at the handshake time-out (1.0 and later), ``accept`` accepts it (before 1.0). A
    #: consumer that raises without an answer refuses the socket at once.
    CONNECT: Connect = "explicit"

    #: Who answers HTTP: ``interface``, Django in the interface process, or ``workers``. A dict
    #: chooses one for each path prefix, such as ``{"/": "interface", "/poll/": "workers"}``.
    HTTP: Http | Mapping[str, Http] = "interface"

    #: A handshake without an answer is refused (403) after this time. Keep it below the server's
    #: own time-out (Daphne: ``--websocket_connect_timeout``, 5 s), which only cuts the connection.
    HANDSHAKE_TIMEOUT: float = 4.0

    #: Handshakes under way at each interface server, those of clients that resume too; 0 for no
    #: limit. One more gets 503 with Retry-After, before any work for it.
    HANDSHAKES_AT_ONCE: int = 500

    #: Origins whose pages may open sockets, for consumers with `configured_origins_only`. Empty:
    #: those of ALLOWED_HOSTS. An entry is an origin (``https://chat.example.com``), or a host as
    #: in ALLOWED_HOSTS.
    ALLOWED_ORIGINS: Sequence[str] = ()

    #: Whether a socket whose consumer raised is closed, with 4011. Otherwise it stays open. Under
    #: DEBUG the reason of the close has the exception.
    CLOSE_ON_ERROR: bool = False

    #: How many proxies stand in front of the interface servers. The client's address is that many
    #: entries from the right of X-Forwarded-For. With 0 the header is ignored.
    TRUSTED_PROXIES: int = 0

    #: Sockets per address at each interface server; 0 for no limit. One more gets 429.
    CONNECTIONS_PER_ADDRESS: int = 0

    #: Whether clients without WebSockets may open sockets over HTTP: by server-sent events and POST
    #: requests, or by long poll.
    FALLBACKS: bool = False

    #: After how long such a client that fetches no frames counts as gone (the disconnect consumer
    #: gets the code 1006).
    FALLBACK_TIMEOUT: float = 30.0

    #: Such sockets of a server. One more gets 503.
    FALLBACK_SOCKETS: int = 10_000

    #: The largest body of an HTTP request. A larger one gets 413, and its connection is closed.
    REQUEST_BODY_SIZE: int = 1024 * 1024

    #: Bytes of the bodies of all requests of a server. A request that exceeds it gets 503.
    REQUEST_BYTES_WAITING: int = 64 * 1024 * 1024

    #: How long a client may take to connect and send the head of a request or handshake. Then its
    #: connection is cut.
    REQUEST_HEAD_TIMEOUT: float = 20.0

    #: How long a client may take to send a body. Then it gets 408, and its connection is closed.
    REQUEST_BODY_TIMEOUT: float = 60.0

    #: Concurrent HTTP requests per address at each interface server; 0 for no limit. One more gets
    #: 429.
    REQUESTS_PER_ADDRESS: int = 0

    #: Concurrent HTTP requests inside Django; 0 for no limit. Each may use a database connection.
    #: A streaming response counts for STREAMS_AT_ONCE instead.
    REQUESTS_AT_ONCE: int = 10

    #: Requests that may queue for a place inside Django; and requests that workers may have to
    #: finish yet. One more gets 503.
    REQUESTS_WAITING: int = 1_000

    #: How long a request queues for such a place, or waits for a worker that takes it. Then it gets
    #: 503.
    REQUEST_WAIT_TIMEOUT: float = 10.0

    #: How long the response of workers may take to begin; 0 for no limit. Then the client gets 503,
    #: or 502 if the method is not safe. A response that has begun is cut if no further part comes
    #: for so long after its consumer has returned, unless it is in a group or an event stream.
    RESPONSE_TIMEOUT: float = 120.0

    #: Streaming responses beside `REQUESTS_AT_ONCE`. One more keeps its place there.
    STREAMS_AT_ONCE: int = 100

    #: The share of the threads of a worker process, and at least one, that responses may hold while
    #: they wait for slow clients, or for the next part of an async stream. The next streams get
    #: 503, or 502 if the method is not safe. 1 for no limit.
    STREAM_THREADS: float = 0.5

    #: Bytes of responses that one client has not read yet. At the limit a streaming view waits.
    #: What groups send to a request by workers does not wait: its connection is cut.
    ANSWER_BYTES_WAITING: int = 8 * 1024 * 1024

    #: Bytes of responses that all clients of a server have not read yet. At the limit the
    #: connections that have not read for longest are cut.
    ALL_ANSWER_BYTES_WAITING: int = 64 * 1024 * 1024

    #: How long a client may read less than 8 KiB of a response that waits for it. Then its
    #: connection is cut.
    ANSWER_TIMEOUT: float = 30.0

    #: Log lines of one kind that clients cause, in Django, the server program and the engine. More
    #: are left out, and counted. 0 for no limit.
    LOG_LINES_PER_MINUTE: int = 20

    #: Memory for frames of one socket that wait for a worker. At the limit the server stops
    #: reading the socket, so that TCP slows the client down. Daphne and uvicorn allow that.
    READ_AHEAD: int = 64 * 1024

    #: Frames a second that one socket may send while an earlier frame runs. More are not read yet.
    #: A client that waits for each answer is never slowed. 0 for no limit.
    FRAME_RATE: int = 1_000

    #: How many frames may exceed FRAME_RATE at once.
    FRAME_BURST: int = 10_000

    #: Frames of one socket that wait for a worker, where the server cannot stop reading. One more
    #: closes the socket with 4008.
    FRAMES_WAITING: int = 10_000

    #: Bytes of these frames. More closes the socket with 4008.
    FRAME_BYTES_WAITING: int = 8 * 1024 * 1024

    #: Memory for frames of all sockets of a server that wait or run. From half of it on READ_AHEAD
    #: is 0. At the limit the socket with the most waiting frames loses them, and is closed with
    #: 4008.
    ALL_FRAME_BYTES_WAITING: int = 64 * 1024 * 1024

    #: The largest frame from a client. A larger one closes its socket with 4009.
    FRAME_SIZE: int = 256 * 1024

    #: Frames that one slow client has not read yet. One more cuts its connection (the disconnect
    #: consumer gets the code 4010). No effect under Daphne, whose `send` never waits.
    REPLIES_WAITING: int = 1_000

    #: Bytes that one slow client has not read yet, under Daphne too. More cuts its connection, as
    #: above.
    REPLY_BYTES_WAITING: int = 8 * 1024 * 1024

    #: Bytes that all clients of a server have not read yet. At the limit the clients with the most
    #: unread bytes are cut, as above. The first 64 KiB of each client do not count.
    ALL_REPLY_BYTES_WAITING: int = 128 * 1024 * 1024

    #: Memory for the newest frames sent to one resumable socket. A client that has missed more gets
    #: a gap.
    RESUME_BYTES: int = 64 * 1024

    #: Memory for these frames of all resumable sockets of a server. At the limit each keeps an
    #: equal share of it.
    ALL_RESUME_BYTES: int = 64 * 1024 * 1024

    #: Orphaned frames, of a client that has left, that may wait for a worker. Later ones are
    #: dropped.
    LEFT_FRAMES: int = 500

    #: How long orphaned frames may wait for a worker. Then they are dropped.
    LEFT_TIME: float = 60.0

    #: Orphaned frames of all sockets of a server. At the limit those of the next client that
    #: leaves are dropped.
    LEFT_FRAMES_WAITING: int = 10_000

    #: Memory of orphaned frames of all sockets of a server. At the limit those of the next client
    #: that leaves are dropped.
    LEFT_FRAME_BYTES_WAITING: int = 16 * 1024 * 1024

    #: How long the layer keeps the connection of a resumable socket whose client was lost, in whole
    #: seconds, up to a day. 0 makes no socket resumable. Give all processes the same value.
    RESUME_TIME: int = 0

    #: Connections that wait for their clients to come back: of each server, and of all servers that
    #: have ended. At the limit the oldest end.
    PARKED: int = 10_000

    #: Sends of one run of a consumer. One more raises OutboxFull in it.
    OUTBOX_OPERATIONS: int = 10_000

    #: Bytes that one run of a consumer sends. More raises OutboxFull in it.
    OUTBOX_BYTES: int = 32 * 1024 * 1024

    #: Entries in the inbox of one interface server that it has not read. A server with more lags
    #: too far behind: it is marked dead, and its clients reconnect elsewhere.
    INBOX_ENTRIES: int = 100_000

    #: Bytes of these entries. A server with more is marked dead too.
    INBOX_BYTES: int = 128 * 1024 * 1024

    #: Groups that one client of an `EnvelopeConsumer` or `@envelope` may have joined by `join`. One
    #: more is refused.
    JOINS_PER_SOCKET: int = 100

    #: How long a send outside consumers, as in a view, waits for Redis to connect, and to answer.
    #: Then it raises LayerUnavailable.
    SEND_TIMEOUT: float = 2.0

    #: How long the sends of a finished consumer are retried while a channel is full. What does not
    #: fit then is dropped and logged, and the rest is sent.
    FULL_TIMEOUT: float = 2.0

    #: After how long a running consumer is logged as `slow_consumer`, with its stack; 0 for never.
    SLOW_CONSUMER: float = 5.0

    #: How long a consumer may run; 0 for no limit. Then an `async def` consumer is cancelled. A
    #: `def` consumer is only logged, because a thread cannot be ended.
    CONSUMER_TIMEOUT: float = 0.0

    #: Functions, as dotted names, around each run of a consumer; the first is the outermost.
    MIDDLEWARE: Sequence[str] = ()

    #: The header with the id under which a proxy has a handshake or request in its log, such as
    #: ``X-Request-ID``. Lines of the log about that socket or request then have it; without the
    #: header, a new one. Empty: none.
    REQUEST_ID_HEADER: str = ""

    #: Whether processes trace messages with OpenTelemetry. Needs the extra `tracing`.
    TRACING: bool = False

    #: Whether a handshake or request continues the trace of its headers traceparent and tracestate.
    #: Set it only if a proxy of yours writes them: clients could force sampling.
    TRACING_FROM_CLIENTS: bool = False

    #: The entries of OpenTelemetry's baggage, by name, that messages pass on: up to 16 with a
    #: kilobyte in all. Handshakes and requests bring none.
    TRACING_BAGGAGE: Sequence[str] = ()

    #: How often a message runs if its worker dies each time. Then it is a dead letter.
    DELIVERIES: int = 3

    #: Exceptions, as dotted names, after which a message runs again after a pause. Nothing of the
    #: failed run goes out. Empty: none.
    RETRY_ON: Sequence[str] = ("django.db.OperationalError", "django.db.InterfaceError")

    #: How often such a message runs again before it is a dead letter. A handshake is refused when
    #: its pauses would exceed HANDSHAKE_TIMEOUT.
    RETRIES: int = 30

    #: The longest pause before such a run. The first pause is 0.05 s, and each next one twice as
    #: long. With both defaults the message is a dead letter after 52 s.
    RETRY_PAUSE: float = 2.0

    #: How long the rows of `@once`, and what tasks have sent, are kept in the database. Keep it
    #: longer than a message may wait for its second run after its worker died.
    ONCE_KEPT: float = 3600.0

    #: How many rows of `@once` are kept in each database. Of more, the oldest are deleted earlier,
    #: but none that is younger than a minute.
    ONCE_ROWS: int = 1_000_000

    #: The databases, by alias, whose stored sends workers relay: those of
    #: ``send(in_transaction=alias)``, which raises for a database that is not in this list.
    RELAY: Sequence[str] = ()

    #: How many dead letters are kept, the newest, for ``manage.py deadletters``.
    DEAD_LETTERS: int = 1_000

    #: How long a stopping worker waits for running consumers. It takes at most 4 s more to hand
    #: back their messages, to leave the layer, and to end.
    STOP_TIMEOUT: float = 25.0

    #: Over how long an interface server closes its sockets after SIGTERM, evenly; 0 closes all at
    #: once. Keep it 16 s below the time before SIGKILL.
    DRAIN_TIME: float = 10.0

    #: After how long clients of closed sockets should reconnect, as the close reason says.
    RETURN_TIME: float = 1.0

    #: Path of the liveness probe, such as ``/healthz``; empty: none.
    HEALTH_PATH: str = ""

    #: Path of the readiness probe, such as ``/readyz``; empty: none.
    READY_PATH: str = ""

    #: Path of the load of all workers as JSON, for autoscalers, such as ``/load``; empty: none.
    LOAD_PATH: str = ""

    #: The port on which each process serves its metrics for Prometheus: a number, or a range such
    #: as ``"9100-9109"``, of which a process takes the first free one. Empty: no metrics. Needs the
    #: extra ``metrics``.
    METRICS_PORT: int | str = ""

    #: The address of this port. Keep it away from clients: the loopback address, or one of a
    #: private network.
    METRICS_HOST: str = "127.0.0.1"


#: A limit for one client, and the limit for all, which must not be lower.
ONE_AND_ALL = (
    ("REQUEST_BODY_SIZE", "REQUEST_BYTES_WAITING"),
    ("ANSWER_BYTES_WAITING", "ALL_ANSWER_BYTES_WAITING"),
    ("RESUME_BYTES", "ALL_RESUME_BYTES"),
)


def _read(value: Any) -> Configuration:
    if not isinstance(value, dict):
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS must be a dict, not {type(value).__name__}: {value!r}."
        )
    known = {field.name for field in fields(Configuration)}
    if unknown := sorted(set(value) - known):
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS has the unknown key {unknown[0]!r}. "
            f"Known keys: {', '.join(sorted(known))}."
        )
    defaults = Configuration()
    for name, given in value.items():
        check(name, given, getattr(defaults, name))
    read = Configuration(**value)
    for one, for_all in ONE_AND_ALL:
        if getattr(read, for_all) < getattr(read, one):
            raise ImproperlyConfigured(
                f"CHANNEL_WORKERS[{for_all!r}] must be at least {one}, "
                f"{getattr(read, one)}, not {getattr(read, for_all)}. Raise it, or lower {one}."
            )
    return read


@cache
def configuration() -> Configuration:
    """Return the setting ``CHANNEL_WORKERS`` with its defaults.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` for an unknown key or an
    invalid value.
    """
    return _read(getattr(settings, "CHANNEL_WORKERS", {}))


def keeps_connections() -> bool:
    """Say whether sockets may be resumable: none with invalid settings, which a check reports."""
    try:
        return configuration().RESUME_TIME > 0
    except ImproperlyConfigured:
        return False


@cache
def _prefixes() -> Sequence[tuple[str, Http]]:
    """Return who answers HTTP by path prefix, the longest prefix first."""
    http = configuration().HTTP
    chosen: Mapping[str, Http] = {"/": http} if isinstance(http, str) else http
    return sorted(chosen.items(), key=lambda item: len(item[0]), reverse=True)


def http_by(path: str) -> Http:
    """Return who answers HTTP requests to *path*, which comes after the script name.

    The longest prefix decides, by whole segments: ``/poll`` is the prefix of ``/poll/new``, but not
    of ``/polls``.
    """
    prefixes = _prefixes()
    for prefix, choice in prefixes:
        if path == prefix or path.startswith(f"{prefix.rstrip('/')}/"):
            return choice
    return prefixes[-1][1]  # of no path, such as the * of OPTIONS


def http_by_workers() -> bool:
    """Say whether workers answer any HTTP requests."""
    return any(choice == "workers" for _, choice in _prefixes())


def http_by_interface() -> bool:
    """Say whether Django in the interface process answers any HTTP requests."""
    return any(choice == "interface" for _, choice in _prefixes())


def _reset(*, setting: str, **kwargs: Any) -> None:
    if setting == "CHANNEL_WORKERS":
        configuration.cache_clear()
        _prefixes.cache_clear()


setting_changed.connect(_reset)
