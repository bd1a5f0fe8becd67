import logging
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_workers.conf import Configuration
from channels_workers.interface.actions import (
    Accept,
    Actions,
    Close,
    CloseSocket,
    MakeRoom,
    Publish,
    SendFrame,
)
from channels_workers.interface.backlog import Backlog
from channels_workers.interface.protocol import (
    CLOSED,
    CONNECTING,
    FRAME_COST,
    OPEN,
    WebSocketProtocol,
)
from channels_workers.interface.replies import connect_content, disconnect_content
from channels_workers.layers.types import (
    CONNECT,
    RECEIVE,
)

SCOPE = {"type": "websocket", "path": "/chat/tea/"}
PATH = SCOPE["path"]
ACCEPTED = Accept({"type": "websocket.accept", "subprotocol": None})
REFUSED = CloseSocket({"type": "websocket.close", "code": 1000})


def closed(code: int, **reason: str) -> CloseSocket:
    return CloseSocket({"type": "websocket.close", "code": code, **reason})


def sent(value: str | bytes) -> SendFrame:
    key = "text" if isinstance(value, str) else "bytes"
    return SendFrame({"type": "websocket.send", key: value}, len(value))


def published(order: int, value: str | bytes) -> Publish:
    key = "text" if isinstance(value, str) else "bytes"
    return Publish(RECEIVE, order, {"path": PATH, key: value})


def waited(order: int, value: str | bytes) -> Publish:
    """A frame that was pending."""
    return published(order, value)._replace(waited=True)


def state_of(connection: WebSocketProtocol) -> str:
    """Its state, exactly one of three."""
    facts = {
        CONNECTING: connection.is_connecting,
        OPEN: connection.is_open,
        CLOSED: connection.is_closed,
    }
    [state] = [state for state, is_true in facts.items() if is_true]
    return state


def frame(value: str | bytes) -> dict[str, Any]:
    key = "text" if isinstance(value, str) else "bytes"
    return {"type": "websocket.receive", key: value}


def connecting(backlog: Backlog | None = None, **limits: Any) -> WebSocketProtocol:
    """A connection whose handshake was published."""
    connection = WebSocketProtocol(
        SCOPE, replace(Configuration(), **limits), None, backlog or Backlog()
    )
    [step] = connection.begin("server!1")
    assert isinstance(step, Publish)
    return connection


def opened(backlog: Backlog | None = None, **limits: Any) -> WebSocketProtocol:
    """A connection that a worker accepted, with nothing in flight."""
    connection = connecting(backlog, **limits)
    assert connection.reply({"accept": True}) == [ACCEPTED]
    assert connection.release(0) == []
    return connection


def busy(backlog: Backlog | None = None, **limits: Any) -> WebSocketProtocol:
    """An open connection with its first frame in flight."""
    connection = opened(backlog, **limits)
    assert connection.receive(frame("first")) == [published(1, "first")]
    return connection


def drain(connection: WebSocketProtocol, actions: Actions = []) -> list[str]:  # noqa: B006
    """Release until nothing is left. Returns the published texts and "end"."""
    found: list[str] = []
    todo = [*actions, *connection.release(connection.order)]
    while todo:
        step = todo.pop(0)
        if isinstance(step, Close):
            found.append("end")
        elif isinstance(step, Publish):
            found.append(step.content["text"])
            todo += connection.release(step.order)
    return found


# The handshake


def test_the_handshake_is_published_first_and_once() -> None:
    connection = WebSocketProtocol(SCOPE, Configuration())
    assert state_of(connection) == CONNECTING
    assert connection.begin("server!1") == [Publish(CONNECT, 0, connect_content(SCOPE))]
    assert connection.begin("server!1") == []


def test_the_handshake_has_all_that_the_server_knows() -> None:
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


def test_only_the_path_of_a_handshake_is_required() -> None:
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


def test_the_disconnect_has_the_path() -> None:
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
    assert state_of(connection) == state


# Messages to its groups before its handshake is answered


@pytest.mark.parametrize(
    ("answer", "actions"),
    [
        ({"accept": True}, [ACCEPTED, sent("one"), sent("two")]),
        ({"text": "hello"}, [ACCEPTED, sent("hello"), sent("one"), sent("two")]),
        ({"accept": False}, [REFUSED]),
        ({"close": True}, [REFUSED]),
    ],
)
def test_messages_to_its_groups_follow_the_answer(answer: Any, actions: list[Any]) -> None:
    connection = connecting()
    for text in ("one", "two"):
        assert connection.reply({"text": text}, True) == []
    assert state_of(connection) == CONNECTING
    assert connection.reply(answer) == actions
    assert connection.release(0) == []


def test_a_message_to_a_group_may_close_a_socket_as_soon_as_it_is_open() -> None:
    connection = connecting()
    for content in ({"text": "bye", "close": 4000}, {"text": "too late"}):
        assert connection.reply(content, True) == []
    assert connection.reply({"accept": True}) == [ACCEPTED, sent("bye"), closed(4000)]


def test_with_accept_they_follow_when_the_consumer_returns() -> None:
    connection = connecting(CONNECT="accept")
    connection.reply({"text": "one"}, True)
    assert connection.release(0) == [ACCEPTED, sent("one")]


def test_without_an_answer_they_accept_when_the_consumer_returns() -> None:
    """As in 1.x: a frame accepts. But it does not overtake a consumer that may refuse."""
    connection = connecting()
    connection.reply({"text": "one"}, True)
    assert connection.release(0) == [ACCEPTED, sent("one")]
    late = connecting()
    assert late.release(0) == []
    assert late.reply({"text": "one"}, True) == [ACCEPTED, sent("one")]


@pytest.mark.parametrize("limits", [{"REPLIES_WAITING": 2}, {"REPLY_BYTES_WAITING": 20}])
def test_too_many_of_them_refuse_the_handshake(
    limits: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    connection = connecting(**limits)
    for _ in range(2):
        assert connection.reply({"text": "x" * 10}, True) == []
    assert connection.reply({"text": "x" * 10}, True) == [REFUSED]
    assert connection.reply({"text": "x"}, True) == []
    assert "3 messages to its groups wait for the answer of its connect consumer" in caplog.text


def test_they_count_once_for_all_sockets_that_hold_them() -> None:
    backlog = Backlog()
    members = [connecting(backlog, ALL_REPLY_BYTES_WAITING=25) for _ in range(3)]
    shared = {"text": "x" * 10}
    for member in members:
        assert member.reply(shared, True) == []
    assert members[0].reply({"text": "x" * 10}, True) == []
    assert backlog.early.size == 20
    assert members[1].reply({"text": "x" * 10}, True) == [REFUSED]
    assert backlog.early.size == 20
    members[0].reply({"accept": True})
    members[2].time_out()
    assert backlog.early.size == 0


@pytest.mark.parametrize("end", [lambda it: it.end(1001), lambda it: it.time_out()])
def test_a_handshake_that_ends_forgets_them(end: Any) -> None:
    backlog = Backlog()
    connection = connecting(backlog)
    connection.reply({"text": "one"}, True)
    assert backlog.early.size == 3
    end(connection)
    assert backlog.early.size == 0


def test_members_of_a_group_share_the_action() -> None:
    content = {"text": "hello"}
    [first], [second] = opened().reply(content), opened().reply(content)
    assert first is second
    [other] = opened().reply({"text": "hello"})
    assert other is not first


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Let threads take turns as often as Python can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hasty_threads")
def test_servers_in_two_threads_do_not_mix_their_contents() -> None:
    start = Barrier(2)

    def serve(text: str) -> set[str]:
        member, contents = opened(), [{"text": text}, {"text": text}]
        start.wait(60)
        actions = [member.reply(contents[n // 2 % 2]) for n in range(20_000)]
        return {action.event["text"] for [action] in actions if isinstance(action, SendFrame)}

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(serve, ["one", "two"])) == [{"one"}, {"two"}]


def offering(*subprotocols: str) -> WebSocketProtocol:
    return WebSocketProtocol({"path": "/chat/tea/", "subprotocols": subprotocols}, Configuration())


def test_accepting_may_choose_a_subprotocol() -> None:
    actions = offering("talk", "chat").reply({"accept": True, "subprotocol": "chat"})
    assert actions == [Accept({"type": "websocket.accept", "subprotocol": "chat"})]


@pytest.mark.parametrize("subprotocol", [None, ""])
def test_accepting_need_not_choose_a_subprotocol(subprotocol: str | None) -> None:
    [action] = offering("talk").reply({"accept": True, "subprotocol": subprotocol})
    assert isinstance(action, Accept)


@pytest.mark.parametrize(
    ("offered", "shown"), [((), "offered none"), (("talk", "ch\nat"), r"offered talk, ch\\nat\.")]
)
def test_a_subprotocol_that_was_not_offered_is_refused_with_both_lists(
    offered: tuple[str, ...], shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = offering(*offered)
    assert connection.reply({"text": "hi", "subprotocol": "chat"}) == [REFUSED]
    assert state_of(connection) == CLOSED
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
    assert state_of(connection) == state


@pytest.mark.parametrize("code", [1, 999, 1001, 1006, 2999, 5000, "4000", 4000.0, [4000]])
def test_a_reserved_close_code_becomes_1000(code: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert opened().reply({"close": code}) == [closed(1000)]
    shown_code = code if isinstance(code, int) else f"of type {type(code).__name__}"
    assert f"has the close code {shown_code}, not True, 1000 or 3000 to 4999" in caplog.text
    assert caplog.records[0].getMessage().startswith(f"A reply to {PATH} cannot go out as it is")


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
    [record] = caplog.records
    assert record.getMessage().startswith(f"A reply to {PATH} cannot go out as it is. It has ")


@pytest.mark.parametrize("reply", [{"accept": True}, {"text": "hi"}, {"close": True}, {}])
def test_nothing_is_sent_to_a_closed_socket(reply: Any) -> None:
    for connection in (opened(), connecting()):
        connection.close(4000)
        assert connection.reply(reply) == []
        assert state_of(connection) == CLOSED


def test_nothing_is_sent_to_a_client_that_has_left() -> None:
    connection = opened()
    connection.end(1001)
    assert connection.reply({"text": "hi"}) == []


def test_a_refused_socket_stays_refused() -> None:
    connection = connecting()
    connection.reply({"accept": False})
    assert connection.reply({"accept": True}) == []
    assert connection.release(0) == []


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"close": True}, "a worker denied it; the log of the workers says why"),
        ({"accept": False}, "a worker denied it; the log of the workers says why"),
        ({"accept": False, "why": "its consumer raised KeyError"}, "its consumer raised KeyError"),
        ({"accept": False, "why": 5}, "a worker denied it; the log of the workers says why"),
    ],
)
def test_a_refusal_is_logged_with_its_reason(
    reply: Any, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    connecting().reply(reply)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"Refused the handshake of {PATH}: {expected}"
    assert vars(record)["event"] == "socket_refused"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("why", {"reason": "why"}), ("é" * 100, {"reason": "é" * 61}), ("", {}), (None, {})],
)
def test_a_reply_may_close_with_a_reason(reason: Any, expected: dict[str, str]) -> None:
    close = {"close": 4000, "reason": reason}
    assert opened().reply(close) == [closed(4000, **expected)]
    both = [ACCEPTED, sent("hi"), closed(4000, **expected)]
    assert connecting().reply({"text": "hi", **close}) == both


def test_a_reason_of_another_type_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert opened().reply({"close": 4000, "reason": 5}) == [closed(4000)]
    assert "The reason of a close must be str, not int" in caplog.text


IGNORED: list[Any] = [
    ({}, "none"),
    ({"type": "chat.message"}, "type"),
    ({"txt": "hi", "b\n": 1}, r"txt, b\n"),
    ({"text": None}, "text"),
]


@pytest.mark.parametrize(("reply", "keys"), IGNORED)
@pytest.mark.parametrize("to_group", [False, True])
def test_a_reply_that_does_nothing_is_logged(
    reply: Any, keys: str, to_group: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for connection in (connecting(), opened()):
        caplog.clear()
        assert connection.reply(reply, to_group) == []
        if to_group and connection.is_connecting:
            connection.reply({"accept": True})
        [record] = caplog.records
        assert record.levelno == logging.ERROR
        text = f"A reply to {PATH} cannot go out as it is. It has a value for none of accept"
        assert record.getMessage().startswith(text)
        assert record.getMessage().endswith(f"Its keys: {keys}")
        assert vars(record)["event"] == "bad_reply"


@pytest.mark.parametrize("reply", [{"accept": True}, {"accept": False}, {"close": False}])
def test_replies_that_may_do_nothing(reply: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert opened().reply(reply) == []
    assert not caplog.records


# A connect consumer without an answer


def test_in_memory_the_remedy_is_another_one(caplog: pytest.LogCaptureFixture) -> None:
    assert connecting().time_out(is_local=True) == [REFUSED]
    assert "no `manage.py runworker` can answer" in caplog.text
    assert "manage.py runserver" in caplog.text
    caplog.clear()
    connection = connecting()
    connection.release(0)
    assert connection.time_out(is_local=True) == [REFUSED]
    assert "returned without an answer" in caplog.text


def test_explicit_waits_for_an_answer() -> None:
    connection = connecting(CONNECT="explicit")
    assert connection.release(0) == []
    assert state_of(connection) == CONNECTING
    assert connection.reply({"accept": True}) == [ACCEPTED]


def test_accept_accepts_when_the_consumer_returns() -> None:
    connection = connecting(CONNECT="accept")
    assert state_of(connection) == CONNECTING
    assert connection.release(0) == [ACCEPTED]
    assert state_of(connection) == OPEN


@pytest.mark.parametrize("reply", [{"accept": True}, {"close": True}])
def test_accept_does_not_override_an_answer(reply: Any) -> None:
    connection = connecting(CONNECT="accept")
    connection.reply(reply)
    state = state_of(connection)
    assert connection.release(0) == []
    assert state_of(connection) == state


# The time-out


def test_a_handshake_that_no_worker_took_is_refused_with_the_remedy(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = connecting(HANDSHAKE_TIMEOUT=2.5)
    assert connection.time_out() == [REFUSED]
    assert state_of(connection) == CLOSED
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(
        "No worker answered the handshake of /chat/tea/ within 2.5 s."
    )
    assert "manage.py runworker" in record.getMessage()


def test_a_handshake_without_an_answer_is_refused_with_the_remedy(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = connecting(HANDSHAKE_TIMEOUT=2.5)
    connection.release(0)
    assert connection.time_out() == [REFUSED]
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("The connect consumer of /chat/tea/ returned without an answer.")
    for cure in ('{"accept": True}', "DenyConnection", 'CHANNEL_WORKERS["CONNECT"] = "accept"'):
        assert cure in message


def test_an_answered_handshake_does_not_time_out(caplog: pytest.LogCaptureFixture) -> None:
    for reply in ({"accept": True}, {"close": True}):
        connection = connecting()
        connection.reply(reply)
        caplog.clear()
        assert connection.time_out() == []
        assert caplog.records == []


def test_a_client_that_left_does_not_time_out(caplog: pytest.LogCaptureFixture) -> None:
    connection = connecting()
    connection.end(1006)
    assert connection.time_out() == []
    assert caplog.records == []


# The order of messages


def test_one_message_is_in_flight_at_a_time() -> None:
    connection = connecting()
    connection.reply({"accept": True})
    assert connection.receive(frame("one")) == []
    assert connection.receive(frame("two")) == []
    assert connection.release(0) == [waited(1, "one")]
    assert connection.in_flight == published(1, "one")
    assert connection.release(1) == [waited(2, "two")]
    assert connection.release(2) == []
    assert connection.in_flight is None


def test_a_binary_frame_is_published_as_bytes() -> None:
    assert opened().receive(frame(b"\x00\xff")) == [published(1, b"\x00\xff")]


@pytest.mark.parametrize(
    ("event", "content"),
    [
        ({"text": "hi", "bytes": None}, {"text": "hi"}),
        ({"text": None, "bytes": b"hi"}, {"bytes": b"hi"}),
        ({"text": ""}, {"text": ""}),
        ({"bytes": b""}, {"bytes": b""}),
    ],
)
def test_both_forms_of_a_frame_are_read(event: Any, content: Any) -> None:
    actions = opened().receive({"type": "websocket.receive", **event})
    assert actions == [Publish(RECEIVE, 1, {"path": "/chat/tea/", **content})]


@pytest.mark.parametrize("order", [0, 2, 99])
def test_releasing_another_message_changes_nothing(order: int) -> None:
    connection = busy()
    connection.receive(frame("two"))
    assert connection.release(order) == []
    assert connection.in_flight == published(1, "first")


def test_a_repeated_release_counts_once() -> None:
    connection = busy()
    for text in ("two", "three"):
        connection.receive(frame(text))
    assert connection.release(1) == [waited(2, "two")]
    assert connection.release(1) == []
    assert connection.in_flight == published(2, "two")


def test_an_unpublishable_message_leaves_its_order_number_to_the_next() -> None:
    connection = busy()
    connection.withdraw()
    assert connection.order == 0
    assert connection.in_flight is None


@given(st.lists(st.sampled_from(["frame", "release", "stale release"]), max_size=60))
def test_frames_are_published_completely_and_in_order(steps: list[str]) -> None:
    backlog = Backlog()
    connection, given_in, taken_out = opened(backlog), 0, []
    for step in steps:
        was_in_flight = connection.in_flight is not None
        if step == "frame":
            actions = connection.receive(frame(str(given_in)))
            given_in += 1
            assert not (was_in_flight and actions)
        else:
            actions = connection.release(connection.order - (step == "stale release"))
            assert not (was_in_flight and actions and step == "stale release")
        taken_out += [action.content["text"] for action in actions if isinstance(action, Publish)]
    assert taken_out + drain(connection) == [str(number) for number in range(given_in)]
    assert backlog.taken == 0


# The end


def test_the_disconnect_follows_all_queued_messages() -> None:
    connection = busy()
    connection.receive(frame("two"))
    assert connection.end(1001) == []
    assert connection.release(1) == [waited(2, "two")]
    assert connection.release(2) == [Close(1001)]


def test_the_layer_learns_of_the_close_while_the_last_message_is_in_flight() -> None:
    assert busy().end(1001) == [Close(1001)]


def test_there_is_one_disconnect() -> None:
    connection = opened()
    assert connection.end(1001) == [Close(1001)]
    assert connection.end(1006) == []
    assert connection.end(1000) == []


def test_a_client_that_leaves_while_connecting_gets_a_disconnect() -> None:
    connection = connecting()
    assert connection.end(1006) == [Close(1006)]
    assert connection.reply({"accept": True}) == []


@pytest.mark.parametrize("code", [None, 0])
def test_a_disconnect_without_a_code_is_abnormal(code: int | None) -> None:
    assert opened().end(code) == [Close(1006)]


def test_our_close_code_overrides_the_clients() -> None:
    connection = opened()
    assert connection.reply({"close": 4001}) == [closed(4001)], "the client has not gone yet"
    assert connection.end(1000) == [Close(4001)]


def test_a_refused_handshake_ends_abnormally() -> None:
    connection = connecting()
    connection.reply({"close": True})
    assert connection.end(1000) == [Close(1006)]


def test_only_frames_before_the_close_are_published() -> None:
    connection = busy()
    connection.receive(frame("before"))
    connection.close()
    assert connection.receive(frame("after")) == []
    assert drain(connection, connection.end(1000)) == ["before", "end"]


def test_frames_before_the_socket_is_open_are_ignored() -> None:
    connection = connecting()
    assert connection.receive(frame("early")) == []
    connection.reply({"accept": True})
    assert connection.release(0) == []


def test_an_abandoned_connection_drops_its_queue() -> None:
    connection = busy()
    connection.receive(frame("two"))
    assert connection.abandon(1001) == [Close(1001)]
    assert connection.release(1) == []


def test_closing_twice_sends_one_close() -> None:
    connection = opened()
    assert connection.close() == [closed(1000)]
    assert connection.close(4000) == []


def test_closing_a_handshake_refuses_it() -> None:
    assert connecting().close(4012) == [REFUSED]
    assert connecting().close(4012, "why") == [REFUSED]


def test_a_close_may_have_a_reason() -> None:
    assert opened().close(4000, "why") == [closed(4000, reason="why")]


def test_a_draining_server_closes_and_still_publishes_received_frames() -> None:
    connection = busy()
    connection.receive(frame("two"))
    assert connection.dismiss("retry-after: 5") == [closed(4013, reason="retry-after: 5")]
    assert connection.has_ended
    assert drain(connection) == ["two", "end"]


def test_a_stopping_server_closes_and_drops_received_frames() -> None:
    connection = busy()
    connection.receive(frame("two"))
    assert connection.abort(4013) == [closed(4013), Close(4013)]


def test_a_connection_that_the_layer_evicted_ends_without_it() -> None:
    connection = busy()
    connection.receive(frame("two"))
    assert connection.evict() == [closed(4012)]
    assert connection.is_finished
    assert connection.release(1) == []


# Limits


@pytest.mark.parametrize("value", ["x" * 11, "\u00e4" * 6, b"x" * 11, "\ud800" * 4])
def test_an_oversized_frame_closes_the_socket(value: str | bytes) -> None:
    connection = busy(FRAME_SIZE=10)
    connection.receive(frame("before"))
    assert connection.receive(frame(value)) == [closed(4009)]
    assert drain(connection, connection.end(4009)) == ["before", "end"]


@pytest.mark.parametrize("value", ["x" * 10, "\u00e4" * 5, b"x" * 10])
def test_a_frame_of_exactly_the_limit_is_accepted(value: str | bytes) -> None:
    assert opened(FRAME_SIZE=10).receive(frame(value)) == [published(1, value)]


def test_one_queued_frame_too_many_closes_the_socket() -> None:
    connection = busy(FRAMES_WAITING=2)
    assert connection.receive(frame("one")) == []
    assert connection.receive(frame("two")) == []
    assert connection.receive(frame("three")) == [closed(4008)]
    assert drain(connection, connection.end(4008)) == ["one", "two", "end"]


def test_too_many_queued_bytes_close_the_socket() -> None:
    connection = busy(FRAME_BYTES_WAITING=10)
    assert connection.receive(frame("x" * 6)) == []
    assert connection.receive(frame("x" * 4)) == []
    assert connection.receive(frame("x")) == [closed(4008)]


def test_a_single_frame_may_exceed_the_byte_limit() -> None:
    assert opened(FRAME_BYTES_WAITING=10).receive(frame("x" * 11)) == [closed(4008)]


def test_messages_in_flight_are_not_queued() -> None:
    connection = opened(FRAMES_WAITING=1, FRAME_BYTES_WAITING=10)
    connection.receive(frame("x" * 10))
    assert connection.receive(frame("x" * 10)) == []


@pytest.mark.parametrize("value", ["x" * 10, b"x" * 10, "\u00e4" * 5, "\U0001f375" * 2])
def test_a_client_within_the_limits_is_never_closed(value: str | bytes) -> None:
    connection = opened(FRAMES_WAITING=1, FRAME_BYTES_WAITING=10)
    for number in range(1, 21):
        assert connection.receive(frame(value)) == [published(number, value)]
        assert connection.release(number) == []


# Memory of all sockets together


def test_memory_counts_until_a_worker_has_finished() -> None:
    backlog = Backlog()
    connection = busy(backlog)
    assert backlog.taken > FRAME_COST
    one = backlog.taken
    connection.receive(frame("other"))
    assert (backlog.taken, connection.pending.cost) == (2 * one, one)
    connection.release(1)
    assert (backlog.taken, connection.pending.cost) == (one, 0)
    connection.release(2)
    assert backlog.taken == 0


@pytest.mark.parametrize(
    "leave",
    [
        lambda connection: connection.abandon(1001),
        lambda connection: connection.evict(),
        lambda connection: connection.end(1001),
        lambda connection: connection.dismiss(""),
    ],
)
def test_a_discarded_connection_frees_its_memory(leave: Any) -> None:
    backlog = Backlog()
    connection = busy(backlog)
    connection.receive(frame("two"))
    leave(connection)
    connection.forget()
    assert (backlog.taken, backlog.orphaned_frames, backlog.orphaned_bytes) == (0, 0, 0)
    assert connection.release(1) == []
    assert backlog.taken == 0


def test_a_frame_waits_until_there_is_room() -> None:
    backlog = Backlog()
    connection = opened(backlog, ALL_FRAME_BYTES_WAITING=10_000)
    backlog.taken = 10_000
    assert connection.receive(frame("one")) == [MakeRoom()]
    assert connection.in_flight is None
    backlog.taken = connection.pending.cost
    assert connection.proceed() == [waited(1, "one")]


def test_lost_frames_close_their_socket(caplog: pytest.LogCaptureFixture) -> None:
    backlog = Backlog()
    connection = busy(backlog)
    one = backlog.taken
    connection.receive(frame("two"))
    assert connection.lose_frames() == [closed(4008)]
    assert (len(connection.pending.frames), connection.pending.cost, backlog.taken) == (0, 0, one)
    assert "Dropped 1 frames of /chat/tea/: those of all sockets exceed" in caplog.text
    assert connection.lose_frames() == []


# Orphaned frames


def left_behind(connection: WebSocketProtocol, count: int) -> list[str]:
    """Let a client send *count* frames behind one in flight, then disconnect."""
    for number in range(count):
        connection.receive(frame(str(number)))
    return drain(connection, connection.end(1001))


def test_few_orphaned_frames_of_one_client_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    assert left_behind(busy(LEFT_FRAMES=2), 3) == ["0", "1", "end"]
    assert "Dropped 1 queued frames of /chat/tea/, whose client has left" in caplog.text
    assert "LEFT_FRAMES exceeded" in caplog.text


@pytest.mark.parametrize(
    ("setting", "limit"), [("LEFT_FRAMES_WAITING", 2), ("LEFT_FRAME_BYTES_WAITING", 800)]
)
def test_exceeding_the_total_drops_the_newest_orphaned_frames(
    setting: str, limit: int, caplog: pytest.LogCaptureFixture
) -> None:
    backlog = Backlog()
    limits: dict[str, Any] = {setting: limit}
    first, last = busy(backlog, **limits), busy(backlog, **limits)
    for connection in (first, last):
        connection.receive(frame("0"))
        connection.receive(frame("1"))
        connection.end(1001)
    assert backlog.orphaned_frames == 2
    assert drain(first) == ["0", "1", "end"]
    assert last.is_finished
    assert f"{setting} exceeded" in caplog.text
    assert (backlog.orphaned_frames, backlog.orphaned_bytes) == (0, 0)


def test_orphaned_frames_expire() -> None:
    connection = busy()
    connection.receive(frame("two"))
    assert connection.end(1001) == []
    assert connection.drop_late() == [Close(1001)]
    assert connection.drop_late() == []


def test_a_client_that_reads_too_slowly_gets_its_close_code(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert opened().read_too_slowly(0) == [Close(4010)]
    assert "Closing /chat/tea/: its client reads too slowly" in caplog.text
