"""Connections go on over HTTP after a WebSocket, and the other way round."""

import json
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.channel import Group
from channels_workers.interface.application import Interface
from channels_workers.interface.close_codes import REPLACED
from channels_workers.interface.resume import wire
from channels_workers.layers.memory import InMemoryChannelLayer
from tests.channels_workers.interface.resume.clients import V1, Client, Consumers
from tests.channels_workers.interface.transports.browser import Browser

# Signals around a consumer clean up database connections.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("workers")]


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 30, "FALLBACKS": True}


@pytest.fixture(params=["same", "other"])
def back(request: Any, application: Interface, other: Interface) -> Interface:
    """The server that the client comes back to."""
    return application if request.param == "same" else other


async def test_a_websocket_goes_on_over_http(
    application: Interface, back: Interface, consumers: Consumers, layer: InMemoryChannelLayer
) -> None:
    first = await Client(application, V1, "resume").answered()
    first.send("a")
    await first.until(lambda: first.counted == ["echo a"])
    await first.lost()
    Group("room", channel_layer=layer).send({"text": "missed"})
    browser = await Browser(back, path="/").open(V1, first.resume())
    told, missed = await browser.texts(2)
    answer = json.loads(told)
    assert (answer["resumed"], answer["received"], answer["gap"]) == (True, 1, False)
    assert missed == "missed"
    await browser.send("b")
    assert await browser.texts(1) == ["echo b"]
    assert consumers.values("disconnect") == []
    await browser.close()
    await consumers.until(lambda: consumers.values("disconnect"))
    assert consumers.values("disconnect") == [(1000, ["a", "b"])]


async def test_a_websocket_replaces_a_socket_over_http(
    application: Interface, back: Interface, consumers: Consumers
) -> None:
    browser = await Browser(application, path="/").open(V1, "resume")
    (told,) = await browser.texts(1)
    assert told.startswith(wire.OWN_FRAME)
    await browser.send("a")
    assert await browser.texts(1) == ["echo a"]
    second = await Client(back, V1, f"resume.{json.loads(told)['token']}.1").answered()
    assert (second.answer["resumed"], second.answer["gap"]) == (True, False)
    assert (await browser.poll())["close"]["code"] == REPLACED
    second.send("b")
    await second.until(lambda: second.counted == ["echo b"])
    await second.lost(1000)
    await consumers.until(lambda: consumers.values("disconnect"))
    assert consumers.values("disconnect") == [(1000, ["a", "b"])]
