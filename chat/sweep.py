"""Takes sockets out of their rooms that no disconnect will come of any more.

A disconnect may be lost: a ``runserver`` ended with its layer, all servers and Redis were lost at
once, or the database was away for so long that the message was given up. So each worker process
compares the rows of ``Presence`` with the connections that the channel layer knows, a part of them
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

#: How long (s) between two looks. What is gone at two looks one after the other is gone: a server
#: whose Redis lost its data registers its sockets again within that.
PAUSE = 15.0

#: How many rows are compared at one look; more only while some of them are gone.
ROWS = 1_000


def on_worker_ready(sender: Any, **kwargs: object) -> None:
    """Sweep in each process whose workers run the chat."""
    if sender.number == 0 and _runs_chat(sender.router):
        Sweeper(sender.channel_layer, sender.stopping).start()


def _runs_chat(router: Any) -> bool:
    from chat.consumers import ws_connect  # noqa: PLC0415  (consumers are imported late)

    return any(getattr(one, "consumer", None) is ws_connect for one in router.root.routing)


class Sweeper:
    """Looks for rows without a connection of ``layer``, in a thread, until ``stopping``."""

    def __init__(self, layer: WorkerLayer, stopping: threading.Event) -> None:
        self.layer = layer
        self.stopping = stopping
        self.thread = threading.Thread(target=self.run, name="sweeper", daemon=True)
        self._after = 0  # the id of the row that was compared last
        self._suspects: set[str] = set()
        self._is_failing = False

    def start(self) -> None:
        """Begin; the first look is now."""
        self.thread.start()

    def run(self) -> None:
        """Look until the worker stops."""
        while not self.stopping.is_set():
            try:
                self.look()
            except (DatabaseError, InterfaceError, LayerUnavailable) as error:
                self._say(error)
            except Exception:
                logger.exception("Sweeping failed", extra=fields("sweep_failed"))
            else:
                self._is_failing = False
            finally:
                connections.close_all()
            self.stopping.wait(PAUSE)

    def _say(self, error: Exception) -> None:
        if not self._is_failing:
            text = "Who is in the rooms was not looked at: %s Trying again every %g s."
            logger.warning(text, error, PAUSE, extra=fields("sweep_failed"))
        self._is_failing = True

    def look(self) -> None:
        """Take out those that were gone at the last look and still are; compare the next rows."""
        self._take_out(self._gone(self._suspects))
        self._suspects = self._next_suspects()
        if self.layer.local_only:  # nobody registers again
            self._take_out(self._suspects)
        pruning.now_and_then()

    def _next_suspects(self) -> set[str]:
        suspects: set[str] = set()
        while True:
            # Rows first: each of them was made after its connection had begun.
            found = Presence.objects.filter(pk__gt=self._after).order_by("pk")
            rows = list(found.values_list("pk", "reply_channel")[:ROWS])
            gone = self._gone({channel for _, channel in rows})
            suspects |= gone
            self._after = rows[-1][0] if len(rows) == ROWS else 0
            if not gone or not self._after:
                return suspects

    def _gone(self, channels: set[str]) -> set[str]:
        return channels - self.layer.connected(channels) if channels else set()

    def _take_out(self, channels: set[str]) -> None:
        known = Presence.objects.filter(reply_channel__in=channels)
        left = list(known.values_list("reply_channel", flat=True)) if channels else []
        for channel in left:
            presence.leave(channel)
        if left:
            text = "%d sockets are taken out of their rooms: they ended, and no disconnect was run"
            logger.warning(text, len(left), extra=fields("sockets_swept"))
