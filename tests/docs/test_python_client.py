"""The code of how-to/python-client.md runs, with a server that plays the other role."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from channels_workers.client import Client
from tests.channels_workers.client.roles import host, soon
from tests.docs.pages import page

BLOCKS = [block for block in page("how-to/python-client").blocks if block.language == "python"]


def names_of(number: int) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "a page"}
    exec(BLOCKS[number].text, names)
    return names


async def serve(peer: Any, payloads: list[Any]) -> None:
    """Answer everything; send *payloads* to who joins."""
    async for text in peer.socket:
        frame = json.loads(text)
        match frame["type"]:
            case "join":
                await peer.send(type="joined", id=frame["id"], group=frame["group"], gap=True)
                for n, payload in enumerate(payloads, start=1):
                    at = f"{'a' * 16}:{n}"
                    await peer.send(type="message", group=frame["group"], payload=payload, at=at)
            case "request":
                await peer.send(type="reply", id=frame["id"], payload=7)
            case "message":
                await peer.send(
                    type="error", nonce=frame["nonce"], code="denied", message="Read only"
                )


async def test_the_first_program(capsys: pytest.CaptureFixture[str]) -> None:
    async with host() as server:
        running = asyncio.create_task(names_of(0)["main"](server.url))
        peer = await server.next()
        serving = asyncio.create_task(serve(peer, ["one", "two"]))
        printed = ""
        async with asyncio.timeout(20):
            while "two" not in printed:
                await asyncio.sleep(0.01)
                printed += capsys.readouterr().out
        running.cancel()
        await asyncio.wait([running, serving])
    assert printed.split("\n")[:4] == ["denied Read only", "7", "one", "two"]


async def test_a_group_with_gaps_and_positions() -> None:
    seen: list[Any] = []
    done = asyncio.Event()

    def add(payload: Any, at: str) -> None:
        seen.append((payload, at))
        done.set()

    store = SimpleNamespace(at="b:3", replace=seen.append, add=add)
    async with host() as server, Client(server.url) as client:
        following = asyncio.create_task(names_of(1)["follow"](client, store))
        serving = asyncio.create_task(serve(await server.next(), ["one"]))
        await soon(done.wait())
        following.cancel()
        await asyncio.wait([following])
        serving.cancel()
    assert seen == [7, ("one", f"{'a' * 16}:1")]


async def test_a_token() -> None:
    async def fetch(path: str) -> dict[str, Any]:
        return {"token": "secret", "expires": 4e9}

    client = names_of(2)["connect"](SimpleNamespace(fetch=fetch))
    async with host() as server:
        client._link._url = server.url
        async with client:
            assert (await server.next()).headers["Authorization"] == "Bearer secret"


async def test_the_state(capsys: pytest.CaptureFixture[str]) -> None:
    async with host() as server:
        client = Client(server.url)
        client.open()
        watching = asyncio.create_task(names_of(3)["watch"](client))
        await (await server.next()).close(4013, "retry-after: 0.1")
        await server.next()
        await client.close()
        await soon(watching)
    assert capsys.readouterr().out.startswith("4013, again in 0.1 s")


async def test_any_server() -> None:
    async with host() as server:
        running = asyncio.create_task(names_of(4)["echo"](server.url))
        peer = await server.next()
        await peer.socket.send(await peer.read())
        assert await soon(running) == "hello"
