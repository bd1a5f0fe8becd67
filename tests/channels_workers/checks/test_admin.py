from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from channels_workers.message import Message
from channels_workers.routing import include, route

INCLUDED = include("channels_workers.admin.routing.channel_routing")


def consumer(message: Message, **kwargs: str) -> None:
    """Do nothing."""


def ids(settings: Settings, *routing: Any) -> list[str | None]:
    settings.CHANNEL_ROUTING = list(routing)
    found = run_checks(tags=["channels_workers"])
    return [each.id for each in found if each.id and each.id[-4:] in ("W018", "W019")]


ROUTES = {
    "at the top": ([INCLUDED, route("websocket.connect", consumer)], []),
    "not at all": ([route("websocket.connect", consumer)], []),
    "below others": (
        [route("websocket.connect", consumer, path="^/chat/$"), INCLUDED],
        [],
    ),
    "below one that takes all": ([route("websocket.connect", consumer), INCLUDED], ["W019"]),
    "below one that takes its path": (
        [route("websocket.connect", consumer, path="^/channels"), INCLUDED],
        ["W019"],
    ),
    "below a prefix": ([include([INCLUDED], path="^/ops")], ["W019"]),
}


@pytest.mark.parametrize("routing", ROUTES)
def test_the_socket_must_be_reached(settings: Settings, routing: str) -> None:
    entries, expected = ROUTES[routing]
    assert ids(settings, *entries) == [f"channels_workers.{each}" for each in expected]


def test_a_routing_that_another_check_reports(settings: Settings) -> None:
    settings.CHANNEL_ROUTING = "nothing.here"
    found = [each.id for each in run_checks(tags=["channels_workers"])]
    assert "channels_workers.E007" in found
    assert "channels_workers.W019" not in found
