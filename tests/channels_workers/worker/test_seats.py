"""Seats: so many run at once, and they go to those who came first."""

import threading

from channels_workers.worker.seats import Seats, Sitting
from labs.harness.waiting import wait_for
from tests.channels_workers.consumers import TIMEOUT


def test_there_are_so_many() -> None:
    seats = Seats(2)
    assert seats.take(0)
    assert seats.take(0)
    assert not seats.take(0)
    seats.give_back()
    assert seats.take(0)


def test_a_seat_goes_to_the_one_that_came_first() -> None:
    """Whoever gives a seat back and wants it again waits behind the others."""
    seats, order = Seats(1), list[int]()
    assert seats.take(0)

    def wait(number: int) -> None:
        assert seats.take(TIMEOUT)
        order.append(number)
        seats.give_back()

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(3)]
    for number, thread in enumerate(threads):
        thread.start()
        wait_for(lambda number=number: len(seats._waiting) == number + 1, "one more who waits")
    seats.give_back()
    assert seats.take(TIMEOUT)
    for thread in threads:
        thread.join(TIMEOUT)
    assert order == [0, 1, 2]


def test_a_wait_that_is_over_takes_no_seat() -> None:
    seats = Seats(1)
    assert seats.take(0)
    assert not seats.take(0.01)
    seats.give_back()
    assert seats.take(0)
    assert not seats.take(0)


def test_who_waits_leaves_the_seat_and_goes_on_with_one() -> None:
    seats = Seats(1)
    assert seats.take(0)
    sitting = Sitting(seats)
    with sitting.left():
        assert seats.take(0)
        seats.give_back()
    assert not seats.take(0)
    sitting.end()
    assert seats.take(0)


def test_who_waits_twice_has_one_seat() -> None:
    """Coroutines of one consumer may wait at the same time."""
    seats = Seats(1)
    assert seats.take(0)
    sitting = Sitting(seats)
    with sitting.left():
        with sitting.left():
            pass
        assert seats.take(0), "one of them still waits"
        seats.give_back()
    assert not seats.take(0)
    sitting.end()
    assert seats.take(0)
    assert not seats.take(0)


def test_who_waits_after_the_end_takes_no_seat() -> None:
    """A coroutine that was cancelled may have left a thread that waits."""
    seats = Seats(1)
    assert seats.take(0)
    sitting = Sitting(seats)
    with sitting.left():
        sitting.end()
    with sitting.left():
        pass
    assert seats.take(0)
    assert not seats.take(0)


def test_the_end_gives_back_a_seat_that_comes_too_late() -> None:
    seats = Seats(1)
    assert seats.take(0)
    sitting = Sitting(seats)

    def wait() -> None:
        with sitting.left():
            assert seats.take(TIMEOUT)  # another consumer runs

    waiting = threading.Thread(target=wait)
    waiting.start()
    wait_for(lambda: seats._waiting, "one who wants to go on")
    sitting.end()
    seats.give_back()
    waiting.join(TIMEOUT)
    assert seats.take(0)
    assert not seats.take(0)
