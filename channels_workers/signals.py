"""The signals of workers, with the names and arguments of Channels 1.1.8."""

from django.db import close_old_connections, reset_queries
from django.dispatch import Signal

__all__ = ["consumer_finished", "consumer_started", "worker_process_ready", "worker_ready"]

#: Sent in the worker thread before a consumer runs. Arguments: ``message``, ``consumer``, and
#: ``environ``, an empty dict. If a receiver raises, the consumer does not run, and the message
#: fails as if the consumer had raised.
consumer_started = Signal()

#: Sent in the worker thread after a consumer ran. Arguments: ``message``, ``consumer``, and
#: ``error``, the exception, or None. What a receiver raises is logged.
consumer_finished = Signal()

#: Sent by each worker thread before its first message. ``sender`` is the
#: ``channels_workers.worker.Worker``. What a receiver raises is logged.
worker_ready = Signal()

#: Sent once by ``runworker`` before its threads start. ``sender`` is the
#: ``channels_workers.worker.WorkerGroup``. What a receiver raises ends the process.
worker_process_ready = Signal()

# Django does the same around a request.
consumer_started.connect(reset_queries)
consumer_started.connect(close_old_connections)
consumer_finished.connect(close_old_connections)
