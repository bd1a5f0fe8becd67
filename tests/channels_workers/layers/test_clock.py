"""The clock of a layer: what a process may know of a clock on another host."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers import clock
from channels_workers.layers.clock import DRIFT, HALF_TICK, LayerClock, OwnClock, Reading, Skew
from labs.harness.waiting import wait_for

TIMEOUT = 60

UNIX = 1_800_000_000.0


def reading(at: float, skew: float, there: float, back: float) -> Reading:
    """A question at monotonic *at* to a clock that is *skew* ahead, with the times of both ways."""
    return Reading(at, at + there + skew, at + there + back)


def test_nothing_is_known_before_the_first_reading() -> None:
    skew = Skew()
    assert skew.error(0.0) is None
    assert skew.layer_time(0.0) is None


ways = st.floats(0.0, 0.5)


@given(st.lists(st.tuples(ways, ways), min_size=1, max_size=30), st.floats(-1e3, UNIX))
def test_the_error_is_a_bound(trips: list[tuple[float, float]], ahead: float) -> None:
    skew, at = Skew(), 100.0
    for there, back in trips:
        skew.note(reading(at, ahead, there, back))
        at += there + back + 2.0
        told, error = skew.layer_time(at), skew.error(at)
        assert told is not None
        assert error is not None
        assert abs(told - (at + ahead)) <= error + 1e-6  # floats near 1.8e9 s are that coarse


def test_the_error_is_a_bound_for_clocks_that_drift() -> None:
    skew, at = Skew(), 0.0
    for number in range(1000):
        there = 0.001 if number % 100 == 0 else 0.2
        skew.note(reading(at, UNIX + at * DRIFT, there, 0.0))
        told, error = skew.layer_time(at + there), skew.error(at + there)
        assert told is not None
        assert error is not None
        assert abs(told - (at + there + UNIX + at * DRIFT)) <= error + 1e-5
        at += 2.0


def test_a_short_round_trip_is_kept_until_drift_makes_it_worse() -> None:
    skew = Skew()
    skew.note(reading(0.0, UNIX, 0.001, 0.001))
    skew.note(reading(1.0, UNIX, 0.05, 0.05))
    assert skew.error(1.0) == pytest.approx(0.001, abs=2 * DRIFT)
    later = 0.05 / DRIFT + 1
    skew.note(reading(later, UNIX, 0.05, 0.05))
    assert skew.error(later + 0.1) == pytest.approx(0.05)


def test_a_clock_that_jumps_is_believed() -> None:
    skew = Skew()
    skew.note(reading(0.0, UNIX, 0.001, 0.001))
    skew.note(reading(2.0, UNIX - 3600, 0.2, 0.2))
    assert skew.layer_time(3.0) == pytest.approx(UNIX - 3600 + 3.0, abs=0.2)
    assert skew.error(2.4) == pytest.approx(0.2)


def test_an_age_is_never_negative() -> None:
    kept = LayerClock(time.time)
    kept.read()
    assert kept.age(f"{int((time.time() + 60) * 1000)}-0") == 0.0
    assert OwnClock().age(f"{time.monotonic_ns() + 10**9}-1") == 0.0


@pytest.mark.parametrize("token", ["", "-", "restored", "-5-0", "1.5-0", "²"])
def test_a_token_without_a_time_has_no_age(token: str) -> None:
    kept = LayerClock(time.time)
    kept.read()
    assert kept.age(token) is None
    assert OwnClock().age(token) is None


def test_the_own_clock_is_exact() -> None:
    assert OwnClock().error() == 0.0
    assert OwnClock().age("5000000000-1", 6.5) == 1.5


def test_a_slow_first_answer_does_not_spoil_the_clock() -> None:
    answered = threading.Event()
    slow = iter([0.2])
    times: list[float] = []

    def ask() -> float:
        threading.Event().wait(next(slow, 0.0))  # a new connection
        times.append(time.time())
        if len(times) >= clock.QUESTIONS:
            answered.set()
        return times[-1]

    kept = LayerClock(ask)
    kept.keep()
    assert answered.wait(TIMEOUT)
    wait_for(lambda: (kept.error() or 1.0) < 0.1, "an error below that of the first answer")


def test_a_thread_keeps_the_clock_and_survives_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "INTERVAL", 0.01)
    monkeypatch.setattr(clock, "QUESTIONS", 1)
    answers = iter([LayerUnavailable("away"), UNIX, RuntimeError("strange"), UNIX + 3600])
    ended = threading.Event()

    def ask() -> float:
        answer = next(answers, None)
        if answer is None:
            ended.set()
            threading.Event().wait()  # the thread is a daemon
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, float)
        return answer

    kept = LayerClock(ask)
    assert kept.error() is None
    kept.keep()
    kept.keep()
    assert ended.wait(TIMEOUT)
    token = f"{int(UNIX) * 1000}-0"
    age, error = kept.age(token), kept.error()
    assert age == pytest.approx(3600, abs=TIMEOUT)
    assert error is not None
    assert error >= HALF_TICK
