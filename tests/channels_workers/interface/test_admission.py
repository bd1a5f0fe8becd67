"""The bound on handshakes under way, with a clock that the tests move."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from channels_workers.interface.admission import CALM, LONGEST, Admission

LIMIT = 8


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def full(clock: Clock, settings: Settings) -> Admission:
    """A server with as many handshakes under way as it may have."""
    settings.CHANNEL_WORKERS = {"HANDSHAKES_AT_ONCE": LIMIT}
    admission = Admission()
    admission.clock = clock
    admission.asking.update(range(LIMIT))
    return admission


def test_up_to_the_limit_handshakes_are_admitted(full: Admission) -> None:
    full.end(0)
    assert full.refuse() == 0
    with full.opens():
        assert full.under_way == LIMIT
        assert full.refuse() > 0
    assert full.refuse() == 0


def test_without_a_limit_all_are_admitted(full: Admission, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HANDSHAKES_AT_ONCE": 0}
    full.asking.update(range(10_000))
    assert full.refuse() == 0


def test_an_end_counts_once(full: Admission) -> None:
    for _ in range(3):
        full.end(0)
    full.end("never asked")
    assert full.under_way == LIMIT - 1


def test_the_refused_come_back_one_after_the_other(full: Admission) -> None:
    """At first as if the limit were answered in a second."""
    assert [full.refuse() for _ in range(3 * LIMIT)] == [1] * LIMIT + [2] * LIMIT + [3] * LIMIT


def test_the_times_follow_the_pace_of_the_workers(full: Admission, clock: Clock) -> None:
    full.refuse()
    for number in range(LIMIT):
        full.end(number)
        full.asking.add(LIMIT + number)
    clock.now += 4.0  # two a second
    assert [full.refuse() for _ in range(4)] == [1, 1, 2, 2]


def test_nobody_is_sent_away_for_long(full: Admission, clock: Clock) -> None:
    """Also when no worker answers, and whoever is refused asks again at once."""
    found = []
    for _ in range(1_000):
        found.append(full.refuse())
        clock.now += 0.01
    assert max(found) == LONGEST
    clock.now += CALM + LONGEST
    assert full.refuse() == 1


def test_a_crowd_is_logged_once(
    full: Admission, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        full.refuse()
        clock.now += CALM / 2
    (line,) = caplog.records
    assert (line.levelno, line.event) == (logging.WARNING, "handshakes_full")  # type: ignore[attr-defined]
    assert "8 handshakes are under way" in line.getMessage()
    clock.now += 2 * CALM
    full.refuse()
    assert len(caplog.records) == 2


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 30)), max_size=50))
def test_a_time_to_come_back_is_always_sane(steps: list[tuple[float, int]]) -> None:
    admission, clock = Admission(), Clock()
    admission.clock = clock
    admission.asking.update(range(10_000))
    for pause, answered in steps:
        clock.now += pause
        for _ in range(answered):
            admission.end(asked := next(iter(admission.asking)))
            admission.asking.add(asked)
        assert 1 <= admission.refuse() <= LONGEST
