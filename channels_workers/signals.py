"""The signals of workers, with the names and arguments of Channels 1.1.8."""

from django.db import close_old_connections, reset_queries
from django.dispatch import Signal

__all__ = ["consumer_finished", "consumer_started", "worker_process_ready", "worker_ready"]

#: Sent before a consumer runs; arguments: ``environ`` (always an empty dict).
consumer_started = Signal()

#: Sent after a consumer ran, whether it raised or not; no arguments.
consumer_finished = Signal()

#: Sent by each worker thread before its first message; ``sender`` is the worker.
worker_ready = Signal()

#: Sent once by ``runworker`` before its threads start; ``sender`` is the worker group.
worker_process_ready = Signal()

# Django does the same around a request.
consumer_started.connect(reset_queries)
consumer_started.connect(close_old_connections)
consumer_finished.connect(close_old_connections)
