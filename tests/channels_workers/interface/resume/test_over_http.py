"""Connections go on over another transport: where WebSockets pass no longer, and back again."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.channel import Group
from channels_workers.interface.application import Interface
from channels_workers.interface.close_codes import REPLACED
from channels_workers.layers.memory import InMemoryChannelLayer
from tests.channels_workers.interface.resume.clients import V1, Client, Consumers
from tests.channels_workers.interface.transports.browser import Browser

# Signals around a consumer clean up database connections.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("workers")]

PATH = "/room/"


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 30, "FALLBACKS": True, "FALLBACK_TIMEOUT": 1}


@pytest.fixture(params=["same", "other"])
def back(request: Any, application: Interface, other: Interface) -> Interface:
    """The server that the client comes back to."""
    return application if request.param == "same" else other


async def opened(
    application: Interface, *offered: str, count: int = 0
) -> tuple[Browser, dict[str, Any], list[str]]:
    """A socket over HTTP, its first frame, and *count* more."""
    browser = await Browser(application, path=PATH).open(*offered)
    first, *others = await browser.texts(1 + count)
    return browser, json.loads(first), others


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_websocket_goes_on_over_http(
    application: Interface, back: Interface, consumers: Consumers, layer: InMemoryChannelLayer
) -> None:
    first = await Client(application, V1, "resume", path=PATH).answered()
    first.send("a")
    await first.until(lambda: first.counted == ["echo a"])
    await first.lost()
    Group("room", channel_layer=layer).send({"text": "missed"})
    await until(lambda: application.resumables.parked)
    browser, answer, missed = await opened(back, V1, first.resume(), count=1)
    assert (answer["resumed"], answer["received"], answer["gap"]) == (True, 1, False)
    assert missed == ["missed"]
    await browser.send("b")
    assert await browser.texts(1) == ["echo b"]
    await browser.close()
    await consumers.until(lambda: consumers.values("disconnect"))
    assert consumers.values("disconnect") == [(1000, ["a", "b"])]
    assert len(consumers.values("connect")) == 1


async def test_a_socket_over_http_that_is_lost_goes_on(
    application: Interface, back: Interface, consumers: Consumers, layer: InMemoryChannelLayer
) -> None:
    browser, answer, _ = await opened(application, V1, "resume")
    assert not answer["resumed"]
    await browser.send("a")
    assert await browser.texts(1) == ["echo a"]
    await until(lambda: application.resumables.parked)  # after FALLBACK_TIMEOUT
    Group("room", channel_layer=layer).send({"text": "missed"})
    second = await Client(back, V1, f"resume.{answer['token']}.1", path=PATH).answered()
    assert (second.answer["resumed"], second.answer["received"]) == (True, 1)
    await second.until(lambda: second.counted == ["missed"])
    assert not second.answer["gap"]
    await second.lost(1000)
    await consumers.until(lambda: consumers.values("disconnect"))
    assert consumers.values("disconnect") == [(1000, ["a"])]


async def test_an_open_socket_over_http_is_replaced(
    application: Interface, back: Interface, consumers: Consumers
) -> None:
    browser, answer, _ = await opened(application, V1, "resume")
    polling = browser.polling()
    second = await Client(back, V1, f"resume.{answer['token']}.0", path=PATH).answered()
    assert second.answer["resumed"]
    status, content = await polling.answer()
    assert (status, content.get("close", {}).get("code")) == (200, REPLACED), content
    second.send("b")
    await second.until(lambda: second.counted == ["echo b"])
    await second.lost(1000)
    await consumers.until(lambda: consumers.values("disconnect"))
    assert consumers.values("disconnect") == [(1000, ["b"])]
