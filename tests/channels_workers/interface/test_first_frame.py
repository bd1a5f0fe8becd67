"""Sockets whose first frame is their token."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.bearer import wire
from channels_workers.bearer.configuration import TokenSettings
from channels_workers.conf import Configuration
from channels_workers.interface.actions import (
    Accept,
    Close,
    ExpireAt,
    MakeRoom,
    Publish,
    SendFrame,
)
from channels_workers.interface.application import Interface
from channels_workers.interface.backlog import Backlog
from channels_workers.interface.close_codes import (
    COME_BACK_LATER,
    FRAME_TOO_LARGE,
    SERVER_STOPS,
    TOKEN_REFUSED,
    TOO_MANY_FRAMES,
)
from channels_workers.interface.first_frame import FirstFrameProtocol
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import CONNECT
from labs.harness.waiting import wait_for
from tests.channels_workers.interface.test_application import Client
from tests.channels_workers.interface.test_expiry import no_pages
from tests.channels_workers.interface.test_protocol import (
    SCOPE,
    closed,
    frame,
    published,
    sent,
    waited,
)

TOKEN = "abc.def.ghi"
OFFERED = ["chat.v2", wire.SUBPROTOCOL]


def acknowledged(expires: float | None = None) -> SendFrame:
    text = wire.acknowledgement(expires, now=1e9)
    return SendFrame({"type": "websocket.send", "text": text}, len(text))


DEFAULTS = TokenSettings()


def admitted(
    backlog: Backlog | None = None, tokens: TokenSettings = DEFAULTS, **limits: Any
) -> FirstFrameProtocol:
    """A socket that was accepted and has sent nothing."""
    scope = {**SCOPE, "subprotocols": OFFERED}
    settings = replace(Configuration(), **limits)
    connection = FirstFrameProtocol(scope, settings, None, backlog or Backlog(), tokens)
    [step] = connection.begin("server!1")
    assert step == Accept({"type": "websocket.accept", "subprotocol": wire.SUBPROTOCOL})
    return connection


def told(**arguments: Any) -> FirstFrameProtocol:
    """One whose token is with a worker."""
    connection = admitted(**arguments)
    [step] = connection.receive(frame(wire.to_frame(TOKEN)))
    assert isinstance(step, Publish)
    assert (step.channel, step.order, step.content["token"]) == (CONNECT, 0, TOKEN)
    assert step.content["path"] == SCOPE["path"]
    return connection


def test_no_worker_hears_of_it_before_its_token() -> None:
    connection = admitted()
    assert connection.order == -1
    assert connection.in_flight is None
    assert connection.end(1001) == [Close(1001)]


def test_the_client_is_told_when_its_token_is_accepted() -> None:
    connection = told()
    assert connection.reply({"expires": 123.5}) == [ExpireAt(123.5)]
    assert connection.reply({"accept": True, "text": "hello"}) == [
        acknowledged(123.5),
        sent("hello"),
    ]
    assert connection.release(0) == []
    assert connection.receive(frame("x")) == [published(1, "x")]


@pytest.mark.parametrize(
    "first",
    [
        *("hello", "", '{"token": "x"}', '{"type": "channels_workers.token"}', b"bytes"),
        *('{"type": "channels_workers.token", "token": ""}', wire.to_frame("x" * 9000)),
    ],
)
def test_another_first_frame_closes_it(
    first: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    connection = admitted()
    assert connection.receive(frame(first)) == [closed(TOKEN_REFUSED)]
    assert connection.receive(frame(wire.to_frame(TOKEN))) == []
    assert connection.is_closed
    [record] = caplog.records
    assert record.__dict__["event"] == "socket_refused"
    assert "xxx" not in caplog.text


@pytest.mark.parametrize("refusal", [{"close": True}, {"accept": False}, {"close": 4444}])
def test_a_refusal_of_the_consumer_closes_it(refusal: dict[str, Any]) -> None:
    connection = told()
    assert connection.receive(frame("early")) == []
    assert connection.reply({"text": "to a group"}, to_group=True) == []
    assert connection.reply(refusal) == [closed(TOKEN_REFUSED)]
    assert connection.release(0) == []  # the frame that came early runs in no consumer
    assert connection.end(1005) == [Close(TOKEN_REFUSED)]


def test_frames_wait_for_the_answer_of_the_consumer() -> None:
    connection = told()
    for text in ("one", "two", ""):
        assert connection.receive(frame(text)) == []
    assert connection.receive(frame(b"")) == []
    assert connection.reply({"accept": True}) == [acknowledged()]
    assert connection.release(0) == [waited(1, "one")]
    assert connection.release(1) == [waited(2, "two")]
    assert connection.release(2) == [waited(3, "")]
    assert connection.release(3) == [waited(4, b"")]


def test_frames_go_on_if_the_answer_comes_later_than_the_release() -> None:
    connection = told()
    assert connection.receive(frame("one")) == []
    assert connection.release(0) == []
    assert connection.receive(frame("two")) == []
    assert connection.reply({"accept": True}) == [acknowledged(), waited(1, "one")]


def test_frames_of_a_client_that_leaves_early_still_run() -> None:
    connection = told()
    connection.receive(frame("one"))
    assert connection.end(1001) == []
    assert connection.release(0) == [waited(1, "one")]
    assert connection.release(1) == [Close(1001)]


def test_early_frames_have_the_usual_limits() -> None:
    connection = told(FRAMES_WAITING=2, FRAME_SIZE=100)
    assert connection.receive(frame("x" * 101)) == [closed(FRAME_TOO_LARGE)]
    connection = told(FRAMES_WAITING=2)
    assert connection.receive(frame("1")) == connection.receive(frame("2")) == []
    assert connection.receive(frame("3")) == [closed(TOO_MANY_FRAMES)]
    backlog = Backlog()
    connection = told(backlog=backlog, ALL_FRAME_BYTES_WAITING=500)
    assert connection.receive(frame("x" * 1000)) == [MakeRoom()]
    assert connection.lose_frames()[0] == closed(TOO_MANY_FRAMES)
    connection.forget()
    assert backlog.taken == 0


def test_the_token_has_a_time_limit(caplog: pytest.LogCaptureFixture) -> None:
    connection = admitted(tokens=TokenSettings(FIRST_FRAME_TIMEOUT=3.5), HANDSHAKE_TIMEOUT=9.0)
    assert connection.patience == 3.5
    assert connection.more_patience() == 0.0
    assert connection.time_out() == [closed(TOKEN_REFUSED)]
    assert "sent no token within 3.5 s" in caplog.text


def test_the_consumer_has_its_time_after_the_token(caplog: pytest.LogCaptureFixture) -> None:
    connection = told(HANDSHAKE_TIMEOUT=9.0)
    assert connection.more_patience() == 9.0
    assert connection.more_patience() == 0.0
    assert connection.time_out() == [closed(TOKEN_REFUSED)]
    assert "No worker answered" in caplog.text
    answered = told()
    answered.reply({"accept": True})
    assert answered.time_out() == []


def test_a_server_that_stops_says_so() -> None:
    assert admitted().dismiss("retry-after: 1")[0] == closed(SERVER_STOPS, reason="retry-after: 1")
    assert told().abort(SERVER_STOPS)[0] == closed(SERVER_STOPS)


def test_a_subprotocol_cannot_be_chosen_any_more(caplog: pytest.LogCaptureFixture) -> None:
    assert told().reply({"accept": True, "subprotocol": wire.SUBPROTOCOL}) == [acknowledged()]
    assert not caplog.records
    assert told().reply({"accept": True, "subprotocol": "chat.v2"}) == [acknowledged()]
    assert "chat.v2" in caplog.text
    assert told().reply({"accept": True, "subprotocol": "other"}) == [closed(TOKEN_REFUSED)]


# With a server


@pytest.fixture
def application(settings: Settings) -> Interface:
    """A server without workers, which is impatient."""
    settings.CHANNEL_TOKENS = {
        "VALIDATORS": ["channels_workers.tokens.signed.validate"],
        "FIRST_FRAME": ["/"],
        "FIRST_FRAME_TIMEOUT": 0.1,
    }
    settings.CHANNEL_WORKERS = {"HANDSHAKE_TIMEOUT": 0.2}
    layer = InMemoryChannelLayer()
    return Interface(no_pages, lambda: layer)


async def test_a_server_waits_for_the_token(application: Interface) -> None:
    client = await Client(application).accepted()
    await client.until(lambda: client.types == ["accept", "close"])
    assert client.events[-1]["code"] == TOKEN_REFUSED
    client.leave(TOKEN_REFUSED)
    await client.ended()
    assert not application.sockets.known


async def test_a_server_waits_for_the_consumer_after_that(
    application: Interface, caplog: pytest.LogCaptureFixture
) -> None:
    client = await Client(application).accepted()
    client.send(wire.to_frame(TOKEN))
    await client.until(lambda: client.types == ["accept", "close"])
    assert client.events[-1]["code"] == TOKEN_REFUSED
    assert "No worker answered the handshake" in caplog.text
    client.leave(TOKEN_REFUSED)
    await client.ended()


async def test_tokens_that_do_not_come_keep_nobody_out_and_those_that_come_count(
    application: Interface, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"HANDSHAKE_TIMEOUT": 60, "HANDSHAKES_AT_ONCE": 1}
    settings.CHANNEL_TOKENS = {**settings.CHANNEL_TOKENS, "FIRST_FRAME_TIMEOUT": 60}
    clients = [await Client(application).accepted() for _ in range(3)]
    clients[0].send(wire.to_frame(TOKEN))
    clients[1].send(wire.to_frame(TOKEN))
    await clients[1].until(lambda: clients[1].types == ["accept", "close"])
    assert clients[1].events[-1]["code"] == COME_BACK_LATER
    assert clients[1].events[-1]["reason"] == "retry-after: 1"
    clients[0].leave(1001)
    await clients[0].ended()
    clients[2].send(wire.to_frame(TOKEN))
    await asyncio.to_thread(wait_for, lambda: application.traffic.admission.under_way == 1, "it")
    assert clients[2].types == ["accept"]
    assert application.traffic.handshakes["postponed"] == 1
    for client in clients[1:]:
        client.leave(1001)
        await client.ended()
    assert application.traffic.admission.under_way == 0


async def test_a_server_that_stops_tells_those_that_wait(application: Interface) -> None:
    client = await Client(application).accepted()
    stopping = asyncio.create_task(application.stop(drain_time=0.1))
    await client.until(lambda: client.types == ["accept", "close"])
    assert client.events[-1]["code"] == SERVER_STOPS
    assert client.events[-1]["reason"] == "retry-after: 1"
    client.leave(SERVER_STOPS)
    await client.ended()
    await stopping
