"""All clients of a crowd."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from labs.harness.crowd.chat_visitor import ChatVisitor
from labs.harness.crowd.kept_visitor import KeptVisitor
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Transcript
from labs.harness.crowd.visitor import Visitor

#: If the crowd is further behind its plan than this (s), it skips messages, as after a stall of the
#: machine.
BEHIND = 2.0


class Crowd:
    """Connects all visitors, lets them talk, and disconnects them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        gate = asyncio.Semaphore(plan.at_once)
        kind = ChatVisitor if plan.chat else KeptVisitor if plan.keeps else Visitor
        self.visitors = [kind(person, server, plan, gate) for person, server in plan.people()]
        self.quiet = asyncio.Event()
        self._talking: asyncio.Task[None] | None = None
        self._living = [asyncio.create_task(visitor.live()) for visitor in self.visitors]

    async def _talk(self) -> None:
        """Let everybody talk once per interval, in turn."""
        pause = self.plan.interval / len(self.visitors)
        due = time.monotonic()
        while not self.quiet.is_set():
            for visitor in self.visitors:
                if not visitor.is_lost and not self.quiet.is_set():
                    visitor.say()
                due = max(due + pause, time.monotonic() - BEHIND)
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    def status(self) -> dict[str, Any]:
        """The numbers of clients, and the age (s) of the oldest message without an echo."""
        lost = sum(visitor.is_lost for visitor in self.visitors)
        joined = sum(visitor.joined.is_set() for visitor in self.visitors)
        oldest = min(
            (visitor.oldest() for visitor in self.visitors if not visitor.is_lost),
            default=float("inf"),
        )
        return {
            "joined": joined,
            "lost": lost,
            "away": len(self.visitors) - joined - lost,
            "age": max(0.0, time.monotonic() - oldest) if oldest < float("inf") else 0.0,
        }

    async def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        """Execute a command."""
        match command["do"]:
            case "talk":
                self._talking = asyncio.create_task(self._talk())
            case "order":
                named = (one for one in self.visitors if one.person.name == command["person"])
                next(named).order = command["order"]
            case "quiet":
                self.quiet.set()
            case "leave":
                await self.leave()
        return self.status()

    async def leave(self) -> None:
        """Close all sockets."""
        self.quiet.set()
        await asyncio.gather(*(visitor.leave() for visitor in self.visitors))
        await asyncio.wait(self._living, timeout=5)

    def transcript(self) -> Transcript:
        """All messages and visits."""
        return Transcript([visitor.person for visitor in self.visitors])
