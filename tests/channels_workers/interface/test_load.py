"""The load page, which autoscalers read."""

import json
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.status import ChannelStatus, Status, WorkerStatus, load_of
from channels_workers.layers.types import ProcessInfo
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from tests.channels_workers.interface.test_health import Answer, ask, interface


@pytest.fixture(autouse=True)
def load_path(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"LOAD_PATH": "/load"}


def worker(busy: int, threads: int) -> WorkerStatus:
    return WorkerStatus("one", ProcessInfo("worker", "vm", 1, 0.0, threads), busy)


def told(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_only_channels_with_waiting_messages_have_an_age() -> None:
    """A consumer that runs for long is no reason for another worker."""
    status = Status(
        channels=[
            ChannelStatus("long", 0, 1, 900.0),
            ChannelStatus("busy", 3, 4, 2.71828),
            ChannelStatus("new", 2, 0, None),
        ],
        workers=[worker(1, 2), worker(0, 4)],
    )
    assert load_of(status) == {
        "oldest": 2.718,
        "waiting": 5,
        "busy": 0.167,
        "threads": 6,
        "workers": 2,
    }


def test_a_site_without_workers_has_a_load() -> None:
    expected = {"oldest": 0.0, "waiting": 0, "busy": 0.0, "threads": 0, "workers": 0}
    assert load_of(Status()) == expected


async def test_the_page_shows_what_waits(redis_server: RedisServer) -> None:
    layer = RedisChannelLayer(hosts=[redis_server.url])
    Channel("later", channel_layer=layer).send({})
    wait_for(lambda: (layer.admin.status().channels[0].oldest or 0) > 0.01, "an older message")
    answer = await ask(interface(layer), "/load")
    assert answer.status == 200
    assert answer.headers[b"content-type"] == b"application/json"
    assert told(answer)["waiting"] == 1
    assert told(answer)["oldest"] > 0


async def test_concurrent_requests_share_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = InMemoryChannelLayer()
    looks = []
    monkeypatch.setattr(layer.admin, "status", lambda: looks.append(1) or Status())
    application = interface(layer)
    for _ in range(3):
        assert (await ask(application, "/load")).status == 200
    assert len(looks) == 1


async def test_without_redis_there_is_no_load(redis_server: RedisServer) -> None:
    layer = RedisChannelLayer(hosts=[redis_server.url])
    redis_server.stop()
    answer = await ask(interface(layer), "/load")
    assert (answer.status, told(answer)) == (503, {"status": "unavailable"})


async def test_an_unexpected_error_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    layer = InMemoryChannelLayer()
    monkeypatch.setattr(layer.admin, "status", lambda: 1 / 0)
    assert (await ask(interface(layer), "/load")).status == 503
    assert "load_failed" in {record.__dict__.get("event") for record in caplog.records}


async def test_it_is_read_only_and_off_by_default(settings: Settings) -> None:
    application = interface(InMemoryChannelLayer())
    assert (await ask(application, "/load", "POST")).status == 405
    settings.CHANNEL_WORKERS = {}
    assert (await ask(application, "/load")).status == 204
