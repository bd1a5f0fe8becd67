"""New connections, a few in each turn of the event loop."""

import asyncio

from channels_workers.interface.servers.reception import EACH_TURN, Reception


class Guest:
    """A new connection. *log* gets what happens to all."""

    def __init__(self, name: int, log: list[tuple[str, int]]) -> None:
        self.name = name
        self.log = log

    def hold_arrival(self) -> None:
        self.log.append(("held", self.name))

    def let_in(self) -> None:
        self.log.append(("in", self.name))


async def turn() -> None:
    await asyncio.sleep(0)


async def test_few_who_come_are_not_held() -> None:
    log: list[tuple[str, int]] = []
    reception = Reception()
    for number in range(3 * EACH_TURN):
        reception.arrive(Guest(number, log))
        if number % EACH_TURN == EACH_TURN - 1:
            await turn()
    assert log == []


async def test_of_a_crowd_some_come_in_in_each_turn_in_order() -> None:
    log: list[tuple[str, int]] = []
    reception = Reception()
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
    reception = Reception()
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


def test_each_event_loop_begins_anew() -> None:
    """As in tests, where a loop ends with a crowd before its door."""
    log: list[tuple[str, int]] = []
    reception = Reception()

    async def crowd() -> None:
        for number in range(2 * EACH_TURN):
            reception.arrive(Guest(number, log))

    asyncio.run(crowd())
    log.clear()
    asyncio.run(crowd())
    assert log[:EACH_TURN] == [("held", number) for number in range(EACH_TURN, 2 * EACH_TURN)]
