"""The kept connections of a layer with shards."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.kept import (
    Adopted,
    Adoption,
    Claim,
    Home,
    Kept,
    KeptConnection,
    LayerKept,
    Parked,
    is_kept_channel,
)
from channels_workers.layers.shards.names import shard_of


class ShardedKept(LayerKept):
    """Sends each call to the shard of the connection, where it stays when it moves."""

    def __init__(self, by_name: Mapping[str, WorkerLayer], home: Callable[[], WorkerLayer]) -> None:
        super().__init__()
        self._by_name = by_name
        self._home_shard = home

    def _of(self, channel: str) -> LayerKept | None:
        shard = self._by_name.get(shard_of(channel) or next(iter(self._by_name)))
        return None if shard is None else shard.kept

    async def park(self, reply_channel: str, code: int) -> Parked:
        """Keep a connection whose client was lost."""
        kept = self._of(reply_channel)
        return Parked.GONE if kept is None else await kept.park(reply_channel, code)

    async def adopt(
        self, reply_channel: str, connection: KeptConnection, has: int
    ) -> Adopted | None:
        """Let *connection* go on with a kept connection, by a server on its shard."""
        kept = self._of(reply_channel) if is_kept_channel(reply_channel) else None
        return None if kept is None else await kept.adopt(reply_channel, connection, has)

    async def hears_resumes(self) -> bool:
        """Say whether a worker listens to ``websocket.resume``, or will once there is one."""
        return await self._home_shard().kept.hears_resumes()

    def _home(self) -> Home:
        return self._home_shard().start_server()

    async def _park(self, claim: Claim, channel: str, code: int) -> tuple[Parked, int]:
        kept = self._of(channel)
        return (Parked.GONE, 0) if kept is None else await kept._park(claim, channel, code)

    async def _adopt(
        self, claim: Claim, channel: str, has: int, known: Kept | None
    ) -> Adoption | None:
        kept = self._of(channel)
        return None if kept is None else await kept._adopt(claim, channel, has, known)

    def _give_back(self, claim: Claim, channel: str, code: int) -> None:
        if (kept := self._of(channel)) is not None:
            kept._give_back(claim, channel, code)

    def _detach(self, server: Home, channel: str) -> None:
        if (kept := self._of(channel)) is not None:
            kept._detach(server, channel)
