"""The goals. Each is a ratio within one run, because machines differ."""

from __future__ import annotations

from collections.abc import Iterator

from labs.benchmarks.comparison.goal import Goal, Value, figure, less, ratio, whole_flood
from labs.benchmarks.comparison.plan import SIZES
from labs.benchmarks.comparison.subjects import (
    CHATS,
    COMPUTING,
    OURS,
    TWO_SERVERS,
    WAITING,
    WORKERS,
)

SERVERS = ("daphne", "uvicorn")


def ours_to(peer: str, server: str, name: str, key: str) -> Value:
    """Return a figure of our room divided by that of *peer*, under the same server."""
    own = figure(f"channels_workers, {server}", name, key)
    return ratio(own, figure(f"{peer}, {server}", name, key))


def _broadcasts() -> Iterator[Goal]:
    key = "deliveries_per_s"
    for server, least, aim in (("daphne", 0.9, 1.05), ("uvicorn", 0.7, 0.9)):
        value = ours_to("bare", server, "bc1000", key)
        yield Goal(f"bc1000 / limit, {server}", value, least, aim)
    for server, wanted in (("daphne", None), ("uvicorn", 15)):
        value = ours_to("channels4-pubsub", server, "bc1000", key)
        yield Goal(f"bc1000 / Channels 4 pub/sub, {server}", value, 4, wanted)
    key = "cpu_us_per_delivery server"
    for server, least, aim in (("daphne", 0.6, 0.4), ("uvicorn", 0.7, 0.4)):
        yield Goal(
            f"CPU time of the server per delivery, bc1000 / limit, {server}",
            ours_to("bare", server, "bc1000", key),
            least,
            aim,
            is_lower=True,
            shown=figure(f"channels_workers, {server}", "bc1000", key),
        )
    yield Goal(
        "CPU time of the server per delivery to browsers, bc1000 / limit, uvicorn",
        ours_to("bare", "uvicorn", "bc1000-deflate", key),
        0.7,
        0.4,
        is_lower=True,
        shown=figure("channels_workers, uvicorn", "bc1000-deflate", key),
    )


def _round_trips() -> Iterator[Goal]:
    key = "messages_per_s"
    for server in SERVERS:
        value = ours_to("channels4-pubsub", server, "rtt50", key)
        yield Goal(f"rtt50, 1 worker / Channels 4 pub/sub, {server}", value, 3, 4)
    value = ours_to("socketio", "uvicorn", "rtt50", key)
    yield Goal("rtt50, 1 worker / python-socketio with Redis, uvicorn", value, 1.8, 2.5)
    value = ours_to("bare", "uvicorn", "rtt50", key)
    yield Goal("rtt50, 1 worker / limit, uvicorn", value, 0.3, 0.4)
    value = ours_to("channels1", "daphne", "rtt50", key)
    yield Goal("rtt50, 1 worker / Channels 1.1.8 with session, daphne", value, 4, 5.5)
    for server in SERVERS:
        value = ours_to("channels4-pubsub", server, "rtt1", "p50_ms")
        yield Goal(f"rtt1 p50 / Channels 4 pub/sub, {server}", value, 0.95, 0.8, is_lower=True)


def _workers() -> Iterator[Goal]:
    pairs = (
        (WORKERS[:2], "two full cores, daphne", 1.15, 1.3),
        (WORKERS[2:], "two full cores, uvicorn", 1.15, 1.3),
        (WAITING, "consumers that wait 2 ms, daphne", 1.3, 1.6),
        (COMPUTING, "consumers that compute 0.5 ms, daphne", 1.15, 1.3),
    )
    for (one, two), where, least, aim in pairs:
        rates = (figure(subject.name, "rtt50", "messages_per_s") for subject in (two, one))
        yield Goal(f"rtt50 with 2 workers / with 1, {where}", ratio(*rates), least, aim)


def _cpu() -> Iterator[Goal]:
    """CPU time of all processes, which no load generator limits.

    Least, aim and limit are us of one machine (2026-11-22). Their ratios hold for any.
    """
    for what, server, name, least, aim, limit in (
        ("a message, 50 under way", "uvicorn", "rtt50", 95, 75, 21.6),
        ("a handshake", "daphne", "connect", 350, 250, 322),
        ("a handshake", "uvicorn", "connect", 230, 160, 147),
    ):
        yield Goal(
            f"CPU time of all processes for {what} / limit, {server}",
            ours_to("bare", server, name, "cpu_us all"),
            round(least / limit, 2),
            round(aim / limit, 2),
            is_lower=True,
            shown=figure(f"channels_workers, {server}", name, "cpu_us all"),
        )


def _sockets() -> Iterator[Goal]:
    for server in SERVERS:
        value = ours_to("bare", server, "connect", "server_kib_per_socket")
        yield Goal(f"KiB per idle socket / limit, {server}", value, 1.15, 1.1, is_lower=True)
    value = ours_to("bare", "uvicorn", "connect-deflate", "server_kib_per_socket")
    yield Goal("KiB per idle browser / limit, uvicorn", value, 1.15, 1.1, is_lower=True)
    for server in SERVERS:
        value = ours_to("bare", server, "connect", "connects_per_s")
        yield Goal(f"connects per second / limit, {server}", value, 0.45, 0.6)
    for server in SERVERS:
        value = whole_flood(f"channels_workers, {server}")
        what = f"flood of 2,000, {server}: messages per second"
        yield Goal(what, value, 1, 1_500, words="all, in order")


def _requests() -> Iterator[Goal]:
    for subject, clients in ((OURS, 100), (OURS, 1_000), (TWO_SERVERS, 100)):
        servers = subject.arrangement.servers
        found = figure(subject.name, f"requests{clients}", "requests_per_message")
        what = (
            f"requests to Redis per message, less the servers: {clients:,} sockets, S = {servers}"
        )
        yield Goal(what, less(found, servers), 4, 3, is_lower=True)


def _growth() -> Iterator[Goal]:
    few, many = SIZES[0], SIZES[-1]

    def grown(key: str, by: float = 1.0) -> Value:
        more = figure(OURS.name, f"grown{many}", key)
        return ratio(more, _times(figure(OURS.name, f"grown{few}", key), by))

    what = f"CPU time of the server per broadcast and socket, {many:,} sockets / {few:,}"
    yield Goal(what, grown("cpu_us server", many / few), 1.5, 1.0, is_lower=True)
    what = f"time in Redis per broadcast, {many:,} sockets / {few:,}"
    yield Goal(what, grown("redis_us_per_message"), 3, 1.5, is_lower=True)


def _times(value: Value, by: float) -> Value:
    return ratio(value, lambda results: 1 / by)


def _chats() -> Iterator[Goal]:
    ours, theirs = (figure(chat.name, "rtt50", "messages_per_s") for chat in CHATS)
    what = "chat with its database write, rtt50 / Channels 4 core with such a write, daphne"
    yield Goal(what, ratio(ours, theirs), 1.5, 2.5)


GOALS = (
    *_broadcasts(),
    *_round_trips(),
    *_workers(),
    *_cpu(),
    *_sockets(),
    *_requests(),
    *_growth(),
    *_chats(),
)
