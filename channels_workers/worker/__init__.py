"""The worker's side: threads that take messages, run consumers and commit what they did.

The names are those of Channels 1.1.8.
"""

from channels_workers.worker.group import WorkerGroup, logger
from channels_workers.worker.thread import Worker

__all__ = ["Worker", "WorkerGroup", "logger"]
