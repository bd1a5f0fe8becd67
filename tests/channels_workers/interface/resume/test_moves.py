"""A client that loses its socket all the time, and comes back to any server, misses nothing."""

import asyncio
import random

import pytest

from channels_workers.channel import Group
from channels_workers.interface.application import Interface
from channels_workers.layers.memory import InMemoryChannelLayer
from tests.channels_workers.interface.resume.clients import V1, Client, Consumers

# Signals around a consumer clean up database connections.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("workers")]

STEPS = 60


class Page:
    """The client's side over all sockets: what it sent, and what it received."""

    def __init__(self, servers: list[Interface], choose: random.Random) -> None:
        self.servers, self.choose = servers, choose
        self.sent: list[str] = []
        self.received: list[str] = []
        self.client: Client | None = None
        self.taken = 0  # frames of this socket that are received
        self.token = ""
        self.lost: list[Client] = []

    def read(self) -> None:
        """Receive some of what has come."""
        assert self.client is not None
        counted = self.client.counted
        count = self.choose.randint(self.taken, len(counted))
        self.received += counted[self.taken : count]
        self.taken = count

    def say(self) -> None:
        assert self.client is not None
        for _ in range(self.choose.randint(1, 4)):
            self.sent.append(str(len(self.sent)))
            self.client.send(self.sent[-1])

    async def come_back(self) -> None:
        """Open another socket; the server may know that the one before is lost, or not."""
        if self.client is not None:
            self.read()
            if self.choose.random() < 0.5:
                self.client.lose()
            self.lost.append(self.client)
        asks = f"resume.{self.token}.{len(self.received)}" if self.token else "resume"
        self.client = await Client(self.choose.choice(self.servers), V1, asks).answered()
        self.taken = 0
        answer = self.client.answer
        assert answer["resumed"] == bool(self.token)
        if self.token:
            assert not answer["gap"]
            for text in self.sent[answer["received"] :]:
                self.client.send(text)
        self.token = answer["token"]


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_lost_or_comes_twice(
    seed: int,
    application: Interface,
    other: Interface,
    consumers: Consumers,
    layer: InMemoryChannelLayer,
) -> None:
    choose = random.Random(seed)
    page, told = Page([application, other], choose), 0
    await page.come_back()
    for _ in range(STEPS):
        step = choose.random()
        if step < 0.5:
            page.say()
        elif step < 0.7:
            Group("room", channel_layer=layer).send({"text": f"told {told}"})
            told += 1
        elif step < 0.85:
            page.read()
        else:
            await page.come_back()
        for _ in range(choose.randint(0, 3)):
            await asyncio.sleep(0)
    await page.come_back()
    client = page.client
    assert client is not None
    await client.until(lambda: len(page.received) + len(client.counted) == len(page.sent) + told)
    received = page.received + client.counted
    assert [each for each in received if each.startswith("told")] == [
        f"told {number}" for number in range(told)
    ]
    assert [each for each in received if each.startswith("echo")] == [
        f"echo {text}" for text in page.sent
    ]
    await client.lost(1000)
    await consumers.until(lambda: consumers.values("disconnect"))
    assert consumers.values("disconnect") == [(1000, page.sent)]
    for each in page.lost:
        each.lose()
        await asyncio.wait_for(asyncio.shield(each.task), 10)
