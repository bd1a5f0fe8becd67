"""Names chosen by strangers leave nothing behind: the number of keys stays constant."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.memory import InMemoryChannelLayer, Store
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import Committed, ProcessInfo, Session
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.contract import ALL, Process
from tests.channels_workers.layers.recorder import TIMEOUT

NAMES = 40


class Kept:
    """Layers of one kind and their stored names, each with its size."""

    def __init__(self, make: Callable[[], WorkerLayer], look: Callable[[], dict[str, Any]]) -> None:
        self.layers: list[WorkerLayer] = []
        self.make = make
        self.look = look

    def process(self, name: str) -> Process:
        self.layers.append(self.make())
        return Process(self.layers[-1], name)

    async def until_as(self, before: dict[str, Any]) -> None:
        """Wait until the layers store what they stored before."""
        async with asyncio.timeout(TIMEOUT):
            while (now := await asyncio.to_thread(self.look)) != before:
                self.now = now
                await asyncio.sleep(0.02)


def sizes_of(store: Store) -> dict[str, Any]:
    """The number of names in each part of a memory layer."""
    return {
        "streams": len(store.streams),
        "records": len(store.records),
        "sessions": len(store.sessions),
        "groups": len(store.groups),
        "processes": len(store.counters),
        "about": len(store.process_info),
    }


@pytest.fixture(params=["memory", "redis"])
async def kept(request: pytest.FixtureRequest, redis_server: RedisServer) -> AsyncIterator[Kept]:
    store, client = Store(), redis_server.client()

    def keys() -> dict[str, Any]:
        # An inbox is trimmed at each heartbeat. Its key contains no chosen name.
        found = {name.decode(): 1 for name in client.scan_iter() if b":inbox:" not in name}
        for name in [each for each in found if each.endswith(":lifelines")]:  # it may begin late
            del found[name]
            registered: Any = client.hkeys(name.replace(":lifelines", ":processes"))
            held: Any = client.hkeys(name)
            found |= {f"{name} {field}": 1 for field in held if field not in registered}
        return found

    if request.param == "memory":
        made = Kept(lambda: InMemoryChannelLayer(store), lambda: sizes_of(store))
    else:
        made = Kept(lambda: RedisChannelLayer(hosts=[redis_server.url]), keys)
    yield made
    for layer in made.layers:
        await layer.retire_server()
        if isinstance(layer, RedisChannelLayer):
            layer.disconnect()
    client.close()


async def pass_through_a_channel(process: Process, name: str) -> None:
    await process.layer.send(name, {"n": 1})
    assert await process.layer.receive(name) == {"n": 1}


async def wait_in_vain(process: Process, name: str) -> None:
    waiting = asyncio.create_task(process.layer.receive(name))
    await asyncio.wait([waiting], timeout=0.01)
    waiting.cancel()
    await asyncio.wait([waiting])


async def join_and_leave(process: Process, name: str) -> None:
    recorder = await process.attach()
    await process.layer.group_add(name, recorder.channel)
    await process.layer.group_send(name, {"n": 1})
    await recorder.until_got({"n": 1})
    await process.layer.group_discard(name, recorder.channel)
    await process.layer.group_add(f"{name}.ordinary", name)
    await process.layer.group_discard(f"{name}.ordinary", name)
    process.layer.detach(recorder.channel)


async def join_and_end(process: Process, name: str) -> None:
    recorder = await process.joined(name)
    await process.layer.close(recorder.channel, 1000)
    process.layer.detach(recorder.channel)
    assert await process.commit(await process.pull()) is Committed.DONE


async def keep_a_session(process: Process, name: str) -> None:
    recorder = await process.connect()
    session = Session(recorder.channel, b"session")
    assert await process.commit(await process.pull(), session=session) is Committed.DONE
    await asyncio.to_thread(process.layer.save_session, session)
    await process.layer.close(recorder.channel, 1000)
    process.layer.detach(recorder.channel)
    assert await process.commit(await process.pull(), session=session) is Committed.DONE
    await asyncio.to_thread(process.layer.save_session, session)


async def send_to_nobody(process: Process, name: str) -> None:
    await process.layer.group_send(name, {"n": 1})
    await process.layer.group_discard(name, name)
    await process.layer.send(f"nobody!{name}", {"n": 1})
    await process.layer.group_add(name, f"nobody!{name}")
    assert await asyncio.to_thread(process.layer.length, name) == 0
    assert await asyncio.to_thread(process.layer.members, name) == set()


async def come_and_go(process: Process, name: str) -> None:
    process.layer.register(name, ProcessInfo("worker", "host", 1, 0.0, 1, tuple(ALL)))
    await asyncio.to_thread(process.layer.pull, ALL, f"{name}.0", 0.0)
    await asyncio.to_thread(process.layer.retire, name, [f"{name}.0"], ALL)


@pytest.mark.parametrize(
    "use",
    [
        *(pass_through_a_channel, wait_in_vain, join_and_leave, join_and_end, keep_a_session),
        *(send_to_nobody, come_and_go),
    ],
)
async def test_temporary_names_leave_nothing_behind(
    use: Callable[[Process, str], Any], kept: Kept
) -> None:
    process = kept.process("worker")
    await use(process, "first")  # creates the streams of workers, which stay
    await process.pull_nothing()
    before = kept.look()
    for number in range(NAMES):
        await use(process, f"name-{number}")
    await kept.until_as(before)


async def test_deleting_an_empty_stream_loses_no_message(kept: Kept) -> None:
    """Receivers that wait while the stream is deleted and recreated get every message."""
    process, other = kept.process("worker"), kept.process("other worker")
    readers = [
        asyncio.create_task(each.layer.receive("name"))
        for each in (process, other)
        for _ in range(10)
    ]
    for number in range(20):
        await process.layer.send("name", {"n": number})
    done, _ = await asyncio.wait(readers, timeout=TIMEOUT)
    assert sorted(task.result()["n"] for task in done) == list(range(20))


async def test_a_stream_with_a_listening_worker_stays(kept: Kept) -> None:
    process, other = kept.process("worker"), kept.process("other worker")
    pulling = asyncio.create_task(
        asyncio.to_thread(process.layer.pull, ["name"], process.consumer, TIMEOUT)
    )
    await wait_in_vain(other, "name")
    await other.layer.send("name", {"n": 1})
    (delivery,) = await pulling
    await wait_in_vain(other, "name")
    assert other.layer.length("name") == 1
    assert await process.commit(delivery) is Committed.DONE
