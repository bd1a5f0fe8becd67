from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial, wraps
from typing import Any

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from django.core.checks import CheckMessage, run_checks
from pytest_django import Settings

from channels_workers.auth import channel_session_user
from channels_workers.checks.consumers import check_consumers
from channels_workers.generic import BaseConsumer
from channels_workers.generic.websockets import WebsocketConsumer as OurWebsocketConsumer
from channels_workers.message import Message
from channels_workers.routing import include, route, route_class
from channels_workers.security.websockets import (
    AllowedHostsOnlyOriginValidator,
    allowed_hosts_only,
)


def found(settings: Settings, *routing: Any) -> list[CheckMessage]:
    settings.CHANNEL_ROUTING = list(routing)
    return run_checks(tags=["channels_workers"])


def plain(message: Message) -> None:
    """Do nothing."""


def room(message: Message, room: str) -> None:
    """Do nothing."""


async def anything(message: Message, **kwargs: str) -> None:
    """Do nothing."""


def generator(message: Message) -> Iterator[None]:
    yield


async def async_generator(message: Message) -> AsyncIterator[None]:
    yield


class Callable_:  # noqa: N801
    def __call__(self, message: Message, room: str = "") -> None:
        """Do nothing."""


class Generator:
    def __call__(self, message: Message) -> Iterator[None]:
        yield


class WithMessage:
    def __init__(self, message: Message) -> None:
        """Do nothing."""


class Without:
    """Takes no arguments."""


def of_others(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate as other packages do: *func* gets one argument more."""

    @wraps(func)
    def inner(message: Message, **kwargs: Any) -> Any:
        return func(message, room="a", **kwargs)

    return inner


class Ours(BaseConsumer):
    method_mapping = {"websocket.receive": "receive"}  # noqa: RUF012

    def receive(self, message: Message, **kwargs: str) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("consumer", "filters"),
    [
        (plain, {}),
        (plain, {"path": "^/(?:a|b)$"}),
        (room, {"path": r"^/(?P<room>\w+)$"}),
        (anything, {"path": r"^/(?P<room>\w+)$", "query_string": "(?P<page>.)"}),
        (of_others(room), {}),
        (partial(room, room="a"), {}),
        (Callable_(), {"path": r"^/(?P<room>\w+)$"}),
        (WithMessage, {}),
        (Ours, {}),
        (channel_session_user(room), {"path": r"^/(?P<room>\w+)$"}),
        (allowed_hosts_only(channel_session_user(plain)), {}),
        (dict, {}),
    ],
)
def test_consumers_that_work(settings: Settings, consumer: Any, filters: dict[str, str]) -> None:
    assert found(settings, route("websocket.receive", consumer, **filters)) == []


@pytest.mark.parametrize(
    ("consumer", "what"),
    [
        (AsyncWebsocketConsumer, "is a consumer of Channels 4"),
        (WebsocketConsumer.as_asgi(), "is a consumer of Channels 4"),
        (generator, "is a generator"),
        (async_generator, "is a generator"),
        (channel_session_user(generator), "is a generator"),
        (allowed_hosts_only(generator), "is a generator"),
        (Generator(), "is a generator"),
        (Without, "is a class: a call makes an object, and runs none of its methods"),
        (Ours, "has no method for the channel 'websocket.connect'"),
    ],
)
def test_consumers_that_do_nothing(settings: Settings, consumer: Any, what: str) -> None:
    [problem] = found(settings, route("websocket.connect", consumer))
    assert problem.id == "channels_workers.E025"
    assert what in problem.msg
    assert problem.hint


@pytest.mark.parametrize(
    ("consumer", "path", "wrong"),
    [
        (plain, r"^/(?P<room>\w+)$", "got an unexpected keyword argument 'room'"),
        (room, "^/a$", "missing a required argument: 'room'"),
        (room, r"^/(?P<name>\w+)$", "missing a required argument: 'room'"),
        (channel_session_user(room), "^/a$", "missing a required argument: 'room'"),
        (allowed_hosts_only(room), "^/a$", "missing a required argument: 'room'"),
        (Callable_(), r"^/(?P<name>\w+)$", "got an unexpected keyword argument 'name'"),
    ],
)
def test_consumers_that_take_other_arguments(
    settings: Settings, consumer: Any, path: str, wrong: str
) -> None:
    [problem] = found(settings, route("websocket.connect", consumer, path=path))
    assert problem.id == "channels_workers.E026"
    assert wrong in problem.msg
    assert "takes the message" in (problem.hint or "")


def test_groups_of_an_include(settings: Settings) -> None:
    inner = [route(["websocket.connect", "websocket.receive"], plain)]
    problems = found(settings, include(inner, path=r"^/(?P<site>\w+)/"))
    assert [each.id for each in problems] == ["channels_workers.E026"] * 2
    assert "(here: site)" in (problems[0].hint or "")


def test_validators_with_a_call_of_their_own(settings: Settings) -> None:
    class Adds(AllowedHostsOnlyOriginValidator):
        def __call__(self, message: Message, *args: Any, **kwargs: Any) -> Any:
            return super().__call__(message, *args, room="a", **kwargs)

    assert found(settings, route("websocket.connect", Adds(room))) == []


def test_methods_of_a_class_take_the_groups(settings: Settings) -> None:
    class Room(OurWebsocketConsumer):
        def connect(self, message: Message) -> None:  # type: ignore[override]
            """Do nothing."""

        def receive(self, text: str | None = None, bytes: Any = None, room: str = "") -> None:  # type: ignore[override]  # noqa: A002
            """Do nothing."""

    class Work(BaseConsumer):
        method_mapping = {"work": "work"}  # noqa: RUF012

        def work(self, message: Message, kind: str) -> None:
            """Do nothing."""

    path = r"^/(?P<room>\w+)/"
    [problem] = found(settings, route_class(Room, path=path), route_class(Work, kind="(?P<kind>.)"))
    assert problem.id == "channels_workers.E026"
    assert "Room.connect cannot be called by the route websocket.connect" in problem.msg
    assert "got an unexpected keyword argument 'room'" in problem.msg
    assert found(settings, route_class(Room)) == []


def test_classes_of_consumers(settings: Settings) -> None:
    routes = [route_class(Ours), route_class(OurWebsocketConsumer, path="^/(?P<room>a)/")]
    assert found(settings, *routes[1:]) == []
    assert found(settings, *routes[:1]) == []


def test_a_routing_that_cannot_be_used_is_for_another_check(settings: Settings) -> None:
    settings.CHANNEL_ROUTING = "nowhere.routing"
    assert check_consumers(None) == []
