"""One application on both engines at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Self

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.engine import GENUINE, OURS
from labs.genuine.comparison.finding import Finding, Played, judge
from labs.genuine.comparison.player import Player
from labs.genuine.comparison.site import Site
from labs.genuine.comparison.stage import Stage
from labs.genuine.comparison.steps import Conversation


class Duel:
    """Use it in a `with` block. It has its own event loop, in the thread that created it."""

    def __init__(self, application: Application, stage: Stage) -> None:
        self.sites = [stage.site(application, engine) for engine in (GENUINE, OURS)]
        self.conversations = self.steps = self.frames = 0
        self._stack = ExitStack()
        self._runner = asyncio.Runner()
        self._players: list[Player] = []

    def __enter__(self) -> Self:
        """Start both sites."""
        with self._stack as stack:
            for site in self.sites:
                stack.callback(site.__exit__)
            with ThreadPoolExecutor(len(self.sites)) as pool:
                list(pool.map(start, self.sites))
            stack.enter_context(self._runner)
            for site in self.sites:
                self._players.append(self._runner.run(_open(site)))
                stack.callback(self._close, self._players[-1])
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _close(self, player: Player) -> None:
        self._runner.run(player.__aexit__())

    def compare(self, name: str, conversation: Conversation) -> Finding | None:
        """Play *conversation* on both, and once more if they differ. Returns what that says."""
        first = self._run(conversation)
        second = self._run(conversation) if first.difference else first
        return judge(name, conversation, first, second)

    def _run(self, conversation: Conversation) -> Played:
        played = self._runner.run(self._play(conversation))
        self.conversations += 1
        self.steps += len(played.genuine.moments)
        self.frames += played.genuine.frames
        return played

    async def _play(self, conversation: Conversation) -> Played:
        genuine, ours = self._players
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(genuine.play(conversation))
            second = tasks.create_task(ours.play(conversation))
        return Played(first.result(), second.result())

    def describe(self) -> str:
        """Return the output of all processes."""
        return "\n\n".join(site.describe() for site in self.sites)


def start(site: Site) -> None:
    """Start everything that *site* needs."""
    site.__enter__()
    site.start_worker()
    site.start_server()


async def _open(site: Site) -> Player:
    return await Player(site).__aenter__()
