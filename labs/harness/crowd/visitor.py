"""A client of a crowd at work."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Heard, Person, Said, Visit

#: The pause before a reconnect (s), shorter than that of pages.
WAIT = (0.2, 0.8)

#: Time-outs (s), and features that are switched off.
OPTIONS: dict[str, Any] = {
    "open_timeout": 60.0,
    "close_timeout": 2.0,
    "compression": None,
    "ping_interval": None,
    "max_size": None,
}


class Visitor:
    """Talks by *plan*, first at *server*. *gate* limits concurrent handshakes."""

    def __init__(self, person: Person, server: int, plan: Plan, gate: asyncio.Semaphore) -> None:
        self.person = person
        self.server = server
        self.plan = plan
        self.gate = gate
        self.leaving = False
        self.joined = asyncio.Event()
        self.order: dict[str, Any] | None = None
        self._socket: ClientConnection | None = None
        self._news = asyncio.Event()
        self._first_unheard = 0
        self._position = ""

    @property
    def is_lost(self) -> bool:
        """Whether this client was dropped and does not reconnect."""
        ended = any(visit.joined and visit.ended for visit in self.person.visits)
        return ended and not self.person.retries

    def oldest(self) -> float:
        """The time of the oldest message without an echo. Infinity if there is none."""
        said = self.person.said
        while self._first_unheard < len(said) and said[self._first_unheard].back is not None:
            self._first_unheard += 1
        return said[self._first_unheard].at if self._first_unheard < len(said) else float("inf")

    def say(self) -> None:
        """Queue a message. It is sent as soon as there is a socket."""
        said = Said(len(self.person.said), time.monotonic(), order=self.order)
        self.order = None
        if said.is_silent:
            said.back = said.at  # nobody waits for it
        self.person.said.append(said)
        self._news.set()

    async def live(self) -> None:
        """Visit the room, and reconnect if necessary, until :meth:`leave`."""
        while not self.leaving and not self.is_lost:
            async with self.gate:
                visit = self._new_visit()
                socket = await self._enter(visit)
            if socket is not None:
                await self._stay(visit, socket)
            self.server = self._next_server()
            await asyncio.sleep(self._pause(visit))

    async def leave(self) -> None:
        """Close the socket."""
        self.leaving = True
        if self._socket is not None:
            await self._socket.close()

    def _next_server(self) -> int:
        return (self.server + 1) % len(self.plan.servers)

    def _pause(self, visit: Visit) -> float:
        """Return the pause (s) between *visit* and the next."""
        return random.uniform(*WAIT)

    def _new_visit(self) -> Visit:
        key = f"{self.person.name}.{len(self.person.visits)}"
        visit = Visit(key, self.server, time.monotonic())
        self.person.visits.append(visit)
        return visit

    async def _enter(self, visit: Visit) -> ClientConnection | None:
        try:
            return await self._open(visit)
        except InvalidStatus as refused:
            visit.status = refused.response.status_code
        except Exception:  # noqa: BLE001  (whatever it is, there is no socket)
            visit.status = None
        visit.ended = time.monotonic()
        return None

    async def _open(self, visit: Visit) -> ClientConnection:
        address = f"{self.plan.servers[self.server]}/room/{self.person.room}/?key={visit.key}"
        if self._position:
            visit.since = self._position
            address = f"{address}&since={visit.since}"
        return await connect(address, **OPTIONS)

    async def _stay(self, visit: Visit, socket: ClientConnection) -> None:
        self._socket = socket
        writer = asyncio.create_task(self._write(visit, socket))
        try:
            while True:
                self._hear(visit, json.loads(await socket.recv()))
        except ConnectionClosed as closed:
            if not self.leaving:
                visit.ended = time.monotonic()
            visit.code = closed.rcvd.code if closed.rcvd else None
        finally:
            self._socket = None
            self.joined.clear()
            writer.cancel()

    async def _write(self, visit: Visit, socket: ClientConnection) -> None:
        await self.joined.wait()
        said, at = self.person.said, 0
        with suppress(ConnectionClosed):
            while True:
                self._news.clear()
                while at < len(said):
                    if said[at].back is None or said[at].is_silent:
                        await self._send(socket, said[at])
                    at += 1
                await self._news.wait()

    async def _send(self, socket: ClientConnection, said: Said) -> None:
        fields: dict[str, Any] = {"sender": self.person.name, "number": said.number}
        if self.person.retries:
            fields["nonce"] = f"{self.person.name}-{said.number}"
        if said.order is not None:
            fields["order"] = said.order
        if self.plan.filling:
            fields["filling"] = "x" * self.plan.filling
        await socket.send(json.dumps(fields))

    def _hear(self, visit: Visit, frame: dict[str, Any]) -> None:
        now = time.monotonic()
        if at := frame.get("at"):
            visit.positions.append(at)
            self._position = at
        if "joined" in frame:
            visit.joined = now
            visit.gap, visit.replayed = frame.get("gap", False), frame.get("replayed", 0)
            self.joined.set()
            return
        if "row" in frame:
            visit.answers.append((frame["number"], frame["row"]))
            return
        if frame["sender"] == self.person.name:
            if "lost" in frame:
                self.person.sessions_lost += 1
            else:
                self._hear_back(frame["number"], now)
        if "known" not in frame and "lost" not in frame:
            heard = Heard(frame["sender"], frame["number"], now, frame["count"], frame["order"])
            visit.heard.append(heard)

    def _hear_back(self, number: int, now: float) -> None:
        said = self.person.said[number]
        said.back = now if said.back is None else said.back
