"""Request bodies, without a server."""

import asyncio
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.interface.http.bodies import Bodies, Body, content_length
from channels_workers.interface.types import Event

Headers = list[tuple[bytes, bytes]]


class Coming:
    """A `receive` that yields these parts, and then the result of `end`."""

    def __init__(self, *parts: bytes) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        for number, part in enumerate(parts, 1):
            more = number < len(parts)
            self.events.put_nowait({"type": "http.request", "body": part, "more_body": more})

    async def __call__(self) -> Event:
        return await self.events.get()

    def end(self) -> None:
        self.events.put_nowait({"type": "http.disconnect"})


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "headers": [*headers]}


async def read(body: Body) -> bytes:
    data, more = b"", True
    while more:
        event = await body()
        data += event["body"]
        more = event["more_body"]
    return data


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ([], 0),
        ([(b"content-length", b"12")], 12),
        ([(b"content-length", b"-1")], 0),
        ([(b"content-length", b"x")], 0),
        ([(b"content-length", b"9" * 10_000)], 10**20),
    ],
)
def test_the_declared_length_of_a_request(headers: Headers, length: int) -> None:
    assert content_length(scope(*headers)) == length


@pytest.mark.parametrize("parts", [[b""], [b"abc"], [b"a", b"", b"b" * 700_000, b"c"]])
async def test_a_body_arrives_unchanged_before_the_disconnect(parts: list[bytes]) -> None:
    bodies, coming = Bodies(), Coming(*parts)
    body = Body(coming, bodies)
    assert await body.collect(scope()) == 0
    assert bodies.kept == len(b"".join(parts))
    assert await read(body) == b"".join(parts)
    coming.end()
    assert [(await body())["type"] for _ in range(2)] == ["http.disconnect"] * 2
    body.release()
    body.release()
    assert bodies.kept == 0


async def test_a_client_that_leaves_before_the_body_is_complete() -> None:
    coming = Coming()
    body = Body(coming, Bodies())
    coming.end()
    assert await body.collect(scope()) == 0
    assert body.is_gone


async def test_a_later_disconnect_is_reported() -> None:
    coming = Coming(b"abc")
    body = Body(coming, Bodies())
    await body.collect(scope())
    gone = asyncio.create_task(body.gone())
    await asyncio.sleep(0)
    gone.cancel()  # as its slot comes first
    assert await read(body) == b"abc"
    coming.end()
    await body.gone()
    assert (await body())["type"] == "http.disconnect"
    body.release()


async def test_body_limits(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {
        "REQUEST_BODY_SIZE": 3,
        "REQUEST_BYTES_WAITING": 4,
        "REQUEST_BODY_TIMEOUT": 0.01,
    }
    bodies = Bodies()
    told = Body(Coming(), bodies)
    assert await told.collect(scope((b"content-length", b"4"))) == 413  # without waiting
    in_parts = Body(Coming(b"ab", b"cd"), bodies)
    assert await in_parts.collect(scope()) == 413
    in_parts.release()
    assert bodies.kept == 0
    first, second = (Body(Coming(b"abc"), bodies) for _ in range(2))
    assert await first.collect(scope()) == 0
    assert await second.collect(scope()) == 503
    second.release()
    first.release()
    assert bodies.kept == 0
    late = Body(Coming(), bodies)
    assert await late.collect(scope()) == 408
