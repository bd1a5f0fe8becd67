"""The load of a soak, a process of its own: prints a line of JSON for each sample, and the counts.

SIGTERM ends it early, with the counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Callable
from dataclasses import fields
from itertools import count

from redis import RedisError

from labs.benchmarks.load.crowd import Crowd
from labs.benchmarks.load.mode import Target, gather_crowd, new_run
from labs.benchmarks.load.report import Report
from labs.benchmarks.load.traffic import Message, Traffic
from labs.benchmarks.serving.site import raise_file_limit
from labs.benchmarks.soaking.plan import Plan
from labs.benchmarks.soaking.sample import Sampler
from labs.benchmarks.soaking.visit import Visits

#: The characters of a message.
SIZE = 64


class Soak:
    """One run of *plan* on *target*."""

    def __init__(self, plan: Plan, target: Target) -> None:
        self.plan = plan
        self.target = target
        run = new_run()
        self.traffic = Traffic(run, SIZE, self._finish)
        self.crowd = Crowd(run, plan.sockets, plan.rooms, target.urls, self.traffic.hear)
        self.traffic.clients = self.crowd.clients
        names = [room.name for room in self.crowd.rooms]
        self.visits = Visits(target.urls, names, plan.patience)
        self.given_up = 0
        self.over = asyncio.Event()
        self._times: list[float] = []
        self._seats = count()

    def _finish(self, message: Message) -> None:
        self._times.append(time.perf_counter() - message.at)

    def _talk(self) -> None:
        """Let the next room talk, by its next member."""
        turn, number = divmod(next(self._seats), len(self.crowd.rooms))
        members = self.crowd.rooms[number].clients
        speaker = members[turn % len(members)]
        if speaker.is_open:
            self.traffic.say(speaker)

    async def run(self) -> None:
        """Talk, sample, and print."""
        await gather_crowd(self.crowd, self.target)
        tasks = [
            asyncio.create_task(repeat(self._talk, self.plan.rate)),
            asyncio.create_task(repeat(self.visits.begin, self.plan.visits)),
        ]
        try:
            await self._look()
        finally:
            for task in tasks:
                task.cancel()
        await self.visits.finish()
        await self.traffic.wait_until_done(self.plan.patience)
        await self.traffic.linger()
        report = Report()
        report.count(self.crowd, self.traffic, self.given_up)
        say({"counts": report.counts, "visits": self.visits.counts, "trouble": report.trouble})
        await self.crowd.leave()

    async def _look(self) -> None:
        """Print samples until the end."""
        assert self.target.redis is not None
        sampler = Sampler(self.target.watched, self.target.redis)
        for number in range(1, round(self.plan.seconds / self.plan.every) + 1):
            if await self._pause(sampler, number * self.plan.every):
                break
            times, self._times = self._times, []
            self.given_up += len(self.traffic.give_up(self.plan.patience))
            try:
                sample = sampler.sample(times)
            except (OSError, RedisError):  # a process has ended: no more samples
                break
            say({"sample": sample | {"visitors": self.visits.under_way}})
        sampler.close()

    async def _pause(self, sampler: Sampler, until: float) -> bool:
        """Wait until *until* (s since the start). True if the run is over before."""
        try:
            async with asyncio.timeout(until - sampler.age):
                return await self.over.wait()
        except TimeoutError:
            return False


async def repeat(act: Callable[[], None], rate: float) -> None:
    """Call *act* this often a second. After a delay it catches up."""
    following = time.perf_counter()
    while rate:
        act()
        following += 1 / rate
        await asyncio.sleep(following - time.perf_counter())


def say(content: object) -> None:
    """Print a line."""
    print(json.dumps(content), flush=True)


async def run(plan: Plan, target: Target) -> None:
    """Run until the end, or SIGTERM."""
    soak = Soak(plan, target)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, soak.over.set)
    await soak.run()


def main() -> None:
    """Run with the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m labs.benchmarks.soaking.load")
    parser.add_argument("--url", action="append", required=True)
    parser.add_argument("--watch", action="append", required=True, metavar="ROLE:PID")
    parser.add_argument("--redis", type=int, required=True, metavar="PORT")
    for field in fields(Plan):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    options = parser.parse_args()
    watched = {role: [int(pid)] for role, _, pid in (one.partition(":") for one in options.watch)}
    plan = Plan(**{field.name: getattr(options, field.name) for field in fields(Plan)})
    raise_file_limit()
    asyncio.run(run(plan, Target(options.url, watched, redis=options.redis)))


if __name__ == "__main__":
    main()
