"""The threads of a worker process that relay stored sends."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import suppress

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections

from channels_workers import tables
from channels_workers.backoff import Backoff
from channels_workers.concurrency.threads import Duty
from channels_workers.conf import configuration
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.logs import fields
from channels_workers.registry import get_channel_layer
from channels_workers.relay.relay import Relay

logger = logging.getLogger(__name__)

#: The interval of looks without a nudge (s).
LOOK_INTERVAL = 1.0

#: How long a relay lets servers register again, once a layer that was away answers (s).
SETTLING = 5.0


class Relays:
    """A thread for each database of ``RELAY`` and each layer of ``CHANNEL_LAYERS``."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self.threads = [
            Duty(f"relay of {relay.using} to {relay.alias}", _Thread(relay, self._ended).run)
            for relay in _relays(self._ended)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        """Let them end after what they are sending."""
        self._ended.set()

    def stop(self, deadline: float = math.inf) -> bool:
        """Stop; return whether all ended by *deadline* (monotonic seconds)."""
        self.end()
        return all(thread.ends_by(deadline) for thread in self.threads)


def _relays(ended: threading.Event) -> Iterator[Relay]:
    for using in dict.fromkeys(configuration().RELAY):
        if using in connections:  # a check reports others
            for alias, layer in _layers():
                yield Relay(using, layer, alias, ended)


def _layers() -> Iterator[tuple[str, WorkerLayer]]:
    for alias in getattr(settings, "CHANNEL_LAYERS", {}):
        try:
            yield alias, get_channel_layer(alias)
        except ImproperlyConfigured:
            continue  # Channel and Group refuse it, too


class _Thread:
    """Lets *relay* look when it is nudged, and each second, until *ended* is set."""

    def __init__(self, relay: Relay, ended: threading.Event) -> None:
        self._relay = relay
        self._ended = ended
        what = f"Relaying the sends that are stored in {relay.using!r}"
        # The heartbeat meets the same outage of the layer and logs it.
        self._attempts = Backoff(logger, what, LOOK_INTERVAL, log_level=logging.DEBUG)
        self._lacks_table = False
        self._has_lost_layer = False

    def run(self) -> None:
        """Look until the end."""
        relay = self._relay
        while not self._ended.is_set():
            try:
                if self._has_lost_layer:  # its servers may have to register their groups again
                    relay.claim()
                    self._has_lost_layer = False
                    self._ended.wait(SETTLING)
                is_ours = relay.look()
                self._succeeded()
                if is_ours:
                    relay.layer.relays.wait(relay.using, LOOK_INTERVAL)
                    continue
                wait = LOOK_INTERVAL
            except Exception as error:  # noqa: BLE001  (logged; the relay must go on)
                wait = self._failed(error)
            # Another relay uses the database, or this connection may be broken.
            connections[relay.using].close()
            self._ended.wait(wait)
        self._release()
        connections[relay.using].close()

    def _succeeded(self) -> None:
        self._attempts.succeeded()
        self._lacks_table = False

    def _failed(self, error: Exception) -> float:
        """Log *error* once, let others try, and return how long to wait (s)."""
        self._has_lost_layer |= isinstance(error, LayerUnavailable)
        if not isinstance(error, LayerUnavailable):
            self._release()
        if isinstance(error, DatabaseError) and self._is_table_missing():
            return LOOK_INTERVAL
        return self._attempts.failed(error)

    def _is_table_missing(self) -> bool:
        using = self._relay.using
        is_missing = not tables.has_table(using, tables.model("RelayedDatabase"))
        if is_missing and not self._lacks_table:
            logger.error(
                "The database %r has no table for stored sends. Run `%s`.",
                using,
                tables.migrate_command(using),
                extra=fields("table_missing"),
            )
        self._lacks_table = is_missing
        return is_missing

    def _release(self) -> None:
        with suppress(LayerUnavailable):  # the claim ends by itself
            self._relay.release()
