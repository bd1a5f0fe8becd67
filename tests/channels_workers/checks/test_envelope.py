from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import CheckMessage
from pytest_django import Settings

from channels_workers.checks.envelope import check_envelopes
from channels_workers.envelope import EnvelopeConsumer, accept, envelope, stream
from channels_workers.generic.websockets import JsonWebsocketConsumer
from channels_workers.message import Message
from channels_workers.once import once
from channels_workers.routing import route, route_class
from channels_workers.tokens import token_user

if TYPE_CHECKING:
    from decimal import Decimal


class Good(EnvelopeConsumer):
    @stream("a")
    def a(self, payload: dict[str, int]) -> None: ...

    @stream()
    def b(self, payload): ...  # type: ignore[no-untyped-def]


class Old(EnvelopeConsumer):
    consumers = {"a": JsonWebsocketConsumer}  # noqa: RUF012


class Unknown(EnvelopeConsumer):
    @stream("a")
    def a(self, payload: Decimal) -> None: ...


class Unreadable(EnvelopeConsumer):
    @stream("a")
    def a(self, payload: Message) -> None: ...


class WithReceive(Good):
    def receive(self, *args: Any, **kwargs: Any) -> None:
        """No frame comes here."""


@once
@token_user
@envelope
def function(message: Message) -> None: ...


@envelope(payload=Message)
def unreadable(message: Message) -> None: ...


def ids(settings: Settings, *routing: Any) -> list[str | None]:
    return [each.id for each in found(settings, *routing)]


def found(settings: Settings, *routing: Any) -> list[CheckMessage]:
    settings.CHANNEL_ROUTING = list(routing)
    return check_envelopes(None)


def test_good_consumers(settings: Settings) -> None:
    routing = [
        route_class(Good),
        route_class(Old, path="^/old/"),
        route("websocket.connect", accept),
        route("websocket.receive", function),
    ]
    assert found(settings, *routing) == []


@pytest.mark.parametrize(
    ("consumer", "expected"),
    [
        (Unknown, "channels_workers.E030"),
        (Unreadable, "channels_workers.E030"),
        (EnvelopeConsumer, "channels_workers.W023"),
        (WithReceive, "channels_workers.W024"),
    ],
)
def test_mistakes_in_classes(consumer: Any, expected: str, settings: Settings) -> None:
    assert ids(settings, route_class(consumer)) == [expected]


def test_mistakes_in_functions(settings: Settings) -> None:
    assert ids(settings, route("websocket.connect", function)) == ["channels_workers.E031"]
    assert ids(settings, route("websocket.receive", unreadable)) == ["channels_workers.E030"]


def test_the_extra_is_missing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("channels_workers.schemas"):
            raise ImportError("pip install 'channels-workers[schemas]'")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    [message] = found(settings, route_class(Good))
    assert "channels-workers[schemas]" in message.msg
