"""The database connections of a test, which outlive the consumers that it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries

from channels_workers.signals import consumer_finished, consumer_started

_CARE = [
    (consumer_started, close_old_connections),
    (consumer_started, reset_queries),
    (consumer_finished, close_old_connections),
    # Views run in consumers.
    (request_started, close_old_connections),
    (request_finished, close_old_connections),
]


@contextmanager
def connections_left_alone() -> Iterator[None]:
    """Keep the signals around consumers from closing connections, as Django's test client does.

    ``assertNumQueries()`` goes on counting their queries.
    """
    paused = [(signal, receiver) for signal, receiver in _CARE if signal.disconnect(receiver)]
    try:
        yield
    finally:
        for signal, receiver in paused:
            signal.connect(receiver)
