"""Handlers: which methods are, and the types of their payloads."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from pydantic import BaseModel, Field

from channels_workers.envelope import EnvelopeConsumer, Stream, stream
from channels_workers.generic.websockets import JsonWebsocketConsumer
from channels_workers.once import once
from tests.channels_workers.envelope.conftest import Site

if TYPE_CHECKING:
    from decimal import Decimal

pytestmark = pytest.mark.django_db


@dataclass
class Said:
    """What somebody says."""

    text: str
    at: dt.date | None = None


class Line(BaseModel):
    length: int = Field(ge=0)


class Typed(EnvelopeConsumer):
    @stream("say")
    def say(self, payload: Said) -> Line:
        """Say something.

        Everybody hears it.
        """
        assert isinstance(payload, Said)
        return Line(length=len(payload.text))

    @stream("many")
    def many(self, payload: list[Line]) -> None:
        self.send({"lines": payload})

    @stream()
    def anything(self, payload) -> None:  # type: ignore[no-untyped-def]
        pass


def test_streams_are_listed_with_their_types() -> None:
    assert Typed.streams() == {
        "say": Stream("say", "say", Said, Line, "Say something."),
        "many": Stream("many", "many", list[Line], type(None), ""),
        "": Stream("", "anything", Any, type(None), ""),
    }
    assert Typed.streams() is Typed.streams()
    assert EnvelopeConsumer.streams() == {}


def test_payloads_are_validated(site: Site) -> None:
    socket = site.connect(Typed)
    frame: dict[str, Any] = {"type": "request", "id": 1, "stream": "say", "payload": {"text": "hi"}}
    assert socket.ask(frame) == [{"type": "reply", "id": 1, "payload": {"length": 2}}]
    for payload, fields in (
        ({"text": 1}, ["text"]),
        ({}, ["text"]),
        ({"text": "hi", "at": "soon", "more": 1}, ["at", "more"]),
        (None, ["payload"]),
        ([], ["payload"]),
    ):
        [answer] = socket.ask({**frame, "payload": payload})
        assert (answer["code"], answer["id"]) == ("invalid", 1)
        assert sorted(each["field"] for each in answer["fields"]) == fields
    [answer] = socket.ask({"stream": "many", "payload": [{"length": 1}, {"length": -1}]})
    assert answer["fields"][0]["field"] == "[1].length"
    [message] = socket.ask({"stream": "many", "payload": [{"length": 1}]})
    assert message["payload"] == {"lines": [{"length": 1}]}


def test_a_method_that_overrides_a_handler_is_one() -> None:
    class Other(Typed):
        def say(self, payload: Said) -> Line:
            return Line(length=0)

        many = None  # type: ignore[assignment]

        @stream("renamed")
        def anything(self, payload: Any) -> None:
            pass

    assert Other.streams().keys() == {"say", "renamed"}


def refused(text: str, **attributes: Any) -> None:
    with pytest.raises(TypeError, match=text):
        type("Wrong", (EnvelopeConsumer,), attributes)


def test_wrong_handlers_are_refused_with_the_class() -> None:
    async def is_async(self: Any, payload: Any) -> None: ...

    def generates(self: Any, payload: Any) -> Any:
        yield

    def takes_more(self: Any, payload: Any, more: Any) -> None: ...

    def fits(self: Any, payload: Any) -> None: ...

    mark = stream("a")
    refused("async def", a=mark(is_async))
    refused("a generator", a=mark(generates))
    refused("takes `self` and the payload", a=mark(takes_more))
    refused("@once", a=mark(once(fits)))
    refused("must be a method", a=staticmethod(mark(fits)))
    refused("two handlers", a=stream("a")(fits), b=stream("a")(lambda self, payload: None))
    refused("both a handler", a=stream("a")(fits), consumers={"a": JsonWebsocketConsumer})
    for name in (fits, 1, "s" * 101):
        with pytest.raises(TypeError, match="takes the name"):
            stream(name)


def test_annotations_that_cannot_be_resolved() -> None:
    class Unknown(EnvelopeConsumer):
        consumers: ClassVar[Any] = {}

        @stream("a")
        def a(self, payload: Decimal) -> None: ...

    with pytest.raises(TypeError, match=r"Unknown.a cannot be resolved"):
        Unknown.streams()


def test_a_handler_with_unknown_types_fails(site: Site) -> None:
    class Unknown(EnvelopeConsumer):
        @stream("a")
        def a(self, payload: Decimal) -> None: ...

    [answer] = site.connect(Unknown).ask({"stream": "a", "payload": "1", "nonce": "n"})
    assert (answer["code"], answer["nonce"]) == ("failed", "n")
