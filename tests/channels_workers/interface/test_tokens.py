"""Tokens leave the subprotocols of a handshake."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from channels_workers.bearer import wire
from channels_workers.conf import Configuration
from channels_workers.interface.backlog import Backlog
from channels_workers.interface.first_frame import FirstFrameProtocol
from channels_workers.interface.protocol import WebSocketProtocol
from channels_workers.interface.replies import connect_content
from channels_workers.interface.tokens import protocol_for, with_token
from channels_workers.interface.traffic import Traffic
from channels_workers.log_limits import Episodes

TOKEN = "abc:def-ghi"
HIDDEN = wire.to_subprotocol(TOKEN)

#: What a token may consist of.
CHARACTERS = string.ascii_letters + string.digits + string.punctuation


@pytest.fixture(autouse=True)
def tokens(settings: Settings) -> None:
    settings.CHANNEL_TOKENS = {
        "VALIDATORS": ["channels_workers.tokens.signed.validate"],
        "FIRST_FRAME": ["/mobile/"],
    }


def handshake(*offered: str, path: str = "/chat/", **headers: str) -> dict[str, Any]:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    if offered:
        pairs.append((b"sec-websocket-protocol", ", ".join(offered).encode()))
    return {"type": "websocket", "path": path, "headers": pairs, "subprotocols": list(offered)}


def protocol(scope: dict[str, Any]) -> WebSocketProtocol:
    return protocol_for(with_token(scope), Configuration(), Episodes(), Backlog(), Traffic())


def test_the_token_is_in_one_place_only() -> None:
    content = connect_content(with_token(handshake("chat.v2", HIDDEN, wire.SUBPROTOCOL)))
    assert content["token"] == TOKEN
    assert content["subprotocols"] == ["chat.v2", wire.SUBPROTOCOL]
    assert content["headers"] == [[b"sec-websocket-protocol", b"chat.v2, channels-workers.v1"]]
    assert connect_content(with_token(handshake(HIDDEN)))["headers"] == []


@pytest.mark.parametrize(
    "offered",
    [
        [HIDDEN, HIDDEN],
        [f"{HIDDEN}="],
        ["token."],
        ["token.!!!"],
        ["token.A"],
        [wire.PREFIX + "AA"],  # a NUL
        [wire.PREFIX + "w6k"],  # é
        [wire.to_subprotocol("a" * 8193)],
        [wire.PREFIX + "a" * 1_000_000],
    ],
    ids=lambda value: value[0][:20],
)
def test_a_token_that_cannot_be_read_is_refused_by_the_worker(offered: list[str]) -> None:
    content = connect_content(with_token(handshake(*offered)))
    assert content["token"] == ""
    assert content["subprotocols"] == []


def test_without_validators_nothing_changes(settings: Settings) -> None:
    settings.CHANNEL_TOKENS = {}
    scope = handshake("chat.v2", HIDDEN)
    assert with_token(scope) is scope
    assert "token" not in connect_content(scope)


def test_the_answer_never_has_the_token() -> None:
    for offered, answer in [
        ([wire.SUBPROTOCOL, HIDDEN], wire.SUBPROTOCOL),
        (["chat.v2", HIDDEN], None),
        ([wire.SUBPROTOCOL], None),
    ]:
        connection = protocol(handshake(*offered))
        connection.begin("server!1")
        [action] = connection.reply({"accept": True})
        assert action.event["subprotocol"] == answer  # type: ignore[union-attr]


def test_a_consumer_that_chooses_the_token_refuses_the_socket_without_logging_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = protocol(handshake("chat.v2", HIDDEN))
    connection.begin("server!1")
    connection.reply({"accept": True, "subprotocol": "chat.v3"})
    assert connection.is_closed
    assert "chat.v2" in caplog.text
    assert HIDDEN not in caplog.text


@pytest.mark.parametrize("path", ["/mobile/", "/mobile", "/mobile/room/"])
def test_paths_whose_first_frame_is_the_token(path: str) -> None:
    assert isinstance(protocol(handshake(path=path)), FirstFrameProtocol)
    with_header = handshake(path=path, authorization="Bearer abc")
    assert not isinstance(protocol(with_header), FirstFrameProtocol)
    assert not isinstance(protocol(handshake(HIDDEN, path=path)), FirstFrameProtocol)


@pytest.mark.parametrize("path", ["/", "/mobiles/", "/chat/mobile/"])
def test_other_paths(path: str) -> None:
    assert not isinstance(protocol(handshake(path=path)), FirstFrameProtocol)


@given(st.text(CHARACTERS, min_size=1, max_size=200))
def test_every_token_survives_each_way(token: str) -> None:
    assert wire.of_subprotocol(wire.to_subprotocol(token), 200) == token
    assert wire.of_frame(wire.to_frame(token), 200) == token
    assert wire.bearers([(b"authorization", b"Bearer " + token.encode())], 200) == [token]
