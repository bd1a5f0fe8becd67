"""Visitors, who come, use what there is, and go."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from picows import WSError

from labs.benchmarks.load.client import Client, Members
from labs.benchmarks.load.crowd import open_socket
from labs.benchmarks.load.traffic import LINGER

#: What a visitor asks for in turn. ``wait`` is answered after the others.
ASKED = ("remember", "join", "remember", "wait", "leave")

#: How often a visitor does not wait for the end, and how often one cuts its socket: each n-th.
HASTY, CUTTING = 10, 2


class Visits:
    """Visits to *rooms* at *urls*, and their counts.

    An answer counts as missing, repeated or wrong: not the next count of the session.
    """

    def __init__(self, urls: Sequence[str], rooms: Sequence[str], patience: float) -> None:
        self.counts = Counter(visits=0, failed=0, cut=0, missing=0, repeated=0, wrong=0)
        self._places = itertools.cycle([(url, room) for room in rooms for url in urls])
        self._patience = patience
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)

    @property
    def under_way(self) -> int:
        """How many visitors are there."""
        return len(self._tasks)

    def begin(self) -> None:
        """Let another visitor come."""
        task = asyncio.create_task(self._visit(next(self._numbers)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for those who are there."""
        await asyncio.gather(*self._tasks)

    async def _visit(self, number: int) -> None:
        url, room = next(self._places)
        visitor = Visitor(number, Members(room))
        self.counts["visits"] += 1
        try:
            await open_socket(visitor, url)
        except (WSError, OSError, TimeoutError):
            self.counts["failed"] += 1
            return
        visitor.ask()
        if number % HASTY == 0:
            self.counts["cut"] += 1
            visitor.cut()
            return
        self._count(visitor, await visitor.wait_for_answers(self._patience))
        if number % CUTTING == 0:
            visitor.cut()
        else:
            visitor.leave()

    def _count(self, visitor: Visitor, missing: int) -> None:
        self.counts["missing"] += missing
        self.counts["repeated"] += max(0, visitor.answers - len(ASKED) + missing)
        self.counts["wrong"] += visitor.counted != [1, 2]


class Visitor(Client):
    """One visit."""

    def __init__(self, number: int, room: Members) -> None:
        super().__init__(number, room, _hear)
        self.answers = 0
        #: The counts of the session that came.
        self.counted: list[int] = []
        self._left = Counter(ASKED)
        self._done = asyncio.Event()

    def ask(self) -> None:
        """Send everything that it asks for."""
        for what in ASKED:
            self.send(json.dumps({"do": what, "visit": self.number}))

    def answer(self, what: str, count: int | None) -> None:
        """Count an answer."""
        self.answers += 1
        self._left[what] -= 1
        if count is not None:
            self.counted.append(count)
        if not +self._left:
            self._done.set()

    async def wait_for_answers(self, patience: float) -> int:
        """Return how many answers are missing, after *patience* (s) at the latest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._done.wait()
        await asyncio.sleep(LINGER)
        return (+self._left).total()


def _hear(client: Client, text: str) -> None:
    """Take an answer to this visitor. It also hears its room, and others of its group."""
    assert isinstance(client, Visitor)
    if not text.startswith('{"did"'):
        return
    answer = json.loads(text)
    if answer["visit"] == client.number:
        client.answer(answer["did"], answer.get("count"))
