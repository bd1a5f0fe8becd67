"""A person in a room of the real chat, who behaves like the room's page (chat/static/chat/).

The page keeps unsent messages, reconnects after growing pauses, resends under the same nonce,
fetches what it missed, and drops duplicates.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
import time
import urllib.request
from http.client import HTTPException, HTTPResponse
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Heard, Person, Said, Visit
from labs.harness.crowd.visitor import OPTIONS, Visitor

#: As in client/src/connection.js (s): the first pause, the longest one, and the minimum life of a
#: socket that counts as a success.
FIRST, LONGEST, STEADY = 1.0, 30.0, 5.0

#: As in room.js (s): how long a message may take to reach everybody, after how long without an echo
#: a socket counts as dead, and the pause after a failed history request.
SETTLED, STALE, PAUSE = 60.0, 20.0, 2.0


def fetch(url: str) -> tuple[bytes, str]:
    """The site's response at *url*, and the cookie that it sets."""
    response: HTTPResponse
    with urllib.request.urlopen(url, timeout=60) as response:
        return response.read(), (response.headers["Set-Cookie"] or "").partition(";")[0]


class ChatVisitor(Visitor):
    """A person with the behaviour described at the top of this file."""

    def __init__(self, person: Person, server: int, plan: Plan, gate: asyncio.Semaphore) -> None:
        super().__init__(person, server, plan, gate)
        self._cookie = ""
        self._failures = 0
        #: Message ids and when they came.
        self._shown: dict[int, float] = {}
        #: Up to this id nothing is missing, and whether everything since has come too.
        self._complete, self._is_caught_up = 0, False
        self._sent: dict[int, float] = {}

    @property
    def _site(self) -> str:
        return self.plan.servers[self.server].replace("ws", "http", 1)

    def _next_server(self) -> int:
        return random.randrange(len(self.plan.servers))

    def _pause(self, visit: Visit) -> float:
        if visit.joined and visit.ended and visit.ended - visit.joined > STEADY:
            self._failures = 0
        longest = min(LONGEST, FIRST * 2**self._failures)
        self._failures += 1
        return random.uniform(longest / 2, longest)

    async def _open(self, visit: Visit) -> ClientConnection:
        if not self._cookie:
            _, self._cookie = await asyncio.to_thread(fetch, f"{self._site}/{self.person.room}/")
        return await connect(
            f"{self.plan.servers[self.server]}/chat/{self.person.room}/",
            origin=Origin(self._site),
            additional_headers={"Cookie": self._cookie},
            **OPTIONS,
        )

    async def _stay(self, visit: Visit, socket: ClientConnection) -> None:
        visit.joined = time.monotonic()
        self._sent.clear()
        self.joined.set()
        tasks = [asyncio.create_task(work) for work in (self._catch_up(visit), self._watch(socket))]
        try:
            await super()._stay(visit, socket)
        finally:
            for task in tasks:
                task.cancel()

    async def _catch_up(self, visit: Visit) -> None:
        """Fetch the messages between the previous socket and this one (history.js)."""
        if self._is_caught_up:
            self._complete = max(self._complete, self._settled())
        self._is_caught_up = False
        while not self._is_caught_up:
            url = f"{self._site}/{self.person.room}/messages/?after={self._complete}"
            try:
                page = json.loads((await asyncio.to_thread(fetch, url))[0])
            except (OSError, HTTPException):
                await asyncio.sleep(PAUSE)
                continue
            for row in page["messages"]:
                self._show(row, visit.fetched)
                self._complete = row["id"]
            self._is_caught_up = not page["more"]

    def _settled(self) -> int:
        """The id of the last message that is old enough. 0 if there is none."""
        shown, newest = self._shown, max(self._shown, default=0)
        return max((row for row in shown if shown[newest] - shown[row] > SETTLED), default=0)

    async def _watch(self, socket: ClientConnection) -> None:
        """Abandon a socket that swallows messages."""
        while True:
            await asyncio.sleep(PAUSE)
            if min(self._sent.values(), default=float("inf")) < time.monotonic() - STALE:
                await socket.close()

    async def _send(self, socket: ClientConnection, said: Said) -> None:
        self._sent[said.number] = time.monotonic()
        nonce = f"{self.person.name}-{said.number}"
        fields = {"handle": self.person.name, "message": "hello", "nonce": nonce}
        await socket.send(json.dumps(fields))

    def _hear(self, visit: Visit, frame: dict[str, Any]) -> None:
        if frame.get("type", "message") == "message" and not self._show(frame, visit.heard):
            self.person.again += 1

    def _show(self, row: dict[str, Any], heard: list[Heard]) -> bool:
        """Record a stored message as *heard*. False if it was shown before."""
        now = time.monotonic()
        sender, _, number = row["nonce"].rpartition("-")
        if sender == self.person.name:
            self._sent.pop(int(number), None)
            self._hear_back(int(number), now)
        if row["id"] in self._shown:
            return False
        self._shown[row["id"]] = dt.datetime.fromisoformat(row["timestamp"]).timestamp()
        self.person.rows.append(row["id"])
        heard.append(Heard(sender, int(number), now))
        return True
