"""Rooms that talk: each sends a message once all members have the previous one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from labs.benchmarks.load.client import Client, Members
from labs.benchmarks.load.crowd import Crowd
from labs.benchmarks.load.mode import Target, gather_crowd, new_run
from labs.benchmarks.load.moment import Moment
from labs.benchmarks.load.processes import memory
from labs.benchmarks.load.redis_time import RedisTime
from labs.benchmarks.load.report import Report, quantiles
from labs.benchmarks.load.traffic import Message, Traffic

#: The interval between checks for missing messages (s).
LOOK = 0.2


@dataclass(frozen=True)
class Talk:
    """*clients* in *rooms*, of which *at_once* talk concurrently (0: all), in turn.

    *size* is the number of characters per message. Times in seconds: silence for *settle*, then
    talk for *warmup*, then the measurement for *seconds*. A message that has not reached everybody
    after *patience* is abandoned, and its room continues.
    """

    clients: int = 1
    rooms: int = 1
    at_once: int = 0
    size: int = 64
    settle: float = 0.3
    warmup: float = 0.5
    seconds: float = 3.0
    patience: float = 5.0

    async def run(self, target: Target) -> tuple[Report, Crowd]:
        """Talk. ``Mode`` describes the result."""
        talking = Talking(self, target)
        await gather_crowd(talking.crowd, target)
        return await talking.measure(), talking.crowd


class Talking:
    """One run of *talk*."""

    def __init__(self, talk: Talk, target: Target) -> None:
        self.talk = talk
        self.target = target
        run = new_run()
        self.traffic = Traffic(run, talk.size, self._finish)
        self.crowd = Crowd(
            run, talk.clients, talk.rooms, target.urls, self.traffic.hear, target.client
        )
        self.traffic.clients = self.crowd.clients
        self._is_over = False
        self._times: list[float] = []
        self._given_up = 0
        self._waiting: deque[Members] = deque()
        self._redis = RedisTime(target.redis)
        self._watcher: asyncio.Task[None] | None = None

    def _finish(self, message: Message) -> None:
        self._times.append(time.perf_counter() - message.at)
        self._go_on(message.sender.room)

    def _go_on(self, room: Members) -> None:
        """Let the next room talk, which is the same one if all talk concurrently."""
        if self._is_over:
            return
        self._waiting.append(room)
        if speaker := _speaker(self._waiting.popleft()):
            self.traffic.say(speaker)

    def _now(self) -> Moment:
        received, finished = self.traffic.account.received, len(self._times)
        return Moment.now(self.target.watched, received, finished, self._redis.taken())

    async def measure(self) -> Report:
        """Talk, and report."""
        report, before = Report(), memory(self.target.watched)
        with self._redis:
            await self._measure(report)
        await self._drain()
        after = memory(self.target.watched)
        report.memory = {role: (before[role], after[role]) for role in before}
        report.count(self.crowd, self.traffic, self._given_up)
        return report

    async def _measure(self, report: Report) -> None:
        """Settle, warm up, measure."""
        quiet = self._now()
        await asyncio.sleep(self.talk.settle)
        silent = self._now()
        self._watcher = asyncio.create_task(self._watch())
        self._begin()
        await asyncio.sleep(self.talk.warmup)
        start = self._now()
        await asyncio.sleep(self.talk.seconds)
        end = self._now()
        self._is_over = True
        end.since(start, report)
        report.idle = (quiet.clock, silent.clock)
        report.figures |= quantiles(self._times[start.finished : end.finished])
        if self.target.redis and end.finished > start.finished:
            report.figures["redis_us_per_message"] = end.redis_us_per_message(start, quiet, silent)

    def _begin(self) -> None:
        rooms = self.crowd.rooms
        count = self.talk.at_once or len(rooms)
        self._waiting.extend(rooms[count:])
        for room in rooms[:count]:
            if speaker := _speaker(room):
                self.traffic.say(speaker)

    async def _watch(self) -> None:
        """Abandon messages that do not reach everybody, so that their rooms continue."""
        while True:
            await asyncio.sleep(LOOK)
            for message in self.traffic.give_up(self.talk.patience):
                self._given_up += 1
                self._go_on(message.sender.room)

    async def _drain(self) -> None:
        """Wait for the messages in flight."""
        await self.traffic.wait_until_done(self.talk.patience)
        await self.traffic.linger()
        if self._watcher is not None:
            self._watcher.cancel()


def _speaker(room: Members) -> Client | None:
    """Return the first member whose socket is open."""
    return next((client for client in room.clients if client.is_open), None)
