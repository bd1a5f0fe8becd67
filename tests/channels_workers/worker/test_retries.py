"""Messages whose consumers raise transient errors."""

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    transaction,
)
from pytest_django import Settings

from channels_workers.auth import channel_session_user_from_http
from channels_workers.channel import Channel, Group
from channels_workers.exceptions import ConsumeLater
from channels_workers.generic.websockets import WebsocketConsumer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import CONNECT, RECEIVE, Committed, Delivery, Finished
from channels_workers.routing import Router
from channels_workers.sessions import channel_session
from channels_workers.transient import is_put_off, is_retried
from channels_workers.worker import dispatch as dispatching
from channels_workers.worker import retries
from channels_workers.worker.commit import finish, put_back
from channels_workers.worker.dispatch import dispatch
from channels_workers.worker.retries import (
    Failures,
    is_last,
    wait_before_run,
    without_frames,
)
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import Client, pull_one
from tests.channels_workers.conftest import RunNext
from tests.channels_workers.consumers import StartGroup, not_called

# Signals around a consumer close old database connections.
pytestmark = pytest.mark.django_db

AWAY = OperationalError("the database is away")

KINDS = pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])


def delivery(channel: str = RECEIVE, failures: int = 0) -> Delivery:
    return Delivery(channel, "token", "worker", "id", b"", failures=failures)


class Fails:
    """A consumer that sends, joins and writes its session, and fails in its first runs."""

    def __init__(self, times: int, error: BaseException = AWAY) -> None:
        self.times = times
        self.error = error
        self.ids: list[str] = []

    def __call__(self, message: Any) -> None:
        self.ids.append(message.id)
        run = len(self.ids)
        message.channel_session["run"] = run
        Group("chat").add(message.reply_channel)
        message.reply_channel.send({"text": f"run {run}"})
        Channel("background").send({"run": run})
        if run <= self.times:
            raise self.error

    def consumer(self, is_async: bool) -> Callable[..., Any]:
        def consumer(message: Any) -> None:
            self(message)

        async def async_consumer(message: Any) -> None:
            await asyncio.sleep(0)
            self(message)

        return channel_session(async_consumer if is_async else consumer)


# Which errors


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AWAY, True),
        (InterfaceError(), True),
        (ExceptionGroup("", [AWAY, ExceptionGroup("", [InterfaceError()])]), True),
        (ExceptionGroup("", [AWAY, LookupError()]), False),
        (IntegrityError(), False),
        (DataError(), False),
        (ProgrammingError(), False),
        (LookupError(), False),
        (SystemExit(), False),
        (ConsumeLater(), False),
        (None, False),
    ],
    ids=repr,
)
def test_transient_errors(error: BaseException | None, expected: bool) -> None:
    assert is_retried(error) is expected
    assert is_put_off(error) is (expected or isinstance(error, ConsumeLater))


def test_the_exceptions_are_configurable(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"RETRY_ON": ["builtins.ConnectionError"]}
    assert is_retried(ConnectionResetError())
    assert not is_retried(AWAY)
    settings.CHANNEL_WORKERS = {"RETRY_ON": []}
    assert not is_retried(ConnectionResetError())


# How long


def test_pauses_grow(settings: Settings) -> None:
    waits = [wait_before_run(delivery(failures=number), AWAY) for number in range(8)]
    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    settings.CHANNEL_WORKERS = {"RETRY_PAUSE": 0.3, "RETRIES": 10_000}
    assert wait_before_run(delivery(failures=9_999), AWAY) == 0.3


def test_the_number_of_runs_is_bounded() -> None:
    assert not is_last(delivery(failures=29), AWAY)
    assert is_last(delivery(failures=30), AWAY)
    assert wait_before_run(delivery(failures=30), AWAY) == 0.0, "it does not run again"


@pytest.mark.parametrize(("timeout", "runs"), [(4.0, 7), (0.04, 1), (0.1, 2), (30.0, 20)])
def test_a_handshake_is_retried_while_its_client_waits(
    timeout: float, runs: int, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"HANDSHAKE_TIMEOUT": timeout}
    ran = [number for number in range(30) if not is_last(delivery(CONNECT, number), AWAY)]
    assert len(ran) + 1 == runs


def test_failures_and_consume_later_are_counted_separately() -> None:
    assert not is_last(delivery(failures=30), ConsumeLater())
    assert not is_last(delivery()._replace(attempts=10), AWAY)


# Retries


@KINDS
def test_a_failed_message_runs_again_without_effects_of_the_failed_run(
    is_async: bool, connected: Client, run_next: RunNext
) -> None:
    run_next(lambda message: None)
    connected.send("hi")
    fails = Fails(2)
    for _ in range(3):
        assert connected.replies == []
        assert connected.released == [0]
        assert connected.layer.load_session(connected.reply_channel) is None
        assert connected.layer.length("background") == 0
        assert run_next(fails.consumer(is_async)) is Committed.DONE
    assert connected.replies == [{"text": "run 3"}]
    assert connected.released == [0, 1]
    assert connected.layer.length("background") == 1
    assert set(fails.ids) == {f"{connected.reply_channel}:1"}


def test_frames_of_the_connection_wait_for_it(connected: Client, start_group: StartGroup) -> None:
    fails, seen = Fails(3), list[str]()

    @channel_session
    def consumer(message: Any) -> None:
        seen.append(message["text"])
        if message["text"] == "first":
            fails(message)

    start_group({RECEIVE: consumer}, n_threads=2)
    wait_for(lambda: connected.released == [0], "the handshake")
    connected.send("first")
    wait_for(lambda: connected.released == [0, 1], "the fourth run")
    connected.send("second")
    wait_for(lambda: connected.released == [0, 1, 2], "the second frame")
    assert seen == ["first"] * 4 + ["second"]


def test_a_class_based_consumer_is_retried(connected: Client, run_next: RunNext) -> None:
    class Consumer(WebsocketConsumer):
        """A class-based consumer."""

        runs: ClassVar[list[str]] = []

        def connect(self, message: Any, **kwargs: Any) -> None:
            self.runs.append(message.id)
            self.group_send("chat", {"text": "joined"})
            if len(self.runs) < 3:
                raise AWAY
            super().connect(message, **kwargs)

    for _ in range(3):
        assert connected.replies == []
        run_next(Consumer)
    assert connected.replies == [{"accept": True}]


@KINDS
def test_the_disconnect_is_retried_too(
    is_async: bool, connected: Client, run_next: RunNext
) -> None:
    run_next(lambda message: None)
    connected.leave(1001)
    fails = Fails(1)
    run_next(fails.consumer(is_async))
    assert connected.reply_channel in connected.layer.store.records
    run_next(fails.consumer(is_async))
    assert connected.layer.store.records == {}
    assert len(fails.ids) == 2


def test_an_error_in_a_routing_filter_is_retried(
    connected: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(dispatching, "close_unusable_connections", lambda: closed.append(True))

    class Asks:
        """A route that queries the database."""

        def __init__(self) -> None:
            self.asked = 0

        def match_values(self, channel: str, values: Any) -> None:
            self.asked += 1
            if self.asked == 1:
                raise AWAY

        def channel_names(self) -> set[str]:
            return {CONNECT}

    layer, router = connected.layer, Router([Asks()])
    for number in range(2):
        delivery = pull_one(layer)
        assert delivery.failures == number
        outcome = run_once(delivery, layer, router)
        assert outcome is Committed.DONE
    assert connected.replies == [{"accept": True}]
    assert closed == [True], "no signal does it, as no consumer has run"
    assert [vars(record)["event"] for record in caplog.records] == ["not_routed"]
    assert caplog.records[0].levelno == logging.WARNING


def run_once(delivery: Delivery, layer: InMemoryChannelLayer, router: Router) -> Committed:
    """Run a message, and requeue it at once if it failed."""
    outcome = dispatch(delivery, layer, router, not_called)
    if outcome.is_put_off:
        return put_back(delivery, layer, outcome.error)
    return finish(Finished(delivery, outcome.operations, outcome.session), layer)


def test_an_empty_list_disables_retries(
    connected: Client, run_next: RunNext, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_WORKERS = {"RETRY_ON": []}
    run_next(Fails(1).consumer(is_async=False))
    assert connected.replies == [{"text": "run 1"}], "what it sent before goes out"
    assert "failed on websocket.connect" in caplog.text


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
def test_an_error_while_a_decorator_loads_is_retried(
    is_async: bool,
    client_socket: Client,
    run_next: RunNext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loads: list[str] = []

    def fail_once(session: SessionStore) -> None:
        loads.append(str(session.session_key))
        if len(loads) == 1:
            raise AWAY

    def consumer(message: Any) -> None:
        message.reply_channel.send({"text": str(message.user)})

    async def async_consumer(message: Any) -> None:
        consumer(message)

    monkeypatch.setattr(SessionStore, "_get_session_from_db", fail_once)
    client_socket.connect(headers=[[b"cookie", b"sessionid=" + b"a" * 32]], query_string=b"")
    decorated = channel_session_user_from_http(async_consumer if is_async else consumer)
    run_next(decorated)
    assert client_socket.replies == []
    run_next(decorated)
    assert client_socket.replies == [{"text": "AnonymousUser"}]
    assert len(loads) >= 2


def test_an_error_in_a_transaction_rolls_it_back(connected: Client, run_next: RunNext) -> None:
    runs: list[int] = []

    def consumer(message: Any) -> None:
        with transaction.atomic():
            runs.append(User.objects.filter(username="ann").count())
            User.objects.create(username="ann")
            if len(runs) == 1:
                raise AWAY

    for _ in range(2):
        run_next(consumer)
    assert runs == [0, 0]
    assert connected.released == [0]


# At the limit


def run_until_the_end(connected: Client, run_next: RunNext, fails: Fails) -> int:
    before = list(connected.released)
    while connected.released == before:
        run_next(fails.consumer(is_async=False))
    return len(fails.ids)


def test_after_the_last_run_it_is_a_dead_letter_and_the_connection_continues(
    connected: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    run_next(lambda message: None)
    connected.send("hi")
    assert run_until_the_end(connected, run_next, Fails(100)) == 31
    [letter] = connected.layer.admin.dead_letters()
    assert letter.reason == "it failed 31 times, at last with django.db.utils.OperationalError"
    assert letter.message.id == f"{connected.reply_channel}:1"
    connected.send("again")
    run_next(lambda message: message.reply_channel.send({"text": "done"}))
    assert connected.replies == [{"text": "done"}]


def test_a_handshake_that_fails_too_often_is_refused(
    connected: Client, run_next: RunNext, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"HANDSHAKE_TIMEOUT": 4.0}
    assert run_until_the_end(connected, run_next, Fails(100)) == 7
    assert connected.replies == [{"accept": False}]
    assert connected.layer.admin.dead_letters() == []
    assert "The handshake of message" in caplog.text
    assert "is refused: it failed 7 times" in caplog.text


# The log


def test_an_outage_has_one_stack_trace_and_one_end(
    connected: Client, start_group: StartGroup, caplog: pytest.LogCaptureFixture
) -> None:
    failing, ran = set(range(50)), list[int]()

    def consumer(message: Any) -> None:
        if message["n"] in failing:
            failing.discard(message["n"])
            raise AWAY
        ran.append(message["n"])

    with caplog.at_level(logging.INFO):
        start_group({"background": consumer}, n_threads=2)
        for number in range(50):
            Channel("background").send({"n": number})
        wait_for(lambda: "works again" in events(caplog), "the end of the row")
    assert sorted(ran) == list(range(50))
    begun = [one for one in caplog.records if vars(one).get("event") == "failed_for_now"]
    assert len(begun) == 1
    assert begun[0].exc_info is not None
    assert sum(one.exc_info is not None for one in caplog.records) == 1
    assert len(caplog.records) < 10, caplog.text


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(one).get("event", "").replace("_", " ") for one in caplog.records]


def test_dead_letter_log_lines_get_rarer(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures()
    for _ in range(10_000):
        failures.ended(delivery(failures=30), AWAY)
    assert [one.args[3] for one in caplog.records] == [1, 10, 100, 1_000, 10_000]  # type: ignore[index]


def test_another_outage_has_its_own_lines(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "SOON", -1.0)
    failures = Failures()
    failures.failed(delivery(), AWAY)
    failures.failed(delivery(), AWAY)
    failures.succeeded(delivery())
    failures.succeeded(delivery())
    failures.failed(delivery(), AWAY)
    assert events(caplog) == ["failed for now", "works again", "failed for now"]
    monkeypatch.setattr(retries, "AGAIN", -1.0)
    failures.failed(delivery(), AWAY)
    assert events(caplog)[3:] == ["failed for now"], "a lasting failure is logged again"


def test_short_outages_in_a_row_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures()
    for _ in range(1_000):
        failures.failed(delivery(), AWAY)
        failures.succeeded(delivery())
    assert events(caplog) == ["failed for now", "works again"]


def test_a_stored_error_keeps_no_variables_of_the_consumer_alive() -> None:
    class Large:
        """A large object of a consumer."""

    def fail() -> None:
        large = Large()
        seen.append(weakref.ref(large))
        try:
            raise LookupError(str(large))
        except LookupError as error:
            raise OperationalError from error

    seen: list[weakref.ref[Large]] = []
    errors = [_raised(fail), ExceptionGroup("", [_raised(fail)])]
    assert [found() is None for found in seen] == [False, False]
    assert list(map(without_frames, errors)) == errors
    gc.collect()
    assert [found() is None for found in seen] == [True, True]


def _raised(fail: Callable[[], None]) -> Exception:
    try:
        fail()
    except OperationalError as error:
        return error
    raise AssertionError
