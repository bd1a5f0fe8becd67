import pytest

from chat.frames import FrameError
from chat.limits import admit


def test_as_many_as_the_rate_says_are_let_through() -> None:
    times: list[float] = []
    for now in (100.0, 100.5, 101.0):
        times = admit(times, now, (3, 5.0), None)
    with pytest.raises(FrameError) as caught:
        admit(times, 101.5, (3, 5.0), "n1")
    assert (caught.value.code, caught.value.nonce) == ("too_fast", "n1")
    assert caught.value.detail == "Up to 3 messages in 5 s; send it again in 3.5 s."


def test_a_time_later_the_next_is_let_through() -> None:
    assert admit([100.0, 100.5, 101.0], 105.0, (3, 5.0), None) == [100.5, 101.0, 105.0]


def test_no_rate_keeps_nothing() -> None:
    assert admit([1.0] * 50, 1.0, None, None) == []


def test_a_clock_that_went_back_blocks_nobody() -> None:
    assert admit([999.0, 1000.0], 100.0, (2, 5.0), None) == [100.0]
