from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from pytest_django import Settings

from channels_workers.checks.routes import check_routes
from channels_workers.message import Message
from channels_workers.routing import include, route

OWN = (
    "websocket.connect, websocket.receive, websocket.disconnect, websocket.resume, "
    "http.request, http.disconnect"
)


@pytest.fixture(autouse=True)
def http_by_workers(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": "workers"}


def consumer(message: Message, **kwargs: str) -> None:
    """Do nothing."""


def other(message: Message, **kwargs: str) -> None:
    """Do nothing."""


def found(settings: Settings, *routing: Any) -> list[CheckMessage]:
    settings.CHANNEL_ROUTING = list(routing)
    return [
        each
        for each in run_checks(tags=["channels_workers"])
        if each.id not in ("channels_workers.W008", "channels_workers.E017")
    ]


def ids(settings: Settings, *routing: Any) -> list[str | None]:
    return [each.id for each in found(settings, *routing)]


@pytest.mark.parametrize("name", ["a b", "café", "x" * 100, "", "server!1", "a!"])
def test_channels_that_cannot_be(settings: Settings, name: str) -> None:
    [problem] = found(settings, route(name, consumer), route(name, other, kind="a"))[:1]
    assert problem.id == "channels_workers.E024"
    assert repr(name) in problem.msg


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("websocket.recieve", "'websocket.receive'"),
        ("websockets.connect", "'websocket.connect'"),
        ("websocket_disconnect", "'websocket.disconnect'"),
        ("http.requests", "'http.request'"),
        (
            "websocket.message",
            "'websocket.connect', 'websocket.receive', 'websocket.disconnect', 'websocket.resume'",
        ),
    ],
)
def test_channels_that_no_server_sends_to(settings: Settings, name: str, meant: str) -> None:
    [problem] = found(settings, route(name, consumer))
    assert problem.id == "channels_workers.W015"
    assert f"'{name}'" in problem.msg
    assert "Did you mean" in problem.msg
    assert problem.msg.endswith(f"{meant}?")
    assert OWN in (problem.hint or "")


def test_channels_of_ones_own(settings: Settings) -> None:
    names = ["board.digest", "thumbnails", "websockets", "http", "asgi.delay"]
    assert ids(settings, route(names, consumer)) == []


def test_a_path_that_cannot_match(settings: Settings) -> None:
    names = ["websocket.connect", "websocket.receive"]
    [problem] = found(
        settings,
        route(names, consumer, path=r"^room/(?P<name>[a-z]+)$"),
        route("http.request", consumer, path="^/room/"),
        route("board.digest", consumer, path="^room/"),
    )
    assert problem.id == "channels_workers.W016"
    assert "'^room/(?P<name>[a-z]+)$' cannot match" in problem.msg
    assert problem.hint == r"path='^/room/(?P<name>[a-z]+)$'"


def test_a_path_below_an_include(settings: Settings) -> None:
    inner = [route("websocket.connect", consumer, path="room/")]
    assert ids(settings, include(inner, path="^/chat/")) == []
    assert ids(settings, include(inner, path="chat/")) == ["channels_workers.W016"]
    assert ids(settings, include(inner, method="GET")) == ["channels_workers.W016"]


HIDDEN = ["channels_workers.W017"]


def test_a_hidden_route(settings: Settings) -> None:
    [problem] = found(
        settings,
        route("websocket.receive", consumer, path="^/chat"),
        route("websocket.receive", other, path=r"^/chat/(?P<room>\w+)/$"),
    )
    assert problem.id == "channels_workers.W017"
    name = f"{__name__}.other"
    assert problem.msg.startswith(
        rf"The route websocket.receive (path=^/chat/(?P<room>\w+)/$) -> {name} never gets"
    )
    assert f"websocket.receive (path=^/chat) -> {__name__}.consumer comes first" in problem.msg


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({}, {"path": "^/a"}),
        ({"path": "^/a$"}, {"path": "^/a$"}),
        ({"path": "^/a$"}, {"path": "^/a$", "method": "GET"}),
        ({"path": "^/"}, {}),
        ({"path": ""}, {"text": "^a"}),
        ({"method": "GET"}, {"method": "GET", "path": "^/a"}),
    ],
)
def test_a_route_is_hidden(
    settings: Settings, first: dict[str, str], second: dict[str, str]
) -> None:
    routes = [
        route("websocket.receive", consumer, **first),
        route("websocket.receive", other, **second),
    ]
    assert ids(settings, *routes) == HIDDEN


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"path": "^/a"}, {}),
        ({"path": "^/a$"}, {"path": "^/a"}),
        ({"path": "^/a"}, {"path": "^/b"}),
        ({"path": "^/ab"}, {"path": "^/a"}),
        ({"path": "(?i)^/a"}, {"path": "^/a/b"}),
        ({"path": "^/a[a-z]"}, {"path": "^/ab"}),
        ({"path": "^/a", "method": "GET"}, {"path": "^/a"}),
        ({"method": ""}, {"path": "^/a"}),
    ],
)
def test_a_route_is_not_hidden(
    settings: Settings, first: dict[str, str], second: dict[str, str]
) -> None:
    routes = [
        route("websocket.receive", consumer, **first),
        route("websocket.receive", other, **second),
        route("board.digest", other),
    ]
    assert ids(settings, *routes) == []


def test_hidden_by_another_channel(settings: Settings) -> None:
    routes = [route("websocket.receive", consumer), route("websocket.connect", other)]
    assert ids(settings, *routes) == []


def test_hidden_below_includes(settings: Settings) -> None:
    inner = [
        route("websocket.receive", consumer, path="^a/"),
        route("websocket.receive", other, path="^a/b/$"),
        route("websocket.receive", other, path="^b/$"),
    ]
    assert ids(settings, include(inner, path="^/x/")) == HIDDEN
    before = route("websocket.receive", consumer, path="^/x/")
    assert ids(settings, before, include(inner[2:], path="^/x/")) == HIDDEN
    assert ids(settings, include(inner[2:], path="^/x/"), before) == []
    one, two = include(inner[2:], path="^/x/"), include(inner[2:], path="^/y/")
    assert ids(settings, one, two) == []


def test_entries_of_other_kinds_are_left_alone(settings: Settings) -> None:
    class Entry:
        def match_values(self, channel: str, values: Any) -> None:
            """Match nothing."""

        def channel_names(self) -> set[str]:
            return {"websocket.receive"}

    assert ids(settings, Entry(), Entry()) == []


def test_a_routing_that_cannot_be_used_is_for_another_check(settings: Settings) -> None:
    settings.CHANNEL_ROUTING = "nowhere.routing"
    assert check_routes(None) == []
