"""Removes the presence of sockets that will never get a disconnect.

A disconnect can get lost: a ``runserver`` ended together with its layer, all servers and Redis
failed at once, or the database was down until the message became a dead letter. So each worker
process compares the rows of ``Presence`` with the connections that the channel layer knows, a batch
every :data:`PAUSE` seconds.
"""

import logging
import threading
from typing import Any

from django.db import DatabaseError, InterfaceError, connections

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.logs import fields
from chat import presence, pruning
from chat.models import Presence

logger = logging.getLogger(__name__)

#: Seconds between two checks. A socket is expired when two checks in a row miss it: a server whose
#: Redis lost its data registers its sockets again in that time.
PAUSE = 15.0

#: Rows per check. A check reads more only while some of them have no connection.
ROWS = 1_000


def on_worker_ready(sender: Any, **kwargs: object) -> None:
    """Expire presence in each process whose workers run the chat."""
    if sender.number == 0 and _runs_chat(sender.router):
        PresenceExpiry(sender.channel_layer, sender.stopping).start()


def _runs_chat(router: Any) -> bool:
    from chat.consumers import ws_connect  # noqa: PLC0415  (consumers are imported late)

    return any(getattr(one, "consumer", None) is ws_connect for one in router.root.routing)


class PresenceExpiry:
    """A thread that removes rows without a connection of ``layer`` until ``stopping`` is set."""

    def __init__(self, layer: WorkerLayer, stopping: threading.Event) -> None:
        self.layer = layer
        self.stopping = stopping
        self.thread = threading.Thread(target=self.run, name="expire_presence", daemon=True)
        self._after = 0  # id of the last compared row
        self._missing: set[str] = set()
        self._is_failing = False

    def start(self) -> None:
        """Start the thread. It checks at once."""
        self.thread.start()

    def run(self) -> None:
        """Check until the worker stops."""
        while not self.stopping.is_set():
            try:
                self.check()
            except (DatabaseError, InterfaceError, LayerUnavailable) as error:
                self._log_failure(error)
            except Exception:
                logger.exception("Expiring presence failed", extra=fields("sweep_failed"))
            else:
                self._is_failing = False
            finally:
                connections.close_all()
            self.stopping.wait(PAUSE)

    def _log_failure(self, error: Exception) -> None:
        if not self._is_failing:
            text = "Presence in rooms was not checked: %s Trying again every %g s."
            logger.warning(text, error, PAUSE, extra=fields("sweep_failed"))
        self._is_failing = True

    def check(self) -> None:
        """Expire sockets that two checks in a row missed, then compare the next rows."""
        self._expire(self._gone(self._missing))
        self._missing = self._next_missing()
        if self.layer.local_only:  # servers never register again
            self._expire(self._missing)
        pruning.now_and_then()

    def _next_missing(self) -> set[str]:
        missing: set[str] = set()
        while True:
            # Rows first: each row is younger than its connection.
            found = Presence.objects.filter(pk__gt=self._after).order_by("pk")
            rows = list(found.values_list("pk", "reply_channel")[:ROWS])
            gone = self._gone({channel for _, channel in rows})
            missing |= gone
            self._after = rows[-1][0] if len(rows) == ROWS else 0
            if not gone or not self._after:
                return missing

    def _gone(self, channels: set[str]) -> set[str]:
        return channels - self.layer.connected(channels) if channels else set()

    def _expire(self, channels: set[str]) -> None:
        known = Presence.objects.filter(reply_channel__in=channels)
        left = list(known.values_list("reply_channel", flat=True)) if channels else []
        for channel in left:
            presence.leave(channel)
        if left:
            text = "Removed %d sockets from their rooms: they ended without a disconnect"
            logger.warning(text, len(left), extra=fields("sockets_swept"))
