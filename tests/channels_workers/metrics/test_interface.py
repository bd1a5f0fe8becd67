"""What a scrape reads of interface servers."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client import generate_latest

from channels_workers.interface.application import Interface
from channels_workers.interface.http.exchanges import REASONS
from channels_workers.interface.traffic import CODES, OUTCOMES
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.metrics.instruments import Instruments
from channels_workers.metrics.interface import FAMILIES
from tests.channels_workers.interface.test_application import Client
from tests.channels_workers.metrics.conftest import Sample

TIMEOUT = 60
Event = dict[str, Any]


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    return InMemoryChannelLayer()


@pytest.fixture
async def application(instruments: Instruments, layer: InMemoryChannelLayer) -> Interface:
    async def http(scope: Event, receive: object, send: Callable[[Event], Awaitable[None]]) -> None:
        """Answer the status in the path."""
        status = int(scope["path"].strip("/"))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    made = Interface(http, lambda: layer)
    made.get_ready()
    return made


async def test_all_series_exist_from_the_start(application: Interface, sample: Sample) -> None:
    """So Prometheus sees the first increase."""
    assert [sample("handshakes_total", outcome=each) for each in OUTCOMES] == [0] * len(OUTCOMES)
    assert [sample("sockets_closed_total", code=each, by="client") for each in CODES] == [0] * len(
        CODES
    )
    assert [sample("requests_refused_total", reason=each) for each in REASONS] == [0] * len(REASONS)
    assert sample("http_requests_total", by="interface", status="5xx") == 0
    assert sample("inbox_operations_total", kind="release") == 0
    assert sample("inbox_lag_seconds") == 0
    assert sample("clock_error_seconds") == 0


async def test_sockets_come_and_go(
    application: Interface, layer: InMemoryChannelLayer, sample: Sample
) -> None:
    client = Client(application)
    [reply_channel] = await published(layer)
    assert sample("sockets", state="connecting") == 1
    layer.apply(
        [
            layer.make_send(
                reply_channel, {"accept": True, "text": "caf\N{LATIN SMALL LETTER E WITH ACUTE}"}
            )
        ]
    )
    await client.until(lambda: client.types == ["accept", "send"])
    assert sample("sockets", state="open") == 1
    assert sample("handshakes_total", outcome="accepted") == 1
    assert sample("handshake_seconds_count", outcome="accepted") == 1
    assert (sample("frames_sent_total"), sample("sent_bytes_total")) == (1, 5)
    assert sample("commit_to_frame_seconds_count") == 1
    assert sample("inbox_operations_total", kind="send") == 1
    client.send("tea")
    client.leave(4999)
    await client.ended()
    assert sample("sockets", state="closing") == 1
    assert sample("frames_waiting") == 1
    assert sample("sockets_closed_total", code="other", by="client") == 1


async def published(layer: InMemoryChannelLayer) -> list[str]:
    """The reply channels of the connects that were published."""
    async with asyncio.timeout(TIMEOUT):
        while not layer.store.records:  # noqa: ASYNC110  (a store tells nobody)
            await asyncio.sleep(0)
    return list(layer.store.records)


async def test_requests_are_counted_by_status(application: Interface, sample: Sample) -> None:
    async def receive() -> Event:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: Event) -> None:
        pass

    for status in (200, 204, 302, 404, 500, 503, 777):
        scope = {"type": "http", "method": "GET", "path": f"/{status}", "headers": []}
        await application(scope, receive, send)
    counts = {
        status: sample("http_requests_total", by="interface", status=status)
        for status in ("2xx", "3xx", "4xx", "5xx", "none")
    }
    assert counts == {"2xx": 2, "3xx": 1, "4xx": 1, "5xx": 2, "none": 1}
    assert sample("http_request_seconds_count", by="interface") == 7
    assert sample("http_requests_in_progress", by="interface") == 0


async def test_a_scrape_needs_nothing_of_the_event_loop(
    application: Interface, instruments: Instruments
) -> None:
    """It ends while the loop is blocked, so a busy loop does not wait for it either."""
    client = Client(application)
    scraped = threading.Event()

    def scrape() -> bytes:
        found = generate_latest(instruments.registry)
        scraped.set()
        return found

    with ThreadPoolExecutor() as pool:
        text = pool.submit(scrape)
        assert scraped.wait(TIMEOUT)  # in the loop
        assert b"channels_workers_sockets" in text.result()
    client.leave()


def test_a_server_that_is_gone_shows_nothing(instruments: Instruments, sample: Sample) -> None:
    found = instruments.interface
    assert [sample.samples for sample in found.collect()] == [[] for _ in FAMILIES]
