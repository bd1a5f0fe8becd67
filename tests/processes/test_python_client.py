"""The Python client with real servers and workers, which are killed under it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels_workers.client import Client, Options, Refused
from labs.harness.processes import Process
from labs.harness.server import Server
from tests.channels_workers.client.roles import until
from tests.conftest import StartWeb, StartWorker

ENV = {"DJANGO_SETTINGS_MODULE": "tests.processes.envelopes"}
QUICK: Options = {"first_delay": 0.05, "longest_delay": 0.5, "handshake_timeout": 60.0}

#: How many messages a test sends.
COUNT = 150

#: How long a test may take (s).
LONG = 120.0


def labels(database_url: str) -> list[str]:
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as database:
        found = database.execute("SELECT label FROM chat_room ORDER BY id").fetchall()
    database.close()
    return [label for (label,) in found]


def client_of(server: Server, owner: str) -> Client:
    return Client(f"{server.socket_url}/{owner}/", **QUICK)


@pytest.fixture
def worker(start_worker: StartWorker) -> Process:
    return start_worker(env=ENV, threads=2)


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, start_web: StartWeb) -> Server:
    return start_web(request.param, env=ENV)


@pytest.fixture
async def ann(server: Server, worker: Process) -> AsyncIterator[Client]:
    async with client_of(server, "ann") as client, asyncio.timeout(LONG):
        yield client


async def test_messages_requests_and_groups(ann: Client) -> None:
    async with ann.group("1", since=None) as group, ann.stream("room") as room:
        await room.send("none one")
        message = await anext(group)
        assert (message.payload, message.stream, message.group) == ("one", "room", "news-1")
        assert await room.request("none two") == {"label": "two"}
        assert (await anext(group)).payload == "two"
        assert group.at is not None
    async with ann.group("1", since=message.at) as again:
        assert (await anext(again)).payload == "two"
    assert 0 < await ann.ping() < LONG


async def test_refusals(ann: Client) -> None:
    with pytest.raises(Refused) as caught:
        await ann.send("x", stream="nowhere")
    assert caught.value.code == "unknown"
    with pytest.raises(Refused) as caught:
        async with ann.group("secret"):
            pass
    assert caught.value.code == "denied"
    with pytest.raises(Refused) as caught:
        await ann.request("too many words", stream="room")
    assert caught.value.code == "failed"


async def test_nothing_is_lost_doubled_or_reordered_while_all_are_killed(
    server: Server,
    worker: Process,
    ann: Client,
    database_url: str,
    start_web: StartWeb,
    start_worker: StartWorker,
) -> None:
    seen: list[str] = []
    gaps: list[Any] = []

    async def follow(client: Client) -> None:
        async for message in client.group("1", on_gap=gaps.append):
            seen.append(message.payload)

    async def say() -> None:
        for n in range(COUNT):
            ann.submit(f"none {n}", stream="room")
            await asyncio.sleep(0.01)  # the pace of the load

    async with client_of(server, "bob") as bob:
        following = asyncio.create_task(follow(bob))
        await bob.ping()
        saying = asyncio.create_task(say())
        await until(lambda: len(seen) > 10)
        worker.kill()
        await asyncio.to_thread(start_worker, env=ENV, threads=2)
        await until(lambda: len(seen) > 40)
        server.process.kill()
        await until(lambda: ann.state.name == "lost")
        await asyncio.to_thread(start_web, server.kind, env=ENV, port=server.port)
        await asyncio.gather(saying, ann.drained())
        await until(lambda: len(seen) >= COUNT)
        following.cancel()
        await asyncio.wait([following])
    expected = [str(n) for n in range(COUNT)]
    assert labels(database_url) == expected
    assert seen == expected
    assert gaps == []
