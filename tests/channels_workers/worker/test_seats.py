"""Seats: so many run at once, and they go to those who came first."""

import threading

from channels_workers.worker.seats import Seats
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
