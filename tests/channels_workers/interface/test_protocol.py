import logging
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_workers.conf import Configuration
from channels_workers.interface.protocol import (
    CLOSED,
    CONNECTING,
    OPEN,
    Close,
    Connection,
    Publish,
    connect_content,
    disconnect_content,
)
from channels_workers.layers.types import (
    CONNECT,
    RECEIVE,
)

SCOPE = {"type": "websocket", "path": "/chat/tea/"}
ACCEPTED = {"type": "websocket.accept", "subprotocol": None}
REFUSED = {"type": "websocket.close", "code": 1000}


def closed(code: int) -> dict[str, Any]:
    return {"type": "websocket.close", "code": code}


def sent(value: str | bytes) -> dict[str, Any]:
    key = "text" if isinstance(value, str) else "bytes"
    return {"type": "websocket.send", key: value}


def frame(value: str | bytes) -> dict[str, Any]:
    key = "text" if isinstance(value, str) else "bytes"
    return {"type": "websocket.receive", key: value}


def connecting(**limits: Any) -> Connection:
    """A connection whose handshake was published."""
    connection = Connection(SCOPE, replace(Configuration(), **limits))
    step = connection.next_step()
    assert isinstance(step, Publish)
    return connection


def opened(**limits: Any) -> Connection:
    """A connection that a worker accepted; nothing is under way."""
    connection = connecting(**limits)
    connection.reply({"accept": True})
    connection.release(0)
    return connection


def texts(connection: Connection) -> list[str]:
    """Publish and release until nothing is left; return the texts, and "end" for the end."""
    found = []
    while step := connection.next_step():
        if isinstance(step, Close):
            found.append("end")
        else:
            found.append(step.content["text"])
            connection.release(step.order)
    return found


# The handshake


def test_the_handshake_is_published_first_and_once() -> None:
    connection = Connection(SCOPE, Configuration())
    assert connection.state == CONNECTING
    assert connection.next_step() == Publish(CONNECT, 0, connect_content(SCOPE))
    assert connection.next_step() is None


def test_the_handshake_says_all_that_the_server_knows() -> None:
    scope = {
        "type": "websocket",
        "path": "/chat/tea/",
        "root_path": "/site",
        "query_string": b"a=1",
        "headers": [(b"host", b"example.com"), (b"x", b"\xff")],
        "client": ("10.0.0.1", 1234),
        "server": ("10.0.0.2", 80),
        "scheme": "wss",
        "subprotocols": ("chat", "json"),
    }
    assert connect_content(scope) == {
        "path": "/chat/tea/",
        "root_path": "/site",
        "query_string": b"a=1",
        "headers": [[b"host", b"example.com"], [b"x", b"\xff"]],
        "client": ["10.0.0.1", 1234],
        "server": ["10.0.0.2", 80],
        "scheme": "wss",
        "subprotocols": ["chat", "json"],
    }


def test_the_handshake_needs_a_path_alone() -> None:
    assert connect_content(SCOPE) == {
        "path": "/chat/tea/",
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "client": None,
        "server": None,
        "scheme": "ws",
        "subprotocols": [],
    }


def test_the_end_says_where_it_was() -> None:
    assert disconnect_content("/chat/tea/") == {"path": "/chat/tea/"}


# Replies while connecting


@pytest.mark.parametrize(
    ("reply", "events", "state"),
    [
        ({"accept": True}, [ACCEPTED], OPEN),
        ({"accept": True, "text": "hi"}, [ACCEPTED, sent("hi")], OPEN),
        ({"accept": True, "bytes": b"hi"}, [ACCEPTED, sent(b"hi")], OPEN),
        ({"accept": True, "close": True}, [ACCEPTED, closed(1000)], CLOSED),
        (
            {"accept": True, "text": "hi", "close": 4001},
            [ACCEPTED, sent("hi"), closed(4001)],
            CLOSED,
        ),
        ({"text": "hi"}, [ACCEPTED, sent("hi")], OPEN),
        ({"bytes": b"hi"}, [ACCEPTED, sent(b"hi")], OPEN),
        ({"text": ""}, [ACCEPTED, sent("")], OPEN),
        ({"bytes": b""}, [ACCEPTED, sent(b"")], OPEN),
        ({"text": "", "close": True}, [ACCEPTED, sent(""), closed(1000)], CLOSED),
        ({"text": "hi", "bytes": None}, [ACCEPTED, sent("hi")], OPEN),
        ({"text": "hi", "close": True}, [ACCEPTED, sent("hi"), closed(1000)], CLOSED),
        ({"text": "hi", "close": False}, [ACCEPTED, sent("hi")], OPEN),
        ({"close": True}, [REFUSED], CLOSED),
        ({"close": 4001}, [REFUSED], CLOSED),
        ({"accept": False}, [REFUSED], CLOSED),
        ({"accept": False, "text": "hi"}, [REFUSED], CLOSED),
        ({"accept": False, "close": True}, [REFUSED], CLOSED),
        ({"accept": None, "text": None, "close": None}, [], CONNECTING),
        ({}, [], CONNECTING),
        ({"type": "websocket.send"}, [], CONNECTING),
    ],
)
def test_replies_before_the_socket_is_open(reply: Any, events: list[Any], state: str) -> None:
    connection = connecting()
    assert connection.reply(reply) == events
    assert connection.state == state


def offering(*subprotocols: str) -> Connection:
    return Connection({"path": "/chat/tea/", "subprotocols": subprotocols}, Configuration())


def test_accepting_may_choose_a_subprotocol() -> None:
    events = offering("talk", "chat").reply({"accept": True, "subprotocol": "chat"})
    assert events == [{"type": "websocket.accept", "subprotocol": "chat"}]


@pytest.mark.parametrize("subprotocol", [None, ""])
def test_accepting_need_not_choose_a_subprotocol(subprotocol: str | None) -> None:
    events = offering("talk").reply({"accept": True, "subprotocol": subprotocol})
    assert [event["type"] for event in events] == ["websocket.accept"]


@pytest.mark.parametrize(
    ("offered", "shown"), [((), "offered none"), (("talk", "ch\nat"), r"offered talk, ch\\nat\.")]
)
def test_a_subprotocol_that_was_not_offered_is_refused_with_both_lists(
    offered: tuple[str, ...], shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = offering(*offered)
    assert connection.reply({"text": "hi", "subprotocol": "chat"}) == [REFUSED]
    assert connection.state == CLOSED
    assert re.search(f"accepts with the subprotocol chat, and its client {shown}", caplog.text)


# Replies while open


@pytest.mark.parametrize(
    ("reply", "events", "state"),
    [
        ({"text": "hi"}, [sent("hi")], OPEN),
        ({"text": ""}, [sent("")], OPEN),
        ({"bytes": b""}, [sent(b"")], OPEN),
        ({"text": "", "bytes": None}, [sent("")], OPEN),
        ({"text": "", "bytes": b""}, [sent("")], OPEN),
        ({"text": "", "bytes": b"hi"}, [sent(b"hi")], OPEN),
        ({"text": "hi", "bytes": b""}, [sent("hi")], OPEN),
        ({"text": None, "bytes": None}, [], OPEN),
        ({"text": "", "close": True}, [sent(""), closed(1000)], CLOSED),
        ({"bytes": b"hi"}, [sent(b"hi")], OPEN),
        ({"bytes": b"hi", "text": None}, [sent(b"hi")], OPEN),
        ({"text": "hi", "close": True}, [sent("hi"), closed(1000)], CLOSED),
        ({"close": True}, [closed(1000)], CLOSED),
        ({"close": 1000}, [closed(1000)], CLOSED),
        ({"close": 3000}, [closed(3000)], CLOSED),
        ({"close": 4999}, [closed(4999)], CLOSED),
        ({"close": False}, [], OPEN),
        ({"close": None}, [], OPEN),
        ({"accept": True}, [], OPEN),
        ({"accept": True, "text": "hi"}, [sent("hi")], OPEN),
        ({"accept": False}, [], OPEN),
        ({}, [], OPEN),
    ],
)
def test_replies_to_an_open_socket(reply: Any, events: list[Any], state: str) -> None:
    connection = opened()
    assert connection.reply(reply) == events
    assert connection.state == state


@pytest.mark.parametrize("code", [1, 999, 1001, 1006, 2999, 5000, "4000", 4000.0, [4000]])
def test_a_code_that_nobody_may_send_becomes_1000(
    code: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert opened().reply({"close": code}) == [closed(1000)]
    shown_code = code if isinstance(code, int) else f"({type(code).__name__})"
    assert f"Close code {shown_code} is not 1000 or from 3000 to 4999" in caplog.text


@pytest.mark.parametrize(
    "reply",
    [
        {"text": b"hi"},
        {"text": 5},
        {"bytes": "hi"},
        {"bytes": [1]},
        {"text": "hi", "bytes": b"hi"},
    ],
)
def test_a_reply_of_the_wrong_type_is_dropped_and_logged(
    reply: Any, caplog: pytest.LogCaptureFixture
) -> None:
    connection = opened()
    assert connection.reply(reply) == []
    assert connection.reply({"text": "next"}) == [sent("next")]
    assert "must hold text (str) or bytes (bytes), one of them" in caplog.text


@pytest.mark.parametrize("reply", [{"accept": True}, {"text": "hi"}, {"close": True}, {}])
def test_nothing_is_sent_to_a_closed_socket(reply: Any) -> None:
    for connection in (opened(), connecting()):
        connection.close(4000)
        assert connection.reply(reply) == []
        assert connection.state == CLOSED


def test_nothing_is_sent_to_a_client_that_is_gone() -> None:
    connection = opened()
    connection.end(1001)
    assert connection.reply({"text": "hi"}) == []


def test_a_refused_socket_stays_refused() -> None:
    connection = connecting()
    connection.reply({"accept": False})
    assert connection.reply({"accept": True}) == []
    assert connection.release(0) == []


# A connect consumer that gives no answer


def test_explicit_waits_for_an_answer() -> None:
    connection = connecting(CONNECT="explicit")
    assert connection.release(0) == []
    assert connection.state == CONNECTING
    assert connection.reply({"accept": True}) == [ACCEPTED]


def test_accept_accepts_when_the_consumer_has_returned() -> None:
    connection = connecting(CONNECT="accept")
    assert connection.state == CONNECTING
    assert connection.release(0) == [ACCEPTED]
    assert connection.state == OPEN


@pytest.mark.parametrize("reply", [{"accept": True}, {"close": True}])
def test_accept_leaves_an_answer_as_it_is(reply: Any) -> None:
    connection = connecting(CONNECT="accept")
    connection.reply(reply)
    state = connection.state
    assert connection.release(0) == []
    assert connection.state == state


# The time-out


def test_a_handshake_that_no_worker_took_is_refused_with_the_cure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = connecting(HANDSHAKE_TIMEOUT=2.5)
    assert connection.time_out() == [REFUSED]
    assert connection.state == CLOSED
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(
        "No worker answered the handshake of /chat/tea/ within 2.5 s."
    )
    assert "manage.py runworker" in record.getMessage()


def test_a_handshake_without_an_answer_is_refused_with_the_cure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = connecting(HANDSHAKE_TIMEOUT=2.5)
    connection.release(0)
    assert connection.time_out() == [REFUSED]
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("The connect consumer of /chat/tea/ returned without an answer.")
    for cure in ('{"accept": True}', "DenyConnection", 'CHANNEL_WORKERS["CONNECT"] = "accept"'):
        assert cure in message


def test_a_handshake_that_was_answered_does_not_time_out(caplog: pytest.LogCaptureFixture) -> None:
    for reply in ({"accept": True}, {"close": True}):
        connection = connecting()
        connection.reply(reply)
        assert connection.time_out() == []
    assert caplog.records == []


def test_a_client_that_left_does_not_time_out(caplog: pytest.LogCaptureFixture) -> None:
    connection = connecting()
    connection.end(1006)
    assert connection.time_out() == []
    assert caplog.records == []


# The order of messages


def test_one_message_is_under_way_at_a_time() -> None:
    connection = connecting()
    connection.reply({"accept": True})
    connection.receive(frame("one"))
    connection.receive(frame("two"))
    assert connection.next_step() is None
    connection.release(0)
    expected = Publish(RECEIVE, 1, {"path": "/chat/tea/", "text": "one"})
    assert connection.next_step() == expected
    assert connection.next_step() is None
    connection.release(1)
    assert connection.next_step() == Publish(RECEIVE, 2, {"path": "/chat/tea/", "text": "two"})


def test_a_binary_frame_is_published_as_bytes() -> None:
    connection = opened()
    connection.receive(frame(b"\x00\xff"))
    expected = Publish(RECEIVE, 1, {"path": "/chat/tea/", "bytes": b"\x00\xff"})
    assert connection.next_step() == expected


@pytest.mark.parametrize(
    ("event", "content"),
    [
        ({"text": "hi", "bytes": None}, {"text": "hi"}),
        ({"text": None, "bytes": b"hi"}, {"bytes": b"hi"}),
        ({"text": ""}, {"text": ""}),
        ({"bytes": b""}, {"bytes": b""}),
    ],
)
def test_both_spellings_of_a_frame_are_read(event: Any, content: Any) -> None:
    connection = opened()
    connection.receive({"type": "websocket.receive", **event})
    assert connection.next_step() == Publish(RECEIVE, 1, {"path": "/chat/tea/", **content})


@pytest.mark.parametrize("order", [0, 2, 99])
def test_a_release_of_another_message_changes_nothing(order: int) -> None:
    connection = opened()
    connection.receive(frame("one"))
    connection.receive(frame("two"))
    connection.next_step()
    assert connection.release(order) == []
    assert connection.next_step() is None


def test_a_release_that_comes_twice_counts_once() -> None:
    connection = opened()
    for text in ("one", "two", "three"):
        connection.receive(frame(text))
    connection.next_step()
    connection.release(1)
    connection.next_step()
    connection.release(1)
    assert connection.next_step() is None


@given(st.lists(st.sampled_from(["frame", "step", "release", "stale release"]), max_size=60))
def test_frames_come_out_complete_and_in_order(actions: list[str]) -> None:
    connection, given_in, taken_out = opened(), 0, []
    for action in actions:
        if action == "frame":
            connection.receive(frame(str(given_in)))
            given_in += 1
        elif action == "step":
            was_under_way = not connection.released
            step = connection.next_step()
            assert not (was_under_way and step)
            if isinstance(step, Publish):
                taken_out.append(step.content["text"])
        else:
            connection.release(connection.order - (action == "stale release"))
    connection.release(connection.order)
    assert taken_out + texts(connection) == [str(number) for number in range(given_in)]


# The end


def test_the_end_comes_after_the_message_under_way_and_those_that_wait() -> None:
    connection = opened()
    connection.receive(frame("one"))
    connection.next_step()
    connection.receive(frame("two"))
    connection.end(1001)
    connection.release(1)
    assert texts(connection) == ["two", "end"]


def test_the_layer_is_told_while_the_last_message_is_under_way() -> None:
    connection = opened()
    connection.receive(frame("one"))
    connection.next_step()
    connection.end(1001)
    assert connection.next_step() == Close(1001)


def test_the_end_comes_once() -> None:
    connection = opened()
    connection.end(1001)
    connection.end(1006)
    assert connection.next_step() == Close(1001)
    connection.end(1000)
    assert connection.next_step() is None


def test_a_client_that_leaves_while_connecting_is_ended() -> None:
    connection = connecting()
    connection.end(1006)
    assert connection.next_step() == Close(1006)
    assert connection.reply({"accept": True}) == []


@pytest.mark.parametrize("code", [None, 0])
def test_an_end_without_a_code_is_abnormal(code: int | None) -> None:
    connection = opened()
    connection.end(code)
    assert connection.next_step() == Close(1006)


def test_our_own_code_stands_whatever_the_client_says() -> None:
    connection = opened()
    connection.reply({"close": 4001})
    assert connection.next_step() is None, "the client has not gone yet"
    connection.end(1000)
    assert connection.next_step() == Close(4001)


def test_a_refused_handshake_ends_abnormally() -> None:
    connection = connecting()
    connection.reply({"close": True})
    connection.end(1000)
    assert connection.next_step() == Close(1006)


def test_frames_after_the_close_are_ignored_and_those_before_are_not() -> None:
    connection = opened()
    connection.receive(frame("before"))
    connection.close()
    assert connection.receive(frame("after")) == []
    connection.end(1000)
    assert texts(connection) == ["before", "end"]


def test_frames_before_the_socket_is_open_are_ignored() -> None:
    connection = connecting()
    assert connection.receive(frame("early")) == []
    connection.reply({"accept": True})
    connection.release(0)
    assert connection.next_step() is None


def test_an_abandoned_connection_drops_what_waits() -> None:
    connection = opened()
    connection.receive(frame("one"))
    connection.next_step()
    connection.receive(frame("two"))
    connection.abandon(1001)
    assert connection.next_step() == Close(1001)
    connection.release(1)
    assert connection.next_step() is None


def test_closing_twice_sends_one_close() -> None:
    connection = opened()
    assert connection.close() == [closed(1000)]
    assert connection.close(4000) == []


def test_closing_a_handshake_refuses_it() -> None:
    assert connecting().close(4012) == [REFUSED]
    assert connecting().close(4012, "why") == [REFUSED]


def test_a_close_may_have_a_reason() -> None:
    assert opened().close(4000, "why") == [closed(4000) | {"reason": "why"}]


# Limits


@pytest.mark.parametrize("value", ["x" * 11, "\u00e4" * 6, b"x" * 11, "\ud800" * 4])
def test_a_frame_over_its_limit_closes_the_socket(value: str | bytes) -> None:
    connection = opened(FRAME_SIZE=10)
    connection.receive(frame("before"))
    assert connection.receive(frame(value)) == [closed(4009)]
    connection.end(4009)
    assert texts(connection) == ["before", "end"]


@pytest.mark.parametrize("value", ["x" * 10, "\u00e4" * 5, b"x" * 10])
def test_a_frame_may_fill_its_limit(value: str | bytes) -> None:
    connection = opened(FRAME_SIZE=10)
    assert connection.receive(frame(value)) == []
    assert isinstance(connection.next_step(), Publish)


def test_one_frame_too_many_closes_the_socket() -> None:
    connection = opened(FRAMES_WAITING=2)
    assert connection.receive(frame("one")) == []
    assert connection.receive(frame("two")) == []
    assert connection.receive(frame("three")) == [closed(4008)]
    connection.end(4008)
    assert texts(connection) == ["one", "two", "end"]


def test_too_many_bytes_close_the_socket() -> None:
    connection = opened(FRAME_BYTES_WAITING=10)
    assert connection.receive(frame("x" * 6)) == []
    assert connection.receive(frame("x" * 4)) == []
    assert connection.receive(frame("x")) == [closed(4008)]


def test_what_is_under_way_does_not_wait() -> None:
    connection = opened(FRAMES_WAITING=1, FRAME_BYTES_WAITING=10)
    connection.receive(frame("x" * 10))
    connection.next_step()
    assert connection.receive(frame("x" * 10)) == []


@pytest.mark.parametrize("value", ["x" * 10, b"x" * 10, "\u00e4" * 5, "\U0001f375" * 2])
def test_a_client_that_keeps_to_the_limits_stays_for_ever(value: str | bytes) -> None:
    connection = opened(FRAMES_WAITING=1, FRAME_BYTES_WAITING=10)
    for _ in range(20):
        assert connection.receive(frame(value)) == []
        step = connection.next_step()
        assert isinstance(step, Publish)
        connection.release(step.order)
