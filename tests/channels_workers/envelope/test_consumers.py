"""`EnvelopeConsumer` on both layers: what goes out for what comes in."""

import json
import logging
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from pytest_django import Settings

from channels_workers.channel import Group
from channels_workers.envelope import DEFERRED, EnvelopeConsumer, Refused, group_send, reply, stream
from channels_workers.exceptions import ConsumeLater, WebsocketCloseException
from channels_workers.generic.websockets import JsonWebsocketConsumer
from channels_workers.routing import route_class
from channels_workers.test import WSClient
from tests.channels_workers.envelope.conftest import Site

pytestmark = pytest.mark.django_db

V1 = "channels-workers.v1"


class Board(EnvelopeConsumer):
    """Its handlers answer, fail and refuse."""

    @stream("say")
    def say(self, payload: Any) -> Any:
        return {"said": payload}

    @stream()
    def anything(self, payload: Any) -> Any:
        return payload

    @stream("fail")
    def fail(self, payload: Any) -> None:
        self.send("before")
        raise RuntimeError("a secret")

    @stream("refuse")
    def refuse(self, payload: Any) -> None:
        raise Refused("later", "Slowly.", {"text": "too long"}, after=2.5)

    @stream("later")
    def later(self, payload: Any) -> Any:
        reply(self.message.reply_channel, self.envelope.id or "", "then")
        return DEFERRED

    @stream("close")
    def end(self, payload: Any) -> None:
        raise WebsocketCloseException(4000)

    @stream("nan")
    def nan(self, payload: Any) -> float:
        return float("nan")

    def may_join(self, group: str) -> str | None:
        if group == "me":
            return "user-1"
        if group == "a b":
            return group
        if group == "engine":
            return "channels_workers.user.1"
        if group == "wrong":
            return True  # type: ignore[return-value]
        return f"news-{group}" if group.isascii() and len(group) < 20 else None


def error(code: str, **more: Any) -> dict[str, Any]:
    return {"type": "error", "code": code, **more}


# The handshake


@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        ([V1], {"accept": True, "subprotocol": V1}),
        (["channels-workers.v2", V1], {"accept": True, "subprotocol": V1}),
        ([], {"accept": True}),
        (["soap"], {"accept": True}),
        (["channels-workers.v2"], {"close": True}),
    ],
)
def test_the_version_is_negotiated(site: Site, offered: list[str], answer: dict[str, Any]) -> None:
    assert site.connect(Board, subprotocols=offered).contents() == [answer]


# Messages and requests


def test_a_request_is_answered_with_what_the_handler_returns(site: Site) -> None:
    socket = site.connect(Board)
    frame = {"type": "request", "id": 1, "stream": "say", "payload": "hi", "unknown": 1}
    assert socket.ask(frame) == [{"type": "reply", "id": 1, "payload": {"said": "hi"}}]
    assert socket.ask({"type": "request", "id": "a", "payload": None}) == [
        {"type": "reply", "id": "a", "payload": None}
    ]


def test_a_message_is_not_answered(site: Site) -> None:
    socket = site.connect(Board)
    assert socket.ask({"stream": "say", "payload": {}}) == []
    assert socket.ask({"type": "message", "payload": 1}) == []


def test_the_commit_acknowledges_a_nonce(site: Site) -> None:
    socket = site.connect(Board)
    assert socket.ask({"payload": 1, "nonce": "n1"}) == [{"type": "ack", "nonce": "n1"}]


def test_a_ping_is_answered(site: Site) -> None:
    socket = site.connect(Board)
    assert socket.ask({"type": "ping"}) == [{"type": "pong"}]
    assert socket.ask({"type": "ping", "id": 7}) == [{"type": "pong", "id": 7}]


def test_other_code_may_answer(site: Site) -> None:
    socket = site.connect(Board)
    frame = {"type": "request", "id": 2, "stream": "later", "payload": 1}
    assert socket.ask(frame) == [{"type": "reply", "id": 2, "payload": "then"}]


# Errors


def test_a_handler_may_refuse(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    socket = site.connect(Board)
    answer = error(
        "later", message="Slowly.", after=2.5, fields=[{"field": "text", "message": "too long"}]
    )
    frame = {"type": "request", "id": 3, "stream": "refuse", "payload": 1}
    assert socket.ask(frame) == [{**answer, "id": 3}]
    assert socket.ask({"stream": "refuse", "payload": 1, "nonce": "n"}) == [
        {**answer, "nonce": "n"}
    ]
    assert socket.ask({"stream": "refuse", "payload": 1}) == [answer]
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_a_handler_that_raises(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    socket = site.connect(Board)
    failed = error("failed", id=4, message="The server could not do this.")
    before = {"type": "message", "payload": "before"}
    frame = {"type": "request", "id": 4, "stream": "fail", "payload": 1}
    assert socket.ask(frame) == [before, failed]
    [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.__dict__["event"] == "consumer_failed"
    assert record.exc_info


def test_debug_shows_the_error(site: Site, settings: Settings) -> None:
    settings.DEBUG = True
    socket = site.connect(Board)
    [_, answer] = socket.ask({"stream": "fail", "payload": 1})
    assert answer["message"] == "RuntimeError: a secret"


def test_close_on_error(site: Site, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {**settings.CHANNEL_WORKERS, "CLOSE_ON_ERROR": True}
    socket = site.connect(Board)
    socket.contents()
    socket.send({"stream": "fail", "payload": 1})
    site.finish(Board)
    socket.wait()
    [_, answer, close] = socket.contents()
    assert json.loads(answer["text"])["code"] == "failed"
    assert close["close"] == 4011


def test_a_handler_that_closes_answers_nothing(site: Site) -> None:
    socket = site.connect(Board)
    socket.contents()
    socket.send({"type": "request", "id": 1, "stream": "close", "payload": 1})
    site.finish(Board)
    socket.wait()
    assert socket.contents() == [{"close": 4000}]


def test_a_reply_that_is_no_json_fails(site: Site) -> None:
    socket = site.connect(Board)
    [answer] = socket.ask({"type": "request", "id": 1, "stream": "nan", "payload": 1})
    assert (answer["code"], answer["id"]) == ("failed", 1)


@pytest.mark.parametrize("size", [600_000, 40_000_000])
def test_an_answer_that_is_too_large_fails(size: int, site: Site) -> None:
    class Large(EnvelopeConsumer):
        @stream("large")
        def large(self, payload: Any) -> Any:
            return "a" * size

    [answer] = site.connect(Large).ask(
        {"type": "request", "id": 1, "stream": "large", "payload": 1}
    )
    assert (answer["code"], answer["id"]) == ("failed", 1)


def test_a_handler_that_sends_too_much_fails(site: Site, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {**settings.CHANNEL_WORKERS, "OUTBOX_OPERATIONS": 3}

    class Loud(EnvelopeConsumer):
        @stream("loud")
        def loud(self, payload: Any) -> None:
            for number in range(4):
                self.send(number)

    socket = site.connect(Loud)
    *sent, answer = socket.ask({"type": "request", "id": 1, "stream": "loud", "payload": 1})
    assert len(sent) == 3
    assert (answer["code"], answer["id"]) == ("failed", 1)


def test_an_error_with_half_of_a_character(
    site: Site, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEBUG = True
    caplog.set_level(logging.CRITICAL, logger="channels_workers")  # xdist cannot report such a log

    class Wrong(EnvelopeConsumer):
        @stream("wrong")
        def wrong(self, payload: Any) -> None:
            raise RuntimeError("\ud800")

    [answer] = site.connect(Wrong).ask({"stream": "wrong", "payload": 1})
    assert answer["message"] == "RuntimeError: ?"


@pytest.mark.usefixtures("memory_layer")
def test_the_test_client_sends_frames(settings: Settings) -> None:
    settings.CHANNEL_ROUTING = [route_class(Board)]
    client = WSClient()
    client.send_and_consume("websocket.connect")
    for _ in range(2):
        client.send_and_consume("websocket.receive", text={"payload": 1, "nonce": "n"})
        assert client.receive() == {"type": "ack", "nonce": "n"}
    client.send_and_consume("websocket.receive", text={"type": "join", "id": 1, "group": "today"})
    assert client.receive()["type"] == "joined"


def test_unknown_streams(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    socket = site.connect(Board)
    [answer] = socket.ask({"type": "request", "id": 5, "stream": "other", "payload": 1})
    assert (answer["code"], answer["id"]) == ("unknown", 5)
    assert answer["fields"][0]["field"] == "stream"
    [record] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert record.__dict__["event"] == "frame_refused"


def test_a_flood_of_unknown_types_does_not_fill_the_log(
    site: Site, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_WORKERS = {**settings.CHANNEL_WORKERS, "LOG_LINES_PER_MINUTE": 20}
    socket = site.connect(Board)
    for number in range(60):
        [answer] = socket.ask({"type": f"type {number}", "id": 1})
        assert (answer["code"], answer["id"]) == ("unknown", 1)
    assert len([each for each in caplog.records if each.levelno == logging.WARNING]) == 20


# Retries


class Late(EnvelopeConsumer):
    """Its handler puts the frame off."""

    runs: ClassVar[list[int]] = []
    until = 100

    @stream("say")
    def say(self, payload: Any) -> str:
        self.send("never")
        self.runs.append(1)
        if len(self.runs) < self.until:
            raise ConsumeLater
        return "now"


def play_late(site: Site, consumer: Callable[..., Any], runs: int) -> list[dict[str, Any]]:
    Late.runs.clear()
    socket = site.connect(consumer)
    socket.send({"type": "request", "id": 1, "stream": "say", "payload": 1})
    for _ in range(runs):
        site.finish(consumer)
    socket.wait()
    return socket.take()


def test_a_frame_that_runs_again_is_answered_once(site: Site) -> None:
    class Soon(Late):
        until = 3

    never = {"type": "message", "payload": "never"}
    assert play_late(site, Soon, 3) == [never, {"type": "reply", "id": 1, "payload": "now"}]


def test_the_client_of_a_dead_letter_hears_of_it(site: Site) -> None:
    [answer] = play_late(site, Late, 11)
    assert (answer["code"], answer["id"]) == ("failed", 1)


# Groups


def test_a_client_joins_and_leaves(site: Site) -> None:
    socket, other = site.connect(Board), site.connect(Board)
    [joined] = socket.ask({"type": "join", "id": 1, "group": "today"})
    at = joined.pop("at")
    assert joined == {
        "type": "joined",
        "id": 1,
        "group": "today",
        "name": "news-today",
        "gap": False,
    }
    assert site.layer.members("news-today")
    assert other.ask({"type": "leave", "id": 2, "group": "today"}) == [
        {"type": "left", "id": 2, "group": "today"}
    ]
    tell(site, "news-today", {"n": 1})
    [message] = socket.until(1)
    assert message.pop("at").split(":")[0] == at.split(":")[0]
    assert message == {
        "type": "message",
        "stream": "line",
        "group": "news-today",
        "payload": {"n": 1},
    }
    assert socket.ask({"type": "leave", "id": 3, "group": "today"}) == [
        {"type": "left", "id": 3, "group": "today"}
    ]
    tell(site, "news-today", {"n": 2})
    assert socket.ask({"type": "ping"}) == [{"type": "pong"}]
    assert other.ask({"type": "ping"}) == [{"type": "pong"}]


def tell(site: Site, group: str, payload: Any) -> None:
    group_send(Group(group, channel_layer=site.layer), payload, stream="line")


def test_what_was_missed_comes_before_the_answer(site: Site) -> None:
    socket = site.connect(Board)
    [joined] = socket.ask({"type": "join", "id": 1, "group": "today"})
    assert socket.ask({"type": "leave", "id": 2, "group": "today"})
    for number in range(3):
        tell(site, "news-today", number)
    again = {"type": "join", "id": 3, "group": "today", "since": joined["at"]}
    *missed, joined = socket.ask(again)
    assert [each["payload"] for each in missed] == [0, 1, 2]
    assert (joined["type"], joined["gap"]) == ("joined", False)
    assert joined["at"] == missed[-1]["at"]
    for number in range(6):
        tell(site, "news-today", number)
    assert len(socket.until(6)) == 6
    [joined] = socket.ask({**again, "since": "no position"})
    assert joined["gap"]


def test_a_group_without_history_has_a_gap_after_a_position(site: Site) -> None:
    socket = site.connect(Board)
    [joined] = socket.ask({"type": "join", "id": 1, "group": "me"})
    assert joined == {"type": "joined", "id": 1, "group": "me", "name": "user-1", "gap": False}
    since = f"{'0' * 16}:1"
    [joined] = socket.ask({"type": "join", "id": 1, "group": "me", "since": since})
    assert joined["gap"]


def test_who_may_not_join(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    socket = site.connect(Board)
    [answer] = socket.ask({"type": "join", "id": 1, "group": "ä"})
    assert (answer["code"], answer["id"]) == ("denied", 1)
    [answer] = socket.ask({"type": "join", "id": 2, "group": "wrong"})
    assert (answer["code"], answer["id"]) == ("failed", 2)
    assert "must return the name of the group" in str(caplog.records[-1].exc_info)
    for group in ("engine", "a b"):
        [answer] = socket.ask({"type": "join", "id": 3, "group": group})
        assert answer["code"] == "denied"
        assert caplog.records[-1].__dict__["event"] == "join_refused"
    closed = site.connect(EnvelopeConsumer)
    [answer] = closed.ask({"type": "join", "id": 1, "group": "today"})
    assert answer["code"] == "denied"


def test_a_client_joins_a_limited_number_of_groups(site: Site, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {**settings.CHANNEL_WORKERS, "JOINS_PER_SOCKET": 2}
    socket = site.connect(Board)
    for group in ("a", "b", "a"):
        [joined] = socket.ask({"type": "join", "id": 1, "group": group})
        assert joined["type"] == "joined"
    [answer] = socket.ask({"type": "join", "id": 1, "group": "c"})
    assert answer["code"] == "denied"
    socket.ask({"type": "leave", "id": 1, "group": "a"})
    [joined] = socket.ask({"type": "join", "id": 1, "group": "c"})
    assert joined["type"] == "joined"


# Streams of 1.x


class Count(JsonWebsocketConsumer):
    def connect(self, message: Any, **kwargs: Any) -> None:
        kwargs["multiplexer"].send("hello")

    def receive(self, content: Any, multiplexer: Any, **kwargs: Any) -> None:  # type: ignore[override]
        multiplexer.send({"keys": sorted(content)})


class Mixed(EnvelopeConsumer):
    consumers: ClassVar[Any] = {"count": Count}

    @stream("say")
    def say(self, payload: Any) -> str:
        return "said"


def test_consumers_of_1_x_are_streams(site: Site) -> None:
    socket = site.connect(Mixed)
    assert socket.take() == [{"stream": "count", "payload": "hello"}]
    counted = {"stream": "count", "payload": {"keys": ["a", "b"]}}
    assert socket.ask({"stream": "count", "payload": {"b": 1, "a": 2}}) == [counted]
    frame = {"stream": "count", "payload": {"b": 1, "a": 2}, "nonce": "n"}
    assert socket.ask(frame) == [counted, {"type": "ack", "nonce": "n"}]
    [answer] = socket.ask({"type": "request", "id": 1, "stream": "count", "payload": {}})
    assert (answer["code"], answer["id"]) == ("invalid", 1)
    [answer] = socket.ask({"stream": "count", "payload": []})
    assert answer["fields"][0]["field"] == "payload"
    [answer] = socket.ask({"type": "request", "id": 1, "stream": "say", "payload": {}})
    assert answer["payload"] == "said"
