"""A worker process's ledger of deliveries."""

import time

import pytest

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.types import Delivery, Finished
from channels_workers.worker.in_flight import Backlog, InFlight
from channels_workers.worker.retry_queue import RetryQueue


def delivery(token: str, deaths: int = 0) -> Delivery:
    return Delivery("background", token, "worker", f"id {token}", b"", deaths=deaths)


@pytest.fixture
def in_flight() -> InFlight:
    return InFlight(2, RetryQueue(lambda found, error: None))


# The ledger


def test_the_longest_waiting_delivery_is_next(in_flight: InFlight) -> None:
    first, second = in_flight.slots
    in_flight.backlog.add([delivery("a"), delivery("b")])
    assert in_flight.next(first) == first.running == delivery("a")
    assert in_flight.next(second) == second.running == delivery("b")
    assert in_flight.next(first) is first.running is None


def test_a_delivery_pulled_alone_runs_at_once(in_flight: InFlight) -> None:
    slot = in_flight.slots[0]
    assert in_flight.next_of([delivery("a")], 1, slot) == slot.running == delivery("a")
    assert in_flight.backlog.all() == []


def test_a_new_delivery_waits_for_earlier_ones(in_flight: InFlight) -> None:
    slot = in_flight.slots[0]
    in_flight.backlog.add([delivery("a")])
    assert in_flight.next_of([delivery("b")], 1, slot) == delivery("a")
    assert in_flight.backlog.all() == [delivery("b")]


def test_quarantined_messages_run_one_at_a_time(in_flight: InFlight) -> None:
    first, second = in_flight.slots
    one, two = delivery("a", deaths=1), delivery("b", deaths=1)
    assert in_flight.next_of([one], 1, first) == one
    assert in_flight.next_of([two], 1, second) is second.running is None
    assert in_flight.quarantined.all() == [two]
    assert in_flight.next_of([delivery("c")], 1, second) == delivery("c")
    in_flight.end_quarantine()
    assert in_flight.next(first) == two


def test_deliveries_in_every_state_are_in_the_ledger(in_flight: InFlight) -> None:
    first, second = in_flight.slots
    in_flight.backlog.add([delivery("backlog")])
    in_flight.quarantined.add([delivery("quarantined")])
    in_flight.uncommitted.add([delivery("uncommitted")])
    first.running = delivery("running")
    second.finished.append(Finished(delivery("finished")))
    places = {"backlog", "quarantined", "uncommitted", "running", "finished"}
    assert {each.token for each in in_flight.all()} == places
    found = [delivery("finished"), delivery("new"), delivery("before")]
    assert in_flight.unknown(found, [delivery("before")]) == [delivery("new")]


def test_it_is_crowded_while_deliveries_wait_for_a_thread(in_flight: InFlight) -> None:
    assert not in_flight.is_crowded
    in_flight.slots[0].finished.append(Finished(delivery("a")))
    assert in_flight.is_crowded
    in_flight.slots[0].finished.clear()
    in_flight.backlog.add([delivery("a")])
    assert in_flight.is_crowded


# The backlog


def test_a_delivery_that_cannot_be_settled_keeps_its_position_and_delays_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    waiting, seen = Backlog(), []

    def act(found: Delivery) -> None:
        assert found in waiting.all()
        if found.token in "ac":
            raise ValueError(found.token)
        seen.append(found.token)

    waiting.add(map(delivery, "abcd"))
    waiting.settle(act)
    assert seen == ["b", "d"]
    assert [each.token for each in waiting.all()] == ["a", "c"]
    assert "Handing back id a on background: ValueError was raised." in caplog.text


def test_an_outage_leaves_all_deliveries_in_position() -> None:
    waiting = Backlog()

    def act(found: Delivery) -> None:
        if found.token == "b":
            raise LayerUnavailable("away")

    waiting.add(map(delivery, "abc"))
    with pytest.raises(LayerUnavailable):
        waiting.settle(act)
    assert [each.token for each in waiting.all()] == ["b", "c"]


def test_only_due_deliveries_are_settled() -> None:
    waiting, seen = Backlog(), []
    waiting.add([delivery("now")])
    waiting.add([delivery("later")], lease=600)
    waiting.settle(lambda found: seen.append(found.token), time.monotonic())
    assert seen == ["now"]
