"""The virtual sockets of one server, and what requests of their clients ask of them.

A request may reach another server of the site than the one that holds its socket. That server
relays it; so what is asked and answered here is plain data.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

from channels_workers.interface.transports.socket import VirtualSocket
from channels_workers.interface.transports.wire import LARGEST
from channels_workers.layers.codec import Content

#: Sockets that were closed here are kept, so that their clients hear of it: so many, the newest,
#: and for so long (s).
ENDED_KEPT, ENDED_FOR = 200, 10.0

#: Answers about a socket that is not here, and about a frame that never was.
NOT_HERE: Content = {"gone": True}
NO_FRAME: Content = {"bad": True}


class Homes:
    """The virtual sockets of this server by key."""

    def __init__(self) -> None:
        self.known: dict[str, VirtualSocket] = {}
        self._untold: set[str] = set()  # those that have ended, and whose clients do not know
        self._told = asyncio.Event()
        self._told.set()
        self._ended: OrderedDict[str, VirtualSocket] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        """Say whether the socket is here, or was a moment ago."""
        return key in self.known or key in self._ended

    def add(self, socket: VirtualSocket) -> None:
        """Know *socket*."""
        self.known[socket.key] = socket

    def ended(self, socket: VirtualSocket) -> None:
        """Note that *socket* has ended; its client may still ask why."""
        if self.known.pop(socket.key, None) is None or not socket.has_news:
            return
        self._ended[socket.key] = socket
        self._untold.add(socket.key)
        self._told.clear()
        asyncio.get_running_loop().call_later(ENDED_FOR, self._forget, socket.key)
        if len(self._ended) > ENDED_KEPT:
            self._forget(next(iter(self._ended)))

    def _forget(self, key: str) -> None:
        self._ended.pop(key, None)
        self._note_told(key)

    def _note_told(self, key: str) -> None:
        self._untold.discard(key)
        if not self._untold:
            self._told.set()

    async def all_told(self) -> None:
        """Wait until the clients of all sockets that have ended know it."""
        await self._told.wait()

    async def answer(self, asked: Content) -> Content:
        """Do what is *asked*, and return the answer."""
        key = str(asked.get("key"))
        socket = self.known.get(key) or self._ended.get(key)
        if socket is None:
            return NOT_HERE
        match asked.get("do"):
            case "poll":
                return await self._poll(socket, asked)
            case "push":
                return await self._push(socket, asked)
            case "close":
                socket.leave(int(asked["code"]))
                self._forget(key)
                return {"closed": True}
        return NO_FRAME

    async def _poll(self, socket: VirtualSocket, asked: Content) -> Content:
        fetched = (
            None
            if socket.is_lost
            else await socket.poll(
                str(asked["reader"]),
                _number(asked["after"]),
                float(asked["wait"]),
                is_first=bool(asked["first"]),
            )
        )
        if socket.is_lost:
            return NOT_HERE
        if fetched is None:
            return NO_FRAME
        if fetched.is_end:
            self._note_told(socket.key)
        return fetched._asdict()

    async def _push(self, socket: VirtualSocket, asked: Content) -> Content:
        if not socket.acknowledge(_number(asked["ack"])):
            return NO_FRAME
        if socket.is_over:
            return NOT_HERE
        return {"received": await socket.push(_number(asked["first"]), asked["frames"])}


def _number(given: Any) -> int:
    return min(int(given), LARGEST)
