"""The layer of one process: for ``runserver``, unit tests and property tests."""

from channels_workers.layers.memory.layer import InMemoryChannelLayer
from channels_workers.layers.memory.store import Store

__all__ = ["InMemoryChannelLayer", "Store"]
