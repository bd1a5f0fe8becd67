"""Deliveries that wait for their next run."""

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.types import Delivery
from channels_workers.worker import retries, retry_queue
from channels_workers.worker.retries import wait_before_run
from channels_workers.worker.retry_queue import RetryQueue
from labs.harness.waiting import wait_for

TIMEOUT = 60.0


def delivery(token: str, attempts: int = 0) -> Delivery:
    return Delivery("background", token, "worker", f"id {token}", b"", attempts=attempts)


class PutBack:
    """Records what is put back, and when. It fails `failures` times."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.times: list[float] = []
        self.failures = 0
        self.refused: set[str] = set()
        self.held: list[bool] = []
        self.queue = RetryQueue(self)

    def __call__(self, found: Delivery, error: BaseException | None) -> None:
        self.held.append(found in self.queue.all())
        if self.failures:
            self.failures -= 1
            raise LayerUnavailable("The layer is away.")
        if found.token in self.refused:
            raise ValueError(found.token)
        self.tokens.append(found.token)
        self.times.append(time.monotonic())


@pytest.fixture
def put_back() -> Iterator[PutBack]:
    put_back = PutBack()
    yield put_back
    put_back.queue.stop()


def test_waits_grow() -> None:
    waits = [wait_before_run(delivery("a", attempts)) for attempts in range(8)]
    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
    assert wait_before_run(delivery("a", 5_000)) == 1.0


def test_deliveries_are_requeued_after_their_waits(put_back: PutBack) -> None:
    begin = time.monotonic()
    for token, attempts in (("last", 3), ("first", 0), ("second", 2)):
        put_back.queue.add(delivery(token, attempts))
    wait_for(lambda: len(put_back.tokens) == 3, "all three")
    assert put_back.tokens == ["first", "second", "last"]
    waited = [moment - begin for moment in put_back.times]
    assert all(wait >= least for wait, least in zip(waited, (0.05, 0.2, 0.4), strict=True))


def test_a_later_delivery_may_be_due_first(put_back: PutBack) -> None:
    put_back.queue.add(delivery("later", 4))
    put_back.queue.add(delivery("sooner"))
    wait_for(lambda: put_back.tokens == ["sooner"], "the one with the shorter wait")
    assert delivery("later", 4) in put_back.queue.all()
    assert delivery("sooner") not in put_back.queue.all()


def test_a_delivery_stays_in_the_queue_until_it_is_requeued(put_back: PutBack) -> None:
    put_back.queue.add(delivery("a"))
    wait_for(lambda: put_back.tokens == ["a"], "it")
    assert put_back.held == [True]
    wait_for(lambda: delivery("a") not in put_back.queue.all(), "its end")


def test_an_outage_is_logged_and_retried(
    put_back: PutBack, caplog: pytest.LogCaptureFixture
) -> None:
    put_back.failures = 2
    with caplog.at_level(logging.WARNING):
        put_back.queue.add(delivery("a"))
        wait_for(lambda: "works again" in caplog.text, "the end of the failures")
    assert put_back.tokens == ["a"]
    assert caplog.text.count("Putting messages back: The layer is away.") == 1


def test_a_failed_requeue_delays_no_other(
    put_back: PutBack, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_queue, "LONGEST_PAUSE", 0.1)
    put_back.refused = {"bad"}
    for token in ("bad", "a", "b"):
        put_back.queue.add(delivery(token))
    wait_for(lambda: set(put_back.tokens) == {"a", "b"}, "the others")
    assert put_back.queue.all() == [delivery("bad")]
    put_back.refused = set()
    wait_for(lambda: "bad" in put_back.tokens, "the bad one")
    assert "Putting back id bad on background: ValueError was raised." in caplog.text


def test_stopping_requeues_everything_at_once_and_ends_the_thread(
    put_back: PutBack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "LONGEST_WAIT", 600.0)
    monkeypatch.setattr(retries, "FIRST_WAIT", 600.0)
    before = threading.active_count()
    for token in ("a", "b"):
        put_back.queue.add(delivery(token))
    assert threading.active_count() == before + 1
    put_back.queue.stop()
    assert put_back.tokens == ["a", "b"]
    assert threading.active_count() == before


def test_an_empty_queue_has_no_thread(put_back: PutBack) -> None:
    before = threading.active_count()
    put_back.queue.stop()
    RetryQueue(put_back).stop()
    assert threading.active_count() == before


def test_a_failure_while_stopping_propagates(put_back: PutBack) -> None:
    put_back.failures = 1
    put_back.queue.stop()
    put_back.queue.add(delivery("a"))
    with pytest.raises(LayerUnavailable, match="The layer is away"):
        put_back.queue.stop()
