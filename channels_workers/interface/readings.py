"""What metrics read of an interface server, at each scrape, from a thread of their own.

These are numbers that the server counts anyway, so a scrape costs its event loop nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from channels_workers.interface.http.exchanges import Exchanges
from channels_workers.interface.http.slots import Places
from channels_workers.interface.socket import Sockets
from channels_workers.layers.base import WorkerLayer


class Reading(NamedTuple):
    """The *value* of the metric *name*, with the values of its *labels* in their order."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


def of_sockets(sockets: Sockets) -> Iterator[Reading]:
    """Yield what *sockets* have counted."""
    traffic = sockets.traffic
    yield Reading("frames_received", traffic.frames_received)
    yield Reading("received_bytes", traffic.received_bytes)
    yield Reading("frames_sent", traffic.frames_sent)
    yield Reading("sent_bytes", traffic.sent_bytes)
    yield Reading("frames_waiting", sockets.backlog.frames)
    yield Reading("frames_waiting_bytes", sockets.backlog.taken)
    yield Reading("unread_bytes", sockets.unread.total)
    for state, count in dict(traffic.sockets).items():
        yield Reading("sockets", count, (state,))
    for outcome, count in dict(traffic.handshakes).items():
        yield Reading("handshakes", count, (outcome,))
    for (code, by), count in dict(traffic.closed).items():
        yield Reading("sockets_closed", count, (code, by))


def of_requests(exchanges: Exchanges, places: Places) -> Iterator[Reading]:
    """Yield what the HTTP requests have counted."""
    yield Reading("http_requests_waiting", places.waiting)
    for by, count in dict(exchanges.in_progress).items():
        yield Reading("http_requests_in_progress", count, (by,))
    for labels, count in dict(exchanges.answered).items():
        yield Reading("http_requests", count, labels)
    for reason, count in dict(exchanges.refused).items():
        yield Reading("requests_refused", count, (reason,))


def of_inbox(layer: WorkerLayer) -> Iterator[Reading]:
    """Yield what the server of this process knows of its inbox."""
    lag = layer.inbox_lag()
    if lag is not None:
        yield Reading("inbox_lag_seconds", lag)
    for kind, count in layer.inbox_operations().items():
        yield Reading("inbox_operations", count, (kind,))
