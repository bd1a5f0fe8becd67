"""The signals of workers, with the names and arguments of Channels 1.1.8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import close_old_connections, reset_queries
from django.dispatch import Signal

from channels_workers.databases import here

__all__ = ["consumer_finished", "consumer_started", "worker_process_ready", "worker_ready"]

#: What Django does around a request, it does around a consumer, too.
CARE = (reset_queries, close_old_connections)


class ConsumerSignal(Signal):
    """A signal around a consumer.

    The receivers that look after databases cost a quarter of a message. They are left out on a
    thread that never had a connection, as long as nobody else has connected a receiver.
    """

    _is_heard = False

    def connect(
        self,
        receiver: Callable[..., Any],
        sender: object = None,
        weak: bool = True,
        dispatch_uid: object = None,
    ) -> None:
        """Connect *receiver*, as :meth:`django.dispatch.Signal.connect` does."""
        self._is_heard = self._is_heard or receiver not in CARE
        super().connect(receiver, sender, weak, dispatch_uid)

    def send(self, sender: Any, **named: Any) -> list[tuple[Any, Any]]:
        """Call the receivers; the first error ends this."""
        return super().send(sender, **named) if self._is_heard or here.databases else []

    def send_robust(self, sender: Any, **named: Any) -> list[tuple[Any, Any]]:
        """Call the receivers, and return their errors, too."""
        return super().send_robust(sender, **named) if self._is_heard or here.databases else []


#: Sent in the worker thread before a consumer runs. Arguments: ``message``, ``consumer``, and
#: ``environ``, an empty dict. If a receiver raises, the consumer does not run, and the message
#: fails as if the consumer had raised.
consumer_started = ConsumerSignal()

#: Sent in the worker thread after a consumer ran. Arguments: ``message``, ``consumer``, and
#: ``error``, the exception, or None. What a receiver raises is logged.
consumer_finished = ConsumerSignal()

#: Sent by each worker thread before its first message. ``sender`` is the
#: ``channels_workers.worker.Worker``. What a receiver raises is logged.
worker_ready = Signal()

#: Sent once by ``runworker`` before its threads start. ``sender`` is the
#: ``channels_workers.worker.WorkerGroup``. What a receiver raises ends the process.
worker_process_ready = Signal()

consumer_started.connect(reset_queries)
consumer_started.connect(close_old_connections)
consumer_finished.connect(close_old_connections)
