"""The clock of a layer with shards, whose Redis have one each."""

from __future__ import annotations

from collections.abc import Iterable

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.clock import LayerClock


class ShardsClock(LayerClock):
    """Reads all *clocks*, and takes the first that is known for those of ids without a shard.

    So ages are as wrong as the hosts of Redis differ, which NTP keeps to some milliseconds.
    """

    def __init__(self, clocks: Iterable[LayerClock]) -> None:
        super().__init__(float)  # not asked: each has its own question
        self._clocks = tuple(clocks)

    def keep(self) -> None:
        """Ask all shards for their time every few seconds from now on."""
        for clock in self._clocks:
            clock.keep()

    def read(self) -> None:
        """Ask each shard for its time once; raise the error if none answers."""
        failure, answered = None, False
        for clock in self._clocks:
            try:
                clock.read()
                answered = True
            except LayerUnavailable as error:
                failure = error
        if failure is not None and not answered:
            raise failure

    def error(self) -> float | None:
        """Return by how much an age may be wrong (s); None while no clock is known."""
        return max(
            (found for each in self._clocks if (found := each.error()) is not None), default=None
        )

    def age(self, token: str, now: float | None = None) -> float | None:
        """Return how old what has *token* is (s), by the first clock that is known."""
        ages = (clock.age(token, now) for clock in self._clocks)
        return next((age for age in ages if age is not None), None)
