"""Values of labels: each new one is another time series, so their number has a limit."""

from __future__ import annotations

import logging
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram

from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How many values one label takes. Further ones fall to :data:`OTHER`.
MOST_VALUES = 200

OTHER = "other"

#: The buckets of all histograms of times (s).
SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)

Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)


class Children(dict[tuple[str, ...], Instrument]):
    """The children of *metric* by the values of its labels; ``children["a", "b"]`` makes one.

    The library would look a child up under a lock. Give it bounded values only.
    """

    def __init__(self, metric: Instrument) -> None:
        super().__init__()
        self._metric: Instrument = metric

    def __missing__(self, values: tuple[str, ...]) -> Instrument:
        child: Instrument = self._metric.labels(*values)
        self[values] = child
        return child


class Values:
    """The values of the label *label*, up to :data:`MOST_VALUES`."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._known: set[str] = set()
        self._is_told = False

    def bounded(self, value: str) -> str:
        """Return *value*, or :data:`OTHER` if there are too many; the first such one is logged."""
        if value in self._known:
            return value
        if len(self._known) < MOST_VALUES:
            self._known.add(value)
            return value
        if not self._is_told:
            self._is_told = True
            text = "Metrics have %d values of the label %s. Further ones, such as %s, are %r"
            extra = fields("metrics_bounded")
            logger.warning(text, MOST_VALUES, self._label, value, OTHER, extra=extra)
        return OTHER
