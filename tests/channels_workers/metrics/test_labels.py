import logging

import pytest
from prometheus_client import CollectorRegistry, Counter

from channels_workers.metrics.labels import MOST_VALUES, OTHER, Children, Values


def test_values_are_bounded_and_the_first_that_is_not_shown_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    values = Values("channel")
    names = [f"board.{number}" for number in range(2 * MOST_VALUES)]
    shown = [values.bounded(name) for name in names * 2]
    assert shown == (names[:MOST_VALUES] + [OTHER] * MOST_VALUES) * 2
    [record] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "of the label channel. Further ones, such as board.200, are 'other'" in record.message


def test_children_are_those_of_the_library() -> None:
    registry = CollectorRegistry()
    metric = Counter("runs", "Runs.", ("a", "b"), registry=registry)
    children = Children(metric)
    assert children["x", "y"] is metric.labels("x", "y") is children["x", "y"]
    children["x", "y"].inc()
    assert registry.get_sample_value("runs_total", {"a": "x", "b": "y"}) == 1
