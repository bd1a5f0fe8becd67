"""Several commits in one call of a script of Redis."""

import asyncio
from collections.abc import Iterator

import pytest

from channels_workers.layers.redis import RedisChannelLayer, commits
from channels_workers.layers.redis.commits import MERGED_SIZE, OPERATION_COST
from channels_workers.layers.types import (
    Committed,
    Delivery,
    Finished,
    GroupSend,
    Operation,
    Published,
    Send,
    SendLater,
)
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.contract import Process

LARGE = b"x" * (MERGED_SIZE // 3)


@pytest.fixture
def layer(redis_server: RedisServer) -> Iterator[RedisChannelLayer]:
    redis_server.flush()
    layer = RedisChannelLayer(hosts=[redis_server.url])
    yield layer
    layer.disconnect()


def together(*operations: list[Operation]) -> list[int]:
    """How many commits with these operations each script gets."""
    delivery = Delivery("work", "1-0", "worker.0", "id", b"")
    finished = [Finished(delivery, each) for each in operations]
    return [request.messages for request in commits.requests(finished, lambda channel: 100)]


def test_commits_share_a_script() -> None:
    assert together([], [GroupSend("room", b"")], [Send("server!1", b"")]) == [3]


@pytest.mark.parametrize("refusable", [Send("work", b""), SendLater("server!1", b"", 1.0, "id")])
def test_a_commit_that_may_be_refused_comes_alone(refusable: Operation) -> None:
    assert together([], [], [refusable], [], []) == [2, 1, 2]


def test_a_script_commits_no_more_than_it_should() -> None:
    large: list[Operation] = [GroupSend("room", LARGE)]
    assert together(*[large] * 5) == [2, 2, 1]


def test_few_sends_to_groups_share_an_entry() -> None:
    """A server delivers them to all members in one turn of its event loop."""
    broadcast: list[Operation] = [GroupSend("room", b"")]
    assert together(*[broadcast] * 20) == [8, 8, 4]


def test_one_large_commit_comes_alone() -> None:
    many: list[Operation] = [GroupSend("room", b"")] * (MERGED_SIZE // OPERATION_COST + 1)
    assert together([], many, []) == [1, 1, 1]


def entries_written(layer: RedisChannelLayer) -> int:
    """How many entries of streams were written so far."""
    return int(layer.client.redis.info("commandstats")["cmdstat_xadd"]["calls"])


async def test_commits_of_a_batch_share_an_entry_of_the_inbox(layer: RedisChannelLayer) -> None:
    process = Process(layer)
    recorders = [await process.connect() for _ in range(3)]
    deliveries = [await process.pull() for _ in recorders]
    before = entries_written(layer)
    finished = [Finished(each, [process.send(each.reply_channel or "")]) for each in deliveries]
    done = await asyncio.to_thread(layer.commit_all, finished)
    assert entries_written(layer) - before == 1
    assert done == [Committed.DONE] * 3
    for recorder in recorders:
        await recorder.until(lambda recorder=recorder: recorder.releases == [0])
        assert recorder.messages == [{}]
    await layer.retire_server()


async def test_a_delivery_that_is_twice_in_a_batch_acts_once(layer: RedisChannelLayer) -> None:
    process = Process(layer)
    recorder = await process.connect()
    connect = await process.pull()
    await layer.send("work", {})
    work = await process.pull("work")
    finished = [
        Finished(connect, [process.send(recorder.channel, n=1)]),
        Finished(work, [process.send(recorder.channel, n=2)]),
    ]
    done = await asyncio.to_thread(layer.commit_all, finished * 2)
    assert done[:2] == [Committed.DONE] * 2
    assert Committed.DONE not in done[2:]
    await asyncio.to_thread(layer.apply, [process.send(recorder.channel, n=3)])
    await recorder.until_got({"n": 1}, {"n": 2}, {"n": 3})
    assert recorder.releases == [0]
    await layer.retire_server()


async def test_a_spoilt_history_harms_no_commit_of_its_batch(redis_server: RedisServer) -> None:
    redis_server.flush()
    layer = RedisChannelLayer(hosts=[redis_server.url], history={"room": {}})
    process = Process(layer)
    await layer.group_send("room", {})
    layer.client.redis.xadd(layer.client.key("history:room"), {"at": "1"}, "999-0")
    recorders = [await process.connect() for _ in range(3)]
    deliveries = [await process.pull() for _ in recorders]
    sends: list[list[Operation]] = [[], [process.group_send("room", n=1)], []]
    finished = [Finished(each, ops) for each, ops in zip(deliveries, sends, strict=True)]
    done = await asyncio.to_thread(layer.commit_all, finished)
    assert done == [Committed.DONE] * 3
    for recorder in recorders:
        await recorder.until(lambda recorder=recorder: recorder.releases == [0])
        assert await process.publish(recorder, 1) is Published.PUBLISHED
    await layer.retire_server()
    layer.disconnect()
