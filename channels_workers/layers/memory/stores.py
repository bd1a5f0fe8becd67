"""The stores of a layer with several shards, and how tests take them away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import count
from typing import Any

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.memory.shard_data import ShardData
from channels_workers.layers.memory.store import Store

#: What of a store is no data.
NO_DATA = ("clock", "changed", "inbox_listeners", "stream_listeners", "tokens", "logged", "peers")


class Gate(threading.Condition):
    """The lock of one store; it refuses everybody while the store is away, or recovers.

    All gates of a layer share the lock of *shared*, which is told of all changes.
    """

    def __init__(self, name: str, shared: threading.Condition, lock: Any) -> None:
        super().__init__(lock)
        self._name = name
        self._shared = shared
        self.is_away = False
        self.is_recovering = False
        self._passes = False

    @property
    def is_closed(self) -> bool:
        """Whether it refuses everybody."""
        return self.is_away or self.is_recovering

    def __enter__(self) -> bool:
        super().__enter__()
        if self._passes or not self.is_closed:
            return True
        super().__exit__(None, None, None)
        why = "is away" if self.is_away else "has lost its data, and all processes register again"
        raise LayerUnavailable(f"Shard {self._name} {why}.")

    @contextmanager
    def recovery(self) -> Iterator[None]:
        """Let the caller in while the store recovers, but not while it is away."""
        with self._shared:
            recovering, self.is_recovering = self.is_recovering, False
            try:
                with self:
                    yield
            finally:
                self.is_recovering = recovering

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Let the caller in, whatever the state."""
        with self._shared:
            self._passes = True
            try:
                yield
            finally:
                self._passes = False

    def notify_all(self) -> None:
        """Wake those who wait for this store, and those who wait for any."""
        super().notify_all()
        self._shared.notify_all()


class Stores:
    """*number* stores by name, the data of a memory layer with shards.

    *clock* is as for :class:`Store`. One lock serves all, but no step writes into two of them.
    """

    def __init__(self, number: int, clock: Callable[[], float] = time.time) -> None:
        lock = threading.RLock()
        self.changed = threading.Condition(lock)
        self.names = tuple(str(position) for position in range(number))
        self.gates = {name: Gate(name, self.changed, lock) for name in self.names}
        times = iter(time.monotonic_ns, None)
        tokens = map("{:020d}-{:020d}".format, times, count(1))
        self.by_name: dict[str, Store] = {}
        #: Called after a step has logged something for other shards.
        self.logged: Callable[[], None] = lambda: None
        for name in self.names:
            store = Store(clock, self.gates[name], ShardData(name, self.names))
            store.tokens = tokens
            store.logged = self._note_logged
            self.by_name[name] = store
        for store in self.by_name.values():
            store.peers = tuple(self.by_name.values())

    def _note_logged(self) -> None:
        self.logged()

    def data(self, name: str) -> ShardData:
        """Return what a store has beside its own data."""
        shard = self.by_name[name].shard
        if shard is None:
            raise RuntimeError(f"The store {name!r} is no shard.")
        return shard

    # For tests

    def freeze(self, name: str) -> None:
        """Let a shard not answer."""
        with self.changed:
            self.gates[name].is_away = True

    def thaw(self, name: str) -> None:
        """Let a shard answer again; wake all who wait for it."""
        with self.changed:
            self.gates[name].is_away = False
            self._wake(name)
            self.logged()

    def copy(self, name: str) -> dict[str, Any]:
        """Return a copy of all data of a shard, for :meth:`lose`."""
        with self.changed:
            data = vars(self.by_name[name]).items()
            return deepcopy({key: value for key, value in data if key not in NO_DATA})

    def lose(self, name: str, copy: dict[str, Any] | None = None) -> None:
        """Let a shard lose its data, or set it back to an older *copy*; it then recovers.

        Servers register again. :meth:`recovered` ends that.
        """
        store = self.by_name[name]
        with self.gates[name].opened():
            void = self.data(name).void | {self.data(name).claim[0]}
            if copy is None:
                store.begin()
            else:
                vars(store).update(deepcopy(copy))
            self.data(name).begin_anew(is_copy=copy is not None)
            self.data(name).void = void
            self.gates[name].is_recovering = True
            self._wake(name)

    def recovered(self, name: str) -> None:
        """End the recovery of a shard: all servers had the time to register again."""
        with self.changed:
            if self.gates[name].is_recovering:
                self.data(name).find_marks()
                self.gates[name].is_recovering = False
                self._wake(name)
                self.logged()

    def _wake(self, name: str) -> None:
        self.gates[name].notify_all()
        store = self.by_name[name]
        for listener in (*store.inbox_listeners.values(), *store.stream_listeners):
            listener()
