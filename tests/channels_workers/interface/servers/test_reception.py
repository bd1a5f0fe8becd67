"""New connections, a few in each turn of the event loop."""

import asyncio

import pytest

from channels_workers.interface.servers.reception import HeldHandshake, Reception

EACH_TURN = 4


class Guest:
    """A new connection. *log* gets what happens to all."""

    def __init__(self, name: int, log: list[tuple[str, int]]) -> None:
        self.name = name
        self.log = log

    def hold_arrival(self) -> None:
        self.log.append(("held", self.name))

    def let_in(self) -> bool:
        self.log.append(("in", self.name))
        return True


class Gone(Guest):
    """A connection whose client has left."""

    def let_in(self) -> bool:
        return False


async def turn() -> None:
    await asyncio.sleep(0)


async def test_few_who_come_are_not_held() -> None:
    log: list[tuple[str, int]] = []
    reception = Reception(EACH_TURN)
    for number in range(3 * EACH_TURN):
        reception.arrive(Guest(number, log))
        if number % EACH_TURN == EACH_TURN - 1:
            await turn()
    assert log == []


async def test_of_a_crowd_some_come_in_in_each_turn_in_order() -> None:
    log: list[tuple[str, int]] = []
    reception = Reception(EACH_TURN)
    count = 3 * EACH_TURN + 1
    for number in range(count):
        reception.arrive(Guest(number, log))
    later = range(EACH_TURN, count)
    assert log == [("held", number) for number in later]
    log.clear()
    for done in (EACH_TURN, 2 * EACH_TURN, 2 * EACH_TURN + 1):
        await turn()
        assert log == [("in", number) for number in later[:done]]


async def test_nobody_overtakes_those_who_wait() -> None:
    log: list[tuple[str, int]] = []
    reception = Reception(EACH_TURN)
    for number in range(2 * EACH_TURN):
        reception.arrive(Guest(number, log))
    await turn()
    log.clear()
    reception.arrive(Guest(-1, log))
    assert log == [("held", -1)]
    await turn()
    assert log == [("held", -1), ("in", -1)]
    await turn()
    reception.arrive(Guest(-2, log))
    assert log == [("held", -1), ("in", -1)]


async def test_those_who_have_left_take_no_place() -> None:
    log: list[tuple[str, int]] = []
    reception = Reception(EACH_TURN)
    for number in range(EACH_TURN):
        assert reception.arrive(Guest(number, log))
    for number in range(10 * EACH_TURN):
        assert not reception.arrive(Gone(number, log))
    assert not reception.arrive(Guest(-1, log))
    log.clear()
    await turn()
    assert log == [("in", -1)]


def test_a_held_handshake_that_fails_ends_its_connection() -> None:
    ends: list[str] = []

    def fail(head: bytes) -> None:
        raise ValueError(head)

    held = HeldHandshake(b"a", fail, lambda: ends.append("aborted"))
    with pytest.raises(ValueError, match="a"):
        held.let_in()
    assert ends == ["aborted"]
    assert not held.let_in()


def test_each_event_loop_begins_anew() -> None:
    """As in tests, where a loop ends with a crowd before its door."""
    log: list[tuple[str, int]] = []
    reception = Reception(EACH_TURN)

    async def crowd() -> None:
        for number in range(2 * EACH_TURN):
            reception.arrive(Guest(number, log))

    asyncio.run(crowd())
    log.clear()
    asyncio.run(crowd())
    assert log[:EACH_TURN] == [("held", number) for number in range(EACH_TURN, 2 * EACH_TURN)]
