"""The layer of one process, for ``runserver`` and tests."""

from channels_workers.layers.memory.layer import InMemoryChannelLayer
from channels_workers.layers.memory.store import Store

__all__ = ["InMemoryChannelLayer", "Store"]
