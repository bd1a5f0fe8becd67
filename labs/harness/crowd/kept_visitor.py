"""A client that comes back to its connection, as the JavaScript client does."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any
from zlib import crc32

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Person, Said, Visit
from labs.harness.crowd.visitor import OPTIONS, Visitor

#: The subprotocol of sockets that can be resumed, and the type of the first frame.
PROTOCOL, RESUME = Subprotocol("channels-workers.v1"), "channels_workers.resume"


#: When every other one comes back (s): its server may have been cleaned up after by then. Those who
#: come back together do not wait for it.
LATE = 8.0


class KeptVisitor(Visitor):
    """Sends each message once for each connection; after a resume those that did not arrive."""

    def __init__(self, person: Person, server: int, plan: Plan, gate: asyncio.Semaphore) -> None:
        super().__init__(person, server, plan, gate)
        self._token = ""
        self._key = ""  # of the first visit of the connection
        self._received = 0  # frames of the connection
        self._sent: list[Said] = []  # by the connection, in order
        self._is_first = True  # no connection was lost for good

    def _pause(self, visit: Visit) -> float:
        is_late = visit.joined is not None and crc32(self.person.name.encode()) % 2
        is_late = is_late and not self.plan.together
        return LATE if is_late else super()._pause(visit)

    def _new_visit(self) -> Visit:
        visit = super()._new_visit()
        self._key = self._key or visit.key
        return visit

    async def _open(self, visit: Visit) -> ClientConnection:
        asks = f"resume.{self._token}.{self._received}" if self._token else "resume"
        address = f"{self.plan.servers[self.server]}/room/{self.person.room}/?key={visit.key}"
        offered = [PROTOCOL, Subprotocol(asks)]
        socket = await connect(address, subprotocols=offered, **OPTIONS)
        with suppress(ConnectionClosed):  # :meth:`_stay` meets it, too
            self._begin(visit, json.loads(await socket.recv()))
        return socket

    def _begin(self, visit: Visit, frame: dict[str, Any]) -> None:
        assert frame["type"] == RESUME, frame
        self._token = frame["token"]
        if not frame["resumed"]:
            self._is_first = self._is_first and not self._received
            self._key, self._received, self._sent = visit.key, 0, []
            return
        now = time.monotonic()
        visit.key, visit.resumed, visit.gap = self._key, True, frame["gap"]
        arrived, self._sent = self._sent[: frame["received"]], self._sent[: frame["received"]]
        for said in arrived:  # it took effect, or will
            said.back = now if said.back is None else said.back
        visit.joined = now
        self.joined.set()

    async def _write(self, visit: Visit, socket: ClientConnection) -> None:
        await self.joined.wait()
        said, at = self.person.said, self._sent[-1].number + 1 if self._sent else 0
        with suppress(ConnectionClosed):
            while True:
                self._news.clear()
                while at < len(said):
                    if self._sent or said[at].back is None:
                        self._sent.append(said[at])
                        await self._send(socket, said[at])
                    at += 1
                await self._news.wait()

    def _hear(self, visit: Visit, frame: dict[str, Any]) -> None:
        if str(frame.get("type", "")).startswith("channels_workers."):
            return
        self._received += 1
        self.person.again += self._is_first and "known" in frame
        super()._hear(visit, frame)
