"""Workers of a layer with several shards."""

import asyncio

import pytest

from channels_workers.channel import Group
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.memory.stores import Stores
from channels_workers.layers.types import CONNECT, DISCONNECT, RECEIVE, Closed
from channels_workers.message import Message
from tests.channels_workers.consumers import TIMEOUT, StartGroup
from tests.channels_workers.layers.contract import Process
from tests.channels_workers.layers.recorder import Recorder


def enter(message: Message) -> None:
    Group("room", channel_layer=message.channel_layer).add(message.reply_channel)


def say(message: Message) -> None:
    Group("room", channel_layer=message.channel_layer).send({"text": message["text"]})


def leave(message: Message) -> None:
    Group("room", channel_layer=message.channel_layer).send({"text": "bye"})


@pytest.fixture
def stores() -> Stores:
    return Stores(3)


@pytest.fixture
async def site(stores: Stores, start_group: StartGroup) -> list[Process]:
    """Three servers, each at home on another shard, and a worker."""
    layers = [InMemoryChannelLayer(stores=stores) for _ in stores.names]
    processes = [Process(layer, f"process{n}") for n, layer in enumerate(layers)]
    for process in processes:
        process.layer.start_server()
        await asyncio.to_thread(process.layer.retire, process.name, (), ())  # no worker
    routing = {CONNECT: enter, RECEIVE: say, DISCONNECT: leave}
    layer = InMemoryChannelLayer(stores=stores)
    await asyncio.to_thread(start_group, routing, layer, n_threads=2)
    return processes


async def talk(process: Process, recorder: Recorder, text: str) -> None:
    order = len(recorder.releases)
    await process.publish(recorder, order, text=text)
    await recorder.until(lambda: order in recorder.releases)


async def test_a_room_on_three_shards(site: list[Process]) -> None:
    recorders = [await process.connect() for process in site]
    for recorder in recorders:
        await recorder.until(lambda recorder=recorder: recorder.releases == [0])
    for number, (process, recorder) in enumerate(zip(site, recorders, strict=True)):
        await talk(process, recorder, str(number))
    for recorder in recorders:
        await recorder.until_got({"text": "0"}, {"text": "1"}, {"text": "2"})
    assert await site[0].layer.close(recorders[0].channel, 1000) is Closed.PUBLISHED
    await recorders[1].until(lambda: recorders[1].messages[3:] == [{"text": "bye"}])


async def test_two_shards_go_on_while_one_is_away(site: list[Process], stores: Stores) -> None:
    recorders = [await process.connect() for process in site]
    for recorder in recorders:
        await recorder.until(lambda recorder=recorder: recorder.releases == [0])
    stores.freeze("1")
    for number in range(1, 6):
        for which in (0, 2):
            async with asyncio.timeout(TIMEOUT):
                await talk(site[which], recorders[which], f"{which}{number}")
    stores.thaw("1")
    await talk(site[1], recorders[1], "back")
    texts = [message["text"] for message in recorders[1].messages]
    assert [text for text in texts if text.startswith("0")] == ["01", "02", "03", "04", "05"]
    assert [text for text in texts if text.startswith("2")] == ["21", "22", "23", "24", "25"]
    assert texts[-1] == "back"


async def test_a_commit_waits_for_its_shard(stores: Stores, start_group: StartGroup) -> None:
    """The worker goes on with messages of other shards meanwhile."""
    layers = [InMemoryChannelLayer(stores=stores) for _ in stores.names[:2]]
    here, there = [Process(layer, f"process{n}") for n, layer in enumerate(layers)]
    recorders = [await process.attach() for process in (here, there)]
    for process in (here, there):
        await asyncio.to_thread(process.layer.retire, process.name, (), ())
    frozen: list[str] = []

    def enter_and_freeze(message: Message) -> None:
        enter(message)
        if message.reply_channel.name.startswith("1") and not frozen:
            frozen.append("1")
            stores.freeze("1")

    routing = {CONNECT: enter_and_freeze, RECEIVE: say}
    layer = InMemoryChannelLayer(stores=stores)
    await asyncio.to_thread(start_group, routing, layer, n_threads=2)
    await there.publish(recorders[1], 0)
    async with asyncio.timeout(TIMEOUT):
        while not frozen:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.01)
        await here.publish(recorders[0], 0)
        await recorders[0].until(lambda: recorders[0].releases == [0])
        for number in range(1, 6):
            await talk(here, recorders[0], str(number))
    assert recorders[1].releases == []
    stores.thaw("1")
    await recorders[1].until(lambda: recorders[1].releases == [0])
    await talk(there, recorders[1], "back")
    assert recorders[0].messages[-1] == {"text": "back"}
