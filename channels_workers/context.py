"""The outbox of the running consumer, without the engine behind it.

The parent of worker processes loads the filter of ``LOGGING`` that reads it, and runs no consumer.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

#: The :class:`~channels_workers.outbox.Outbox` of the consumer that runs, or that has started this
#: context and ended.
current_outbox: ContextVar[Any] = ContextVar("channels_workers_outbox", default=None)
