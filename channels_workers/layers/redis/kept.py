"""Kept connections in Redis; see ``lua/lib/kept.lua``."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.kept import Adopted, Home, LayerKept, Parked
from channels_workers.layers.redis import kept_requests as requests
from channels_workers.layers.redis.requests import ignore
from channels_workers.layers.redis.session import ServerSession
from channels_workers.layers.server import Server


class Layer(Protocol):
    """The parts of a layer that its kept side uses."""

    def start_server(self) -> Server:
        """Return the server of this process."""

    def living_session(self) -> ServerSession:
        """Return the session of that server."""

    def detach(self, reply_channel: str) -> None:
        """Forget the receiver of *reply_channel*."""


class RedisKept(LayerKept):
    """The kept connections of *layer*."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self._layer = layer

    async def hears_resumes(self) -> bool:
        """Say whether a worker listens to ``websocket.resume``; this waits while Redis is away."""
        self._layer.start_server()
        return bool(await self._layer.living_session().call(requests.hears_resumes()))

    def _home(self) -> Home:
        return self._layer.start_server()

    async def _park(self, server: Home, channel: str, code: int) -> tuple[Parked, int]:
        reply, ended = await self._layer.living_session().call(
            requests.park(server.id, channel, code)
        )
        return Parked(reply.decode()), ended

    async def _adopt(self, server: Home, channel: str, has: int) -> Adopted | None:
        request = requests.adopt(server.id, channel, has)
        return requests.read_adopted(await self._layer.living_session().call(request))

    def _give_back(self, server: Home, channel: str, code: int) -> None:
        with suppress(LayerUnavailable):  # then a reaper parks it
            self._layer.living_session().writer.add(requests.park(server.id, channel, code), ignore)

    def _detach(self, server: Home, channel: str) -> None:
        self._layer.detach(channel)
