"""The layer of one process, for ``runserver`` and tests."""

from channels_workers.layers.memory.layer import InMemoryChannelLayer
from channels_workers.layers.memory.store import Store
from channels_workers.layers.memory.stores import Stores

__all__ = ["InMemoryChannelLayer", "Store", "Stores"]
