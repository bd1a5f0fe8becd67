"""Kept connections after Redis has lost its data, has old data again, or was flushed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.layers.kept import Adopted, Parked
from channels_workers.layers.redis import RedisChannelLayer, registration, session
from channels_workers.layers.types import (
    DISCONNECT,
    RESUME,
    RESUMES,
    Closed,
    ConnectionSnapshot,
    Join,
    ProcessInfo,
    Published,
    ReplyKind,
)
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.recorder import TIMEOUT
from tests.channels_workers.layers.test_recovery import CHANNELS, Site, Socket

PAYLOAD = b"\x80"


class KeptSocket(Socket):
    """A kept connection at the server of *layer*."""

    def __init__(self, site: "Site", layer: RedisChannelLayer) -> None:
        super().__init__(site)
        self.layer = layer

    def resumed(self, adopted: Adopted) -> None:
        self.order, self.pending = adopted.order, adopted.pending

    def hand_over(self, has: int) -> Sequence[dict[str, Any]]:
        return self.messages[has:]

    def snapshot(self) -> ConnectionSnapshot | None:
        return None if self.order < 0 else ConnectionSnapshot(self.order, PAYLOAD, self.pending)

    async def hear(self) -> None:
        """Publish that the client is back; wait until a worker has finished it."""
        self.order += 1
        publishing = self.layer.publish(RESUME, self.channel, self.order, PAYLOAD)
        assert await publishing is Published.PUBLISHED
        await self.site.work()
        await self.until(lambda: self.releases[-1:] == [self.order])


class KeptSite(Site):
    """Two interface servers and a worker."""

    def __init__(self, url: str, redis_client: Any) -> None:
        super().__init__(url, redis_client)
        self.other = RedisChannelLayer(hosts=[url])
        about = ProcessInfo("worker", "host", 1, 0.0, 1, (*CHANNELS, RESUME), features=(RESUMES,))
        self.worker.register("worker", about)

    async def pull(self) -> Any:
        async with asyncio.timeout(TIMEOUT):
            while True:
                channels = [*CHANNELS, RESUME]
                if found := await asyncio.to_thread(self.worker.pull, channels, "worker.0", 0.2):
                    return found[0]

    async def kept(self) -> KeptSocket:
        """A kept connection in the group `room`, with two frames, at the first server."""
        socket = KeptSocket(self, self.layer)
        socket.channel = await self.layer.attach(socket, ReplyKind.KEPT)
        publishing = asyncio.create_task(socket.publish())
        await self.work(Join("room", socket.channel))
        await publishing
        await socket.until(lambda: socket.pending is None)
        for text in ("a", "b"):
            await socket.say(text=text)
        return socket

    async def moved(self, old: KeptSocket, layer: RedisChannelLayer | None = None) -> KeptSocket:
        """Let the other server adopt it."""
        layer = layer or self.other
        socket = KeptSocket(self, layer)
        socket.channel = old.channel
        assert await layer.kept.adopt(old.channel, socket, len(old.messages)) is not None
        return socket

    async def is_heard(self, socket: KeptSocket, number: int) -> None:
        await self.aapply(number)
        await socket.until(lambda: socket.messages[-1:] == [{"n": number}])

    async def aapply(self, number: int) -> None:
        async with asyncio.timeout(TIMEOUT):
            while True:
                try:
                    await self.layer.group_send("room", {"n": number})
                except Exception:  # noqa: BLE001  (all register again)
                    await asyncio.sleep(0.01)
                else:
                    return

    async def until_due(self) -> None:
        async with asyncio.timeout(TIMEOUT):
            while True:
                try:
                    if (await asyncio.to_thread(self.worker.admin.send_due)).ended:
                        return
                except Exception:  # noqa: BLE001  (all register again)
                    pass
                await asyncio.sleep(0.01)


@pytest.fixture
async def site(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> AsyncIterator[KeptSite]:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 1}
    monkeypatch.setattr(session, "HEARTBEAT_INTERVAL", 0.02)
    monkeypatch.setattr(registration, "RECOVERY_TIME", 0.2)
    with redis_server.client() as client:
        found = KeptSite(redis_server.url, client)
        yield found
        for layer in (found.layer, found.other):
            await layer.retire_server()
            layer.disconnect()
        found.worker.disconnect()


async def test_one_that_has_moved(site: KeptSite) -> None:
    old = await site.kept()
    socket = await site.moved(old)
    await socket.hear()
    await site.evicted()
    await site.is_heard(socket, 1)
    assert not old.messages
    back = await site.moved(socket, site.layer)
    assert back.order == 3
    await site.is_heard(back, 2)
    back_again = await site.other.kept.adopt(back.channel, KeptSocket(site, site.other), 0)
    assert back_again is not None
    assert back_again.received == 2


async def test_one_that_waits_at_a_living_server(site: KeptSite) -> None:
    socket = await site.kept()
    assert await site.layer.kept.park(socket.channel, 1006) is Parked.PARKED
    await site.evicted()
    assert site.worker.admin.status().parked == 1
    await site.until_due()
    disconnect = await site.work()
    assert (disconnect.channel, disconnect.code, disconnect.order) == (DISCONNECT, 1006, 3)
    await socket.until(lambda: socket.ends == 1)
    await site.nothing_waits()


async def test_one_that_waits_for_a_server_is_lost(site: KeptSite) -> None:
    socket = await site.kept()
    assert await site.layer.kept.park(socket.channel, 1006) is Parked.PARKED
    await site.layer.retire_server()
    site.other.start_server()
    await site.other.first_attempt()
    await site.evicted()
    assert await site.other.kept.adopt(socket.channel, KeptSocket(site, site.other), 0) is None
    await site.nothing_waits()


async def test_it_waits_after_the_stop_of_its_server(site: KeptSite) -> None:
    socket = await site.kept()
    await site.layer.kept.park(socket.channel, 1012)
    await site.layer.retire_server()
    again = await site.moved(socket)
    await again.hear()
    await site.other.group_send("room", {"n": 1})
    await again.until(lambda: again.messages == [{"n": 1}])
    assert await site.other.close(again.channel, 1000) is Closed.PUBLISHED
    assert (await site.work()).code == 1000


async def test_old_data_from_before_the_move(site: KeptSite) -> None:
    old = await site.kept()
    before = site.snapshot()
    socket = await site.moved(old)
    await socket.hear()
    await site.evicted(before)
    await site.is_heard(socket, 1)
    assert not old.messages
    await site.nothing_waits()
    back = await site.moved(socket, site.layer)
    assert back.order == 3
    await site.is_heard(back, 2)


async def test_old_data_with_one_that_has_ended(site: KeptSite) -> None:
    socket = await site.moved(await site.kept())
    before = site.snapshot()
    await site.other.close(socket.channel, 1000)
    await site.work()
    await socket.until(lambda: socket.ends == 1)
    site.other.detach(socket.channel)
    await site.evicted(before)
    assert not list(site.redis.scan_iter("*kept:*"))
    assert not list(site.redis.scan_iter("*session:*"))
    await site.nothing_waits()


async def test_a_flush_spares_those_of_living_servers(site: KeptSite) -> None:
    socket, gone = await site.moved(await site.kept()), await site.kept()
    await site.layer.kept.park(gone.channel, 1006)
    await site.layer.retire_server()
    await site.other.group_send("room", {"n": 0})
    await site.worker.flush()
    await site.other.group_send("room", {"n": 1})
    await socket.until(lambda: socket.messages == [{"n": 0}, {"n": 1}])
    assert await site.other.kept.adopt(gone.channel, KeptSocket(site, site.other), 0) is None
    await socket.hear()


async def test_a_flush_while_the_disconnect_waits(site: KeptSite) -> None:
    socket = await site.kept()
    await site.layer.kept.park(socket.channel, 1006)
    await site.until_due()
    await site.worker.flush()
    assert (await site.work()).channel == DISCONNECT
    await site.nothing_waits()
