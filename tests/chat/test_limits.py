import datetime as dt

import pytest

from chat.frames import FrameError
from chat.limits import admit, since

NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)


def at(*seconds: float) -> list[dt.datetime]:
    return [NOON + dt.timedelta(seconds=number) for number in seconds]


def refusal(times: list[dt.datetime], now: float, rate: tuple[int, float]) -> FrameError:
    with pytest.raises(FrameError) as caught:
        admit(times, at(now)[0], rate)
    return caught.value


def test_messages_within_the_rate_are_accepted() -> None:
    admit([], NOON, (3, 5.0))
    admit(at(0, 0.5), at(1)[0], (3, 5.0))
    error = refusal(at(0, 0.5, 1), 1.5, (3, 5.0))
    assert error.code == "too_fast"
    assert error.detail == "Up to 3 messages in 5 s; send it again in 3.5 s."


def test_the_order_of_the_times_does_not_matter() -> None:
    assert refusal(at(1, 0, 0.5), 1.5, (3, 5.0)).detail.endswith("in 3.5 s.")


def test_messages_above_the_rate_wait() -> None:
    assert refusal(at(0, 1, 2, 3), 3.5, (2, 5.0)).detail.endswith("in 3.5 s.")


def test_after_the_interval_the_next_is_accepted() -> None:
    admit(at(0, 0.5, 1), at(5)[0], (3, 5.0))
    assert refusal(at(0, 0.5, 1), 4.99, (3, 5.0)).detail.endswith("in 0.1 s.")


def test_a_clock_that_went_back_blocks_nobody() -> None:
    admit(at(999, 1000), at(100)[0], (2, 5.0))


def test_only_the_last_seconds_count() -> None:
    assert since(at(5)[0], (10, 5.0)) == NOON
