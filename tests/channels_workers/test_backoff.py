import logging

import pytest

from channels_workers.backoff import Backoff, BackoffEach
from channels_workers.exceptions import LayerUnavailable
from labs.harness.waiting import wait_for

logger = logging.getLogger(__name__)


def backoff(longest: float = 5.0) -> Backoff:
    return Backoff(logger, "Waiting for messages", longest)


def test_waits_grow_to_the_maximum() -> None:
    trying = backoff(longest=1.0)
    waits = [trying.failed(OSError()) for _ in range(50)]
    for number, wait in enumerate(waits):
        full = min(1.0, 0.05 * 2.0**number)
        assert full / 2 <= wait <= full


def test_waits_are_jittered() -> None:
    waits = set()
    for _ in range(20):
        waits.add(backoff().failed(OSError()))
    assert len(waits) > 1


def test_an_outage_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    trying = backoff()
    for _ in range(3):
        trying.failed(LayerUnavailable("Nobody answers."))
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("ERROR", "Waiting for messages: Nobody answers. Trying again.")
    ]


def test_the_end_of_an_outage_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    trying = backoff()
    trying.failed(OSError())
    trying.failed(OSError())
    caplog.clear()
    trying.succeeded()
    trying.succeeded()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "Waiting for messages: works again after 2 failures.")
    ]


def test_success_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    backoff().succeeded()
    assert caplog.records == []


def test_a_new_outage_starts_with_a_short_wait_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trying = backoff()
    for _ in range(9):
        trying.failed(OSError())
    trying.succeeded()
    caplog.clear()
    assert trying.failed(OSError("Gone.")) <= 0.05
    assert len(caplog.records) == 1


def test_an_unexpected_error_is_logged_with_type_and_stack_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Some errors have no text, and a text may quote a message."""
    trying = backoff()
    for error in (TimeoutError(), TimeoutError(), KeyError("secret"), TimeoutError()):
        trying.failed(error)
    assert [record.getMessage() for record in caplog.records] == [
        "Waiting for messages: TimeoutError was raised. Trying again.",
        "Waiting for messages: KeyError was raised. Trying again.",
    ]
    assert all(record.exc_info for record in caplog.records)


def test_the_log_level_applies_only_to_outages(caplog: pytest.LogCaptureFixture) -> None:
    trying = Backoff(logger, "Looking", log_level=logging.DEBUG)
    with caplog.at_level(logging.DEBUG):
        trying.failed(LayerUnavailable("Nobody answers."))
        trying.succeeded()
        trying.failed(ValueError())
        trying.succeeded()
    levels = [record.levelname for record in caplog.records]
    assert levels == ["DEBUG", "DEBUG", "ERROR", "WARNING"]


class Action:
    """Raises *errors*, one after the other."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.done = 0

    def __call__(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.done += 1


def test_a_failure_of_one_item_delays_no_other(caplog: pytest.LogCaptureFixture) -> None:
    each = BackoffEach(logger, "Cleaning up after", 0.5)
    bad, good = Action(ValueError(), ValueError()), Action()
    assert not each.attempt("a", bad)
    assert not each.attempt("a", bad), "it waits"
    assert len(bad.errors) == 1
    assert each.attempt("b", good)
    wait_for(lambda: each.attempt("a", bad), "the next attempts")
    assert (bad.done, good.done) == (1, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "Cleaning up after a: ValueError was raised. Trying again.",
        "Cleaning up after a: works again after 2 failures.",
    ]


def test_an_outage_of_the_layer_propagates() -> None:
    each = BackoffEach(logger, "Cleaning up after")
    with pytest.raises(LayerUnavailable):
        each.attempt("a", Action(LayerUnavailable("away")))
    assert each.attempt("a", Action())


def test_failures_of_other_items_are_forgotten() -> None:
    each = BackoffEach(logger, "Cleaning up after", 600)
    assert not each.attempt("a", Action(ValueError()))
    each.keep({"b"})
    assert each.attempt("a", Action())
