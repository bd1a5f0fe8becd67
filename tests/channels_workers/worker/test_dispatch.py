import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.dispatch import Signal
from pytest_django import Settings

from channels_workers import bad_replies
from channels_workers.channel import Channel, Group
from channels_workers.exceptions import (
    AcceptConnection,
    ChannelSocketException,
    ConsumeLater,
    DenyConnection,
    MessageError,
    MessageTooLarge,
    WebsocketCloseException,
)
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import CONNECT, Committed, Finished
from channels_workers.log_limits import flood
from channels_workers.routing import Router, route
from channels_workers.sessions import channel_session
from channels_workers.signals import consumer_finished, consumer_started
from channels_workers.worker import hints, isolation
from channels_workers.worker.commit import dead_letter
from channels_workers.worker.dispatch import Outcome, dispatch, run
from tests.channels_workers.clients import Client, contents, pull_one
from tests.channels_workers.conftest import RunNext, heard
from tests.channels_workers.consumers import Consumer, not_called, run_and_finish

# Signals around a consumer close old database connections.
pytestmark = pytest.mark.django_db

Act = Callable[[Any], Any]

#: A consumer of each kind that runs a given function.
KINDS = pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])


def consumer_that(act: Act, is_async: bool) -> Consumer:
    def consumer(message: Any) -> None:
        act(message)

    async def async_consumer(message: Any) -> None:
        act(message)

    return async_consumer if is_async else consumer


def fail_with(error: BaseException) -> Act:
    def act(message: Any) -> None:
        message.reply_channel.send({"text": "before"})
        raise error

    return act


# What a consumer sends, joins and leaves


@KINDS
def test_operations_are_applied_when_the_consumer_has_returned(
    is_async: bool, connected: Client, run_next: RunNext
) -> None:
    seen: list[Any] = []

    def act(message: Any) -> None:
        Group("chat").add(message.reply_channel)
        Group("chat").send({"text": "to the group"})
        message.reply_channel.send({"text": "to the socket"})
        Channel("background").send({"text": "to a worker"})
        seen.append(list(connected.replies))
        seen.append(connected.layer.length("background"))

    assert run_next(consumer_that(act, is_async)) is Committed.DONE
    assert seen == [[], 0]
    assert connected.replies == [{"text": "to the group"}, {"text": "to the socket"}]
    assert contents(connected.layer, "background") == [{"text": "to a worker"}]


@KINDS
def test_immediate_sends_are_applied_at_once(
    is_async: bool, connected: Client, run_next: RunNext
) -> None:
    seen: list[Any] = []

    def act(message: Any) -> None:
        message.reply_channel.send({"text": "second"})
        message.reply_channel.send({"text": "first"}, immediately=True)
        seen.extend(connected.replies)

    run_next(consumer_that(act, is_async))
    assert seen == [{"text": "first"}]
    assert connected.replies == [{"text": "first"}, {"text": "second"}]


def test_ids_of_sent_messages_derive_from_the_consumed_message(
    connected: Client, run_next: RunNext
) -> None:
    def send_two(message: Any) -> None:
        Channel("background").send({"number": 1})
        Channel("background").send({"number": 2})

    run_next(send_two)
    ids = [pull_one(connected.layer, "background").id for _ in range(2)]
    assert ids == [f"{connected.reply_channel}:0.1", f"{connected.reply_channel}:0.2"]


def test_named_groups_are_arguments(connected: Client) -> None:
    seen: list[dict[str, Any]] = []

    def consumer(message: Any, **kwargs: Any) -> None:
        seen.append(kwargs)

    routing = [route("websocket.connect", consumer, path=r"^/(?P<room>\w+)/$")]
    run_and_finish(pull_one(connected.layer), connected.layer, Router(routing))
    assert seen == [{"room": "chat"}]


def test_the_connection_is_released(connected: Client, run_next: RunNext) -> None:
    run_next(consumer_that(lambda message: None, is_async=False))
    assert connected.released == [0]


def test_a_callable_that_returns_a_coroutine_is_awaited(
    connected: Client, run_next: RunNext
) -> None:
    async def answer(message: Any) -> None:
        message.reply_channel.send({"text": "awaited"})

    run_next(partial(answer))
    assert connected.replies == [{"text": "awaited"}]


# Consumers that raise


ERRORS = [RuntimeError("broken"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()]


@KINDS
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_affects_one_message_and_earlier_sends_are_applied(
    error: BaseException, is_async: bool, connected: Client, run_next: RunNext
) -> None:
    assert run_next(consumer_that(fail_with(error), is_async)) is Committed.DONE
    assert connected.replies == [{"text": "before"}]
    connected.send("hi")
    answer = consumer_that(lambda message: message.reply_channel.send({"text": "next"}), is_async)
    run_next(answer)
    assert connected.replies == [{"text": "before"}, {"text": "next"}]
    assert connected.released == [0, 1]


@KINDS
def test_sys_exit_ends_nothing(is_async: bool, connected: Client, run_next: RunNext) -> None:
    assert run_next(consumer_that(lambda message: sys.exit(1), is_async)) is Committed.DONE
    assert connected.released == [0]


@KINDS
def test_an_error_is_logged_with_channel_path_and_consumer(
    is_async: bool, connected: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = consumer_that(fail_with(RuntimeError("broken")), is_async)
    run_next(consumer)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == (
        f"Consumer {__name__}.{consumer.__qualname__} failed on websocket.connect, path /chat/, "
        f"message {connected.reply_channel}:0"
    )
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "broken"


@KINDS
def test_a_consumer_may_deny_a_connection(
    is_async: bool, connected: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    def deny(message: Any) -> None:
        raise DenyConnection

    run_next(consumer_that(deny, is_async))
    assert connected.replies == [{"close": True}]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith(
        "refuses the socket /chat/: it raised DenyConnection, without a reason"
    )
    assert vars(record)["event"] == "socket_refused"
    assert vars(record)["connection"] == connected.reply_channel


def test_the_reason_of_a_refusal_is_logged_on_one_line(
    connected: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    def deny(message: Any) -> None:
        raise DenyConnection("the room\nis full")

    run_next(deny)
    assert connected.replies == [{"close": True}]
    assert r"deny refuses the socket /chat/: the room\nis full" in caplog.text


def test_clients_cannot_fill_the_log_with_refusals(
    memory_layer: InMemoryChannelLayer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    def deny(message: Any) -> None:
        raise DenyConnection

    settings.CHANNEL_WORKERS = {"LOG_LINES_PER_MINUTE": 3}
    flood.forget()
    for _ in range(5):
        client = Client(memory_layer)
        client.connect()
        run_and_finish(pull_one(memory_layer), memory_layer, Router([route(CONNECT, deny)]))
        assert client.replies == [{"close": True}]
    assert len(caplog.records) == 3
    assert "more like this one within a minute are left out" in caplog.messages[-1]


def test_clients_cannot_fill_the_log_with_tracebacks(
    connected: Client, run_next: RunNext, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_WORKERS = {"LOG_LINES_PER_MINUTE": 3}
    flood.forget()
    run_next(lambda message: None)
    for text in "abcde":
        connected.send(text)
        run_next(lambda message: int(message["text"]))
    connected.send("f")
    run_next(lambda message: message["no such key"])  # another place has lines of its own
    assert [type(record.exc_info[1]).__name__ for record in caplog.records if record.exc_info] == [
        *["ValueError"] * 3,
        "KeyError",
    ]
    assert "more like this one within a minute are left out" in caplog.messages[2]


def test_only_connections_can_be_denied(
    connected: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    def deny(message: Any) -> None:
        message.reply_channel.send({"text": "before"})
        raise DenyConnection

    run_next(lambda message: None)
    connected.send("hi")
    assert run_next(deny) is Committed.DONE
    assert connected.replies == [{"text": "before"}]
    assert "deny raised DenyConnection on websocket.receive" in caplog.text


@KINDS
@pytest.mark.parametrize(("code", "sent"), [(None, True), (4001, 4001)])
def test_a_consumer_may_close_its_socket(
    code: int | None, sent: Any, is_async: bool, connected: Client, run_next: RunNext
) -> None:
    run_next(consumer_that(fail_with(WebsocketCloseException(code)), is_async))
    assert connected.replies == [{"text": "before"}, {"close": sent}]


def test_closing_without_a_socket_is_logged(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    def close(message: Any) -> None:
        raise WebsocketCloseException

    Channel("background").send({})
    assert run_next(close, "background") is Committed.DONE
    assert "close failed on background, path -, message " in caplog.text
    assert "non-websocket handler" in caplog.text


def test_a_custom_socket_exception_runs_with_its_message(
    connected: Client, run_next: RunNext
) -> None:
    class Farewell(ChannelSocketException):
        def run(self, message: Any) -> None:
            message.reply_channel.send({"text": "farewell", "close": True})

    run_next(consumer_that(fail_with(Farewell()), is_async=False))
    assert connected.replies == [{"text": "before"}, {"text": "farewell", "close": True}]


def test_an_exception_with_a_failing_run_is_logged(
    connected: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    run_next(consumer_that(fail_with(ChannelSocketException()), is_async=False))
    assert connected.replies == [{"text": "before"}]
    assert "must define run(message)" in caplog.text


def test_a_generator_is_an_error(
    connected: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    def generator(message: Any) -> Iterator[None]:
        yield

    async def asynchronous(message: Any) -> AsyncIterator[None]:
        yield

    for consumer in (generator, asynchronous):
        run_next(consumer)
        connected.send("hi")
    assert caplog.text.count("TypeError: The consumer is a generator") == 2


# Replies that do nothing


@pytest.fixture
def nothing_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bad_replies, "_logged", set())


@KINDS
@pytest.mark.usefixtures("nothing_logged")
def test_a_reply_that_does_nothing_is_logged_once(
    is_async: bool, connected: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(message: Any) -> None:
        for _ in range(2):
            message.reply_channel.send({"txt": "hi", "typ": 1})

    consumer = consumer_that(wrong, is_async)
    run_next(consumer)
    connected.send("hi")
    run_next(consumer)
    [record] = caplog.records
    name = f"{__name__}.{consumer.__qualname__}"
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(f"{name} sends a reply to its socket /chat/ that has")
    assert "Its keys: txt, typ." in record.getMessage()
    assert {
        "event": "bad_reply",
        "consumer": name,
        "path": "/chat/",
        "connection": connected.reply_channel,
    }.items() < vars(record).items()


@pytest.mark.usefixtures("nothing_logged")
def test_other_sends_are_no_replies(
    connected: Client,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def act(message: Any) -> None:
        message.reply_channel.send({"accept": True})
        Channel("background").send({"txt": "hi"})
        Group("chat").send({"txt": "hi"})

    run_next(act)
    Channel(connected.reply_channel).send({"txt": "hi"})
    assert not caplog.records
    monkeypatch.setattr(bad_replies, "BAD_REPLIES", 0)
    connected.send("hi")
    run_next(lambda message: message.reply_channel.send({}))
    assert not caplog.records


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ({"text": {"a": 1}}, "has text of type dict, not str. Send other data as text"),
        ({"bytes": "hi"}, "has bytes of type str, not bytes"),
        ({"close": 70000}, "has the close code 70000, not True, 1000 or 3000 to 4999"),
        ({"close": "now"}, "has the close code of type str"),
        ({"text": None}, None),
        ({"text": "", "bytes": b""}, None),
        ({"close": 4000}, None),
        ({"close": True, "text": "bye"}, None),
    ],
)
@pytest.mark.usefixtures("nothing_logged")
def test_the_consumer_of_a_wrong_reply_is_named(
    reply: Any,
    problem: str | None,
    connected: Client,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def reply_twice(message: Any) -> None:
        for _ in range(2):
            message.reply_channel.send(reply)

    run_next(lambda message: None)
    connected.send("hi")
    run_next(reply_twice)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == (problem is not None)
    assert not lines or (problem in lines[0] and "reply_twice sends a reply" in lines[0])


# Results, and attributes that decorators set


@KINDS
def test_a_result_that_nobody_reads_is_logged_once(
    is_async: bool,
    connected: Client,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hints, "_named", set())

    def answering(message: Any) -> Any:
        return {"text": "hi"}

    async def asynchronous(message: Any) -> Any:
        return {"text": "hi"}

    run_next(lambda message: True)  # which harms nobody
    for _ in range(2):
        connected.send("hi")
        run_next(asynchronous if is_async else answering)
    [record] = caplog.records
    assert "returned a value of type dict, which nobody reads" in record.getMessage()
    assert vars(record)["event"] == "result_ignored"


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("channel_session", "@channel_session of channels_workers.sessions"),
        ("http_session", "@http_session"),
        ("user", "@channel_session_user"),
        ("sessoin", None),
    ],
)
def test_a_missing_decorator_is_named(
    name: str,
    cure: str | None,
    connected: Client,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run_next(lambda message: getattr(message, name))
    assert f"'Message' object has no attribute '{name}'" in caplog.text
    assert ("Decorate the consumer" in caplog.text) == (cure is not None)
    assert cure is None or cure in caplog.text


# Sockets whose consumer raised


CLOSED = {"close": 4011}


def test_a_socket_stays_open_by_default(connected: Client, run_next: RunNext) -> None:
    run_next(lambda message: None)
    connected.send("hi")
    run_next(fail_with(ValueError("broken")))
    assert connected.replies == [{"text": "before"}]


@KINDS
def test_a_socket_may_be_closed(
    is_async: bool, connected: Client, run_next: RunNext, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"CLOSE_ON_ERROR": True}
    run_next(lambda message: None)
    connected.send("hi")
    run_next(consumer_that(fail_with(ValueError("broken")), is_async))
    assert connected.replies == [{"text": "before"}, CLOSED]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("broken"), "ValueError: broken"),
        (ValueError("é" * 100), "ValueError: " + "é" * 55),
        (KeyError(), "KeyError"),
    ],
)
def test_its_client_is_told_why_under_debug(
    error: Exception, reason: str, connected: Client, run_next: RunNext, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS, settings.DEBUG = {"CLOSE_ON_ERROR": True}, True
    run_next(fail_with(error))
    assert connected.replies == [{"text": "before"}, {**CLOSED, "reason": reason}]


def test_no_socket_is_closed_without_need(
    connected: Client, run_next: RunNext, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"CLOSE_ON_ERROR": True}

    def deny(message: Any) -> None:
        raise DenyConnection

    run_next(deny)
    connected.leave()
    run_next(fail_with(ValueError("broken")), "websocket.disconnect")
    Channel("background").send({})
    run_next(not_called, "background")
    assert connected.replies == [{"close": True}, {"text": "before"}]


# Messages without a consumer


def test_an_unrouted_connect_is_accepted(connected: Client) -> None:
    run_and_finish(pull_one(connected.layer), connected.layer, Router([]))
    assert connected.replies == [{"accept": True}]


def test_unrouted_frames_and_disconnects_are_ignored(
    connected: Client, caplog: pytest.LogCaptureFixture
) -> None:
    layer, router = connected.layer, Router([])
    run_and_finish(pull_one(layer), layer, router)
    connected.send("hi")
    run_and_finish(pull_one(layer), layer, router)
    connected.leave()
    run_and_finish(pull_one(layer), layer, router)
    assert connected.replies == [{"accept": True}]
    assert connected.released == [0, 1]
    assert layer.store.records == {}
    assert caplog.records == []


def test_other_messages_without_a_route_are_logged_and_finished(
    memory_layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    Channel("background").send({"text": "hi"})
    delivery = pull_one(memory_layer, "background")
    assert run_and_finish(delivery, memory_layer, Router([])) is Committed.DONE
    assert memory_layer.length("background") == 0
    assert f"No route for message {delivery.id} on background" in caplog.text


def test_messages_without_a_route_cannot_fill_the_log(
    memory_layer: InMemoryChannelLayer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_WORKERS = {"LOG_LINES_PER_MINUTE": 3}
    flood.forget()
    for _ in range(5):
        Channel("background").send({"text": "hi"})
        run_and_finish(pull_one(memory_layer, "background"), memory_layer, Router([]))
    assert len(caplog.records) == 3
    assert "more like this one within a minute are left out" in caplog.messages[-1]


def test_an_unreadable_message_becomes_a_dead_letter(connected: Client) -> None:
    delivery = pull_one(connected.layer)._replace(payload=b"\xc1")
    outcome = dispatch(delivery, connected.layer, Router([]), not_called)
    assert "cannot be decoded" in str(outcome.unreadable)
    assert dead_letter(delivery, connected.layer, "no reason") is Committed.DONE
    [letter] = connected.layer.admin.dead_letters()
    assert letter.message.id == delivery.id
    assert connected.released == [0]
    assert refuses(connected)


# Signals


@KINDS
@pytest.mark.parametrize("error", [None, RuntimeError()])
def test_signals_are_sent_before_and_after_a_consumer(
    error: Exception | None, is_async: bool, connected: Client, run_next: RunNext
) -> None:
    seen: list[tuple[int, int]] = []
    with heard(consumer_started) as started, heard(consumer_finished) as finished:

        def act(message: Any) -> None:
            seen.append((len(started), len(finished)))
            if error:
                raise error

        run_next(consumer := consumer_that(act, is_async))
    assert seen == [(1, 0)]
    message = started[0]["message"]
    assert message.channel_name == "websocket.connect"
    both = {"sender": dispatch, "message": message, "consumer": consumer}
    assert started == [{"signal": consumer_started, "environ": {}, **both}]
    assert finished == [{"signal": consumer_finished, "error": error, **both}]


def test_a_message_without_a_consumer_sends_no_signal(memory_layer: InMemoryChannelLayer) -> None:
    Channel("background").send({})
    delivery = pull_one(memory_layer, "background")
    with heard(consumer_started) as started, heard(consumer_finished) as finished:
        run_and_finish(delivery, memory_layer, Router([]))
    assert started == finished == []


@pytest.mark.parametrize("signal", [consumer_started, consumer_finished])
def test_a_failing_receiver_is_logged_and_blocks_no_connection(
    signal: Signal, connected: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**arguments: Any) -> None:
        raise RuntimeError("a broken receiver")

    signal.connect(fail)
    try:
        assert run_next(lambda message: None) is Committed.DONE
    finally:
        signal.disconnect(fail)
    assert connected.released == [0]
    assert "a broken receiver" in caplog.text


# Without a commit


def test_running_without_a_commit_has_no_effect(connected: Client) -> None:
    router = Router(
        {"websocket.connect": lambda message: message.reply_channel.send({"text": "a"})}
    )
    outcome = run(pull_one(connected.layer), connected.layer, router, not_called)
    assert len(outcome.operations) == 1
    assert connected.replies == []
    assert connected.released == []


def test_the_disconnect_of_a_client_that_left_follows_the_running_message(
    connected: Client, run_next: RunNext
) -> None:
    order: list[str] = []

    def consumer(message: Any) -> None:
        connected.leave(1001)
        order.append(message.channel.name)

    run_next(consumer)
    run_next(lambda message: order.append(f"{message.channel.name} {message['code']}"))
    assert order == ["websocket.connect", "websocket.disconnect 1001"]


# ConsumeLater and AcceptConnection


@KINDS
def test_consume_later_discards_the_run_and_repeats_it(
    is_async: bool, connected: Client, run_next: RunNext
) -> None:
    runs: list[str] = []

    def act(message: Any) -> None:
        runs.append(message.id)
        message.reply_channel.send({"text": f"run {len(runs)}"})
        Group("chat").add(message.reply_channel)
        message.channel_session["runs"] = len(runs)
        if len(runs) < 3:
            raise ConsumeLater

    consumer = channel_session(consumer_that(act, is_async))
    for _ in range(3):
        assert connected.replies == []
        assert connected.released == []
        assert run_next(consumer) is Committed.DONE
    assert connected.replies == [{"text": "run 3"}]
    assert connected.released == [0]
    assert set(runs) == {f"{connected.reply_channel}:0"}
    payload = connected.layer.load_session(connected.reply_channel)
    assert payload is not None
    assert connected.layer.codec.decode(payload) == {"runs": 3}


def test_a_consumer_may_accept_a_connection(connected: Client, run_next: RunNext) -> None:
    def accept(message: Any) -> None:
        message.reply_channel.send({"text": "hello"})
        raise AcceptConnection

    run_next(accept)
    assert connected.replies == [{"text": "hello"}, {"accept": True}]


def test_only_connections_can_be_accepted(
    connected: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    def accept(message: Any) -> None:
        raise AcceptConnection

    run_next(accept)
    connected.send("hi")
    run_next(accept)
    assert connected.replies == [{"accept": True}]
    assert "raised AcceptConnection on websocket.receive" in caplog.text


@pytest.mark.parametrize("error", [AcceptConnection(), DenyConnection()])
def test_a_connect_message_without_a_socket_cannot_be_answered(
    error: Exception,
    memory_layer: InMemoryChannelLayer,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def answer(message: Any) -> None:
        raise error

    Channel("websocket.connect").send({"path": "/"})
    assert run_next(answer) is Committed.DONE
    assert f"raised {type(error).__name__} on websocket.connect" in caplog.text
    assert "Traceback" not in caplog.text


# Database connections of coroutines


@pytest.mark.parametrize("fails", [False, True])
def test_old_connections_are_closed_before_and_after_a_coroutine(
    fails: bool, connected: Client, run_next: RunNext, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    async def look_after() -> None:
        steps.append("look after")

    async def consumer(message: Any) -> None:
        steps.append("run")
        if fails:
            raise LookupError

    monkeypatch.setattr(isolation, "aclose_old_connections", look_after)
    monkeypatch.setattr(isolation, "close_old_connections", lambda: steps.append("look after"))
    run_next(consumer)
    assert steps == ["look after", "run", "look after"]


# The outcome, for callers without a worker


def run_alone(client: Client, consumer: Consumer) -> Outcome:
    delivery = pull_one(client.layer)
    return run(delivery, client.layer, Router({delivery.channel: consumer}), not_called)


def test_the_outcome_has_the_result(connected: Client) -> None:
    assert run_alone(connected, lambda message: "result").result == "result"


@pytest.mark.parametrize(
    "error", [LookupError(), SystemExit(), DenyConnection(), ConsumeLater(), AcceptConnection()]
)
def test_the_outcome_has_the_error(error: BaseException, connected: Client) -> None:
    found = run_alone(connected, fail_with(error)).error
    assert found is (None if isinstance(error, AcceptConnection) else error)


def test_a_handled_socket_exception_is_not_an_error(connected: Client) -> None:
    outcome = run_alone(connected, fail_with(WebsocketCloseException(4000)))
    assert outcome.error is None
    assert len(outcome.operations) == 2


def test_a_failed_socket_exception_gives_its_error(connected: Client) -> None:
    outcome = run_alone(connected, fail_with(ChannelSocketException()))
    assert isinstance(outcome.error, NotImplementedError)


@pytest.mark.parametrize(
    ("value", "error"), [(object(), MessageError), ("x" * 600_000, MessageTooLarge)]
)
def test_an_unsavable_session_is_an_error(
    value: Any, error: type[Exception], connected: Client
) -> None:
    @channel_session
    def consumer(message: Any) -> str:
        message.channel_session["value"] = value
        return "result"

    outcome = run_alone(connected, consumer)
    assert type(outcome.error) is error
    assert str(outcome.error).startswith("This channel session cannot be saved. The message")
    assert (outcome.session, outcome.result) == (None, "result")


def test_the_consumers_error_takes_precedence_over_its_sessions(connected: Client) -> None:
    @channel_session
    def consumer(message: Any) -> None:
        message.channel_session["value"] = object()
        raise ConsumeLater

    assert isinstance(run_alone(connected, consumer).error, ConsumeLater)


# Handshakes with a failing consumer


def refuses(client: Client) -> bool:
    """Whether the last reply refuses a handshake that was not answered before."""
    return [reply.get("accept") for reply in client.replies[-1:]] == [False]


@KINDS
@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(3)], ids=repr)
def test_a_connect_consumer_that_raises_refuses_at_once(
    error: BaseException, is_async: bool, connected: Client, run_next: RunNext
) -> None:
    def act(message: Any) -> None:
        Group("chat").add(message.reply_channel)
        message.reply_channel.send({"unknown": "no answer"})
        raise error

    run_next(consumer_that(act, is_async))
    [_, refused] = connected.replies
    assert refused["accept"] is False
    assert refused["why"].startswith("its consumer raised ")
    assert connected.released == [0]


@pytest.mark.parametrize(
    "answer", [{"accept": True}, {"text": "a"}, {"bytes": b"a"}, {"close": True}], ids=repr
)
def test_an_answer_before_the_error_counts(
    answer: dict[str, Any], connected: Client, run_next: RunNext
) -> None:
    def act(message: Any) -> None:
        message.reply_channel.send(answer)
        raise RuntimeError("broken")

    run_next(act)
    assert connected.replies == [answer]


def test_a_failing_receive_consumer_refuses_nothing(connected: Client, run_next: RunNext) -> None:
    run_next(lambda message: message.reply_channel.send({"accept": True}))
    connected.send("hi")
    run_next(lambda message: message.no_such_attribute)
    assert connected.replies == [{"accept": True}]


def test_an_unroutable_connect_is_refused(connected: Client) -> None:
    class Broken:
        """A broken route."""

        def match_values(self, channel: str, values: Any) -> None:
            raise RuntimeError("broken")

        def channel_names(self) -> set[str]:
            return {"websocket.connect"}

    run_and_finish(pull_one(connected.layer), connected.layer, Router([Broken()]))
    assert refuses(connected)


def test_a_connect_with_an_unsavable_session_is_refused(
    connected: Client, run_next: RunNext
) -> None:
    @channel_session
    def consumer(message: Any) -> None:
        message.channel_session["value"] = object()

    run_next(consumer)
    assert refuses(connected)


def test_a_connect_without_an_answer_waits_for_the_time_out(
    connected: Client, run_next: RunNext
) -> None:
    run_next(lambda message: None)
    assert connected.replies == []


def test_a_handshake_postponed_too_often_is_refused(connected: Client, run_next: RunNext) -> None:
    while not connected.released:
        run_next(consumer_that(fail_with(ConsumeLater()), is_async=False))
    assert connected.replies == [{"accept": False}]


def test_a_connect_that_cannot_be_committed_is_refused(
    connected: Client, run_next: RunNext, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, layer = connected.layer.commit, connected.layer

    def refuse_sessions(finished: Finished) -> Committed:
        if finished.session is not None:
            raise RuntimeError("never")
        return commit(finished)

    @channel_session
    def consumer(message: Any) -> None:
        message.channel_session["value"] = 1
        message.reply_channel.send({"accept": True})

    monkeypatch.setattr(layer, "commit", refuse_sessions)
    run_next(consumer)
    assert connected.replies == [{"accept": False}]
