"""What becomes of rows and sends if a consumer with @once raises, and what it may not do."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from pytest_django import Settings

from channels_workers.channel import Channel, Group
from channels_workers.exceptions import (
    AcceptConnection,
    ChannelSocketException,
    ConsumeLater,
    DenyConnection,
    LayerUnavailable,
    OnceRefused,
    WebsocketCloseException,
)
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import REQUEST, Committed, Finished
from channels_workers.once import once, rows, run
from channels_workers.once.decorator import with_once
from channels_workers.sessions import channel_session, enforce_ordering, http_session
from channels_workers.worker.event_loop import EventLoop
from tests.channels_workers.clients import Client, pull_one
from tests.channels_workers.once import conftest
from tests.channels_workers.once.conftest import OUT, Trial, rooms, write

pytestmark = pytest.mark.django_db(transaction=True)


def raising(error: BaseException, is_async: bool = False) -> Any:
    def consumer(message: Any) -> None:
        write("one")
        Channel(OUT, channel_layer=message.channel_layer).send({"text": "before"})
        raise error

    async def async_consumer(message: Any) -> None:
        await sync_to_async(consumer)(message)

    return once(async_consumer if is_async else consumer)


#: Accepts a socket.
ACCEPT = {"accept": True}

KINDS = pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])


@KINDS
@pytest.mark.parametrize("error", [ValueError("wrong"), IntegrityError(), SystemExit(1)], ids=repr)
def test_a_failure_rolls_back_and_sends_what_was_sent_before(
    error: BaseException, is_async: bool, trial: Trial
) -> None:
    trial.publish()
    delivery = trial.pull()
    outcome = trial.run(delivery, raising(error, is_async))
    assert outcome.error is not None
    assert trial.commit(delivery, outcome) is Committed.DONE
    assert (rooms(), trial.out, conftest.rows()) == ([], [{"text": "before"}], 1)


def test_a_failure_is_final(trial: Trial) -> None:
    """A run that was frozen meanwhile must not commit rows whose sends never go out."""
    trial.publish()
    delivery = trial.pull()
    trial.run(delivery, raising(ValueError()))
    again = trial.again(delivery)

    @once
    def fine(message: Any) -> None:
        write("late")

    assert trial.commit(again, trial.run(again, fine)) is Committed.DONE
    assert (rooms(), trial.out) == ([], [{"text": "before"}])


@KINDS
@pytest.mark.parametrize(
    "error", [ConsumeLater(), OperationalError("deadlock"), InterfaceError()], ids=repr
)
def test_a_run_that_is_put_off_leaves_nothing(
    error: BaseException, is_async: bool, trial: Trial
) -> None:
    trial.publish()
    delivery = trial.pull()
    outcome = trial.run(delivery, raising(error, is_async))
    assert outcome.is_put_off
    assert (rooms(), conftest.rows()) == ([], 0)

    @once
    def fine(message: Any) -> None:
        write("two")

    again = trial.again(delivery)
    assert trial.commit(again, trial.run(again, fine)) is Committed.DONE
    assert (rooms(), trial.out) == (["two"], [])


def test_a_cancelled_run_leaves_nothing(trial: Trial) -> None:
    trial.publish()
    trial.run(trial.pull(), raising(asyncio.CancelledError(), is_async=True))
    assert (rooms(), conftest.rows()) == ([], 0)


def test_a_broken_transaction_is_a_failure(trial: Trial) -> None:
    @once
    def consumer(message: Any) -> None:
        write("one")
        transaction.set_rollback(True)

    trial.publish()
    delivery = trial.pull()
    outcome = trial.run(delivery, consumer)
    assert isinstance(outcome.error, transaction.TransactionManagementError)
    assert rooms() == []


def test_a_block_left_open_rolls_back(trial: Trial) -> None:
    @once
    def consumer(message: Any) -> None:
        write("one")
        transaction.atomic().__enter__()
        write("two")

    trial.publish()
    delivery = trial.pull()
    outcome = trial.run(delivery, consumer)
    assert isinstance(outcome.error, OnceRefused)
    assert "left a transaction open" in str(outcome.error)
    assert (rooms(), connection.in_atomic_block, conftest.rows()) == ([], False, 1)


# Answers to a handshake


def run_twice(client: Client, consumer: Callable[..., Any]) -> None:
    """Run the waiting message; its worker dies before the commit, and another one has it."""
    layer = client.layer
    loop = EventLoop()
    trial = Trial(layer, loop)
    delivery = pull_one(layer)
    trial.run(delivery, consumer)
    layer.requeue(delivery, counted=False)
    again = pull_one(layer)
    outcome = trial.run(again, consumer)
    layer.commit(Finished(again, outcome.operations, outcome.session))
    loop.stop()


@pytest.mark.parametrize(
    ("error", "replies"),
    [
        (AcceptConnection(), [{"accept": True}]),
        (DenyConnection(), [{"close": True}]),
        (WebsocketCloseException(4000), [{"close": 4000}]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("dies", [False, True])
@KINDS
def test_answers_commit(
    error: BaseException, replies: Any, dies: bool, is_async: bool, connected: Client
) -> None:
    consumer = raising(error, is_async)
    if dies:
        run_twice(connected, consumer)
    else:
        loop = EventLoop()
        delivery = pull_one(connected.layer)
        outcome = Trial(connected.layer, loop).run(delivery, consumer)
        connected.layer.commit(Finished(delivery, outcome.operations, outcome.session))
        loop.stop()
    assert (connected.replies, rooms(), conftest.rows()) == (replies, ["one"], 1)


@pytest.mark.parametrize("dies", [False, True])
def test_a_handshake_whose_consumer_fails_is_refused(dies: bool, connected: Client) -> None:
    consumer = raising(ValueError())
    if dies:
        run_twice(connected, consumer)
    else:
        delivery = pull_one(connected.layer)
        outcome = Trial(connected.layer, EventLoop()).run(delivery, consumer)
        connected.layer.commit(Finished(delivery, outcome.operations, outcome.session))
    refused: dict[str, Any] = {"accept": False}
    if not dies:
        refused["why"] = "its consumer raised ValueError"
    assert (connected.replies, rooms()) == ([refused], [])


@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("is_caught", [False, True])
def test_a_socket_is_closed_on_an_error_also_if_its_worker_dies(
    dies: bool, is_caught: bool, connected: Client, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"CLOSE_ON_ERROR": True}

    @once
    def failing(message: Any) -> None:
        message.reply_channel.send({"text": "before"})
        raise ValueError("broken")

    def catching(message: Any) -> None:
        with suppress(ValueError):
            failing(message)

    layer, trial = connected.layer, Trial(connected.layer, EventLoop())
    layer.commit(Finished(pull_one(layer), [layer.make_send(connected.reply_channel, ACCEPT)]))
    connected.send("hi")
    delivery, consumer = pull_one(layer), catching if is_caught else failing
    if dies:
        trial.run(delivery, consumer)
    outcome = trial.run(delivery, consumer)
    layer.commit(Finished(delivery, outcome.operations, outcome.session))
    assert connected.replies[1:] == [{"text": "before"}] + [{"close": 4011}] * (not is_caught)


def test_a_denial_elsewhere_is_a_failure(trial: Trial) -> None:
    trial.publish()
    trial.finish(raising(DenyConnection()))
    assert (rooms(), trial.out) == ([], [{"text": "before"}])


def test_a_session_that_cannot_be_saved(connected: Client) -> None:
    @once
    @channel_session
    def consumer(message: Any) -> None:
        write("one")
        message.channel_session["bad"] = object()

    delivery = pull_one(connected.layer)
    outcome = Trial(connected.layer, EventLoop()).run(delivery, consumer)
    assert "cannot be saved" in str(outcome.error)
    connected.layer.commit(Finished(delivery, outcome.operations, outcome.session))
    refused = {"accept": False, "why": "its consumer raised MessageError"}
    assert (connected.replies, rooms(), outcome.session) == ([refused], [], None)


# What cannot take part


def refused(trial: Trial, act: Callable[[Any], Any], is_async: bool = False) -> str:
    """Why *act*, the body of a consumer, is refused."""

    def consumer(message: Any) -> None:
        write("one")
        act(message)

    trial.publish(reply_channel="0123456789abcdef!0123456789abcdef")
    delivery = trial.pull()
    outcome = trial.run(delivery, once(act) if is_async else once(consumer))
    assert isinstance(outcome.error, OnceRefused)
    assert rooms() == []
    trial.commit(delivery, outcome)
    return str(outcome.error)


def test_immediate_sends_are_refused(trial: Trial) -> None:
    async def act(message: Any) -> None:
        await Channel(OUT, channel_layer=trial.layer).asend({}, immediately=True)

    channel, group = (kind("out", channel_layer=trial.layer) for kind in (Channel, Group))
    for send in (channel.send, group.send):
        assert "without immediately=True" in refused(
            trial, lambda message, send=send: send({}, immediately=True)
        )
    assert "without immediately=True" in refused(trial, act, is_async=True)
    assert trial.out == []


def test_sends_to_another_layer_are_refused(trial: Trial) -> None:
    other = InMemoryChannelLayer()
    text = refused(trial, lambda message: Channel(OUT, channel_layer=other).send({}))
    assert "on the layer of its message" in text
    assert other.length(OUT) == 0


def test_a_second_database_is_refused(trial: Trial) -> None:
    inner = once(using="other")(lambda message: None)
    assert "no transaction spans two databases" in refused(trial, inner)


def test_requests_are_refused(trial: Trial) -> None:
    trial.layer.apply([trial.layer.make_send(REQUEST, {"path": "/"})])
    delivery = trial.pull(REQUEST)
    outcome = trial.run(delivery, raising(ValueError()))
    assert "Use transaction.atomic()" in str(outcome.error)
    assert (rooms(), conftest.rows()) == ([], 0)


def test_a_coroutine_of_a_def_is_refused(trial: Trial) -> None:
    async def act() -> None:
        write("never")

    trial.publish()
    outcome = trial.run(trial.pull(), once(lambda message: act()))
    assert "Write it as `async def`" in str(outcome.error)


@pytest.mark.parametrize("above", [channel_session, http_session, enforce_ordering])
def test_a_decorator_above_is_refused(above: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"Write @once above @\w+, which must run"):
        above(once(lambda message: None))


@pytest.mark.parametrize("wrong", ["other", dict], ids=["alias", "class"])
def test_what_is_no_function_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r'@once\(using="alias"\)'):
        once(wrong)


@pytest.mark.parametrize("kind", ["channel_session", "http_session"])
def test_a_session_that_is_saved_later_is_refused(
    kind: str, trial: Trial, settings: Settings
) -> None:
    settings.CHANNEL_SESSION_ENGINE = "django.contrib.sessions.backends.db"

    def change(message: Any) -> None:
        write("one")
        getattr(message, kind)["seen"] = True

    def method(message: Any) -> None:  # as a class calls its decorated method
        setattr(message, kind, SessionStore("x" * 32))
        with_once(change, "default", "change")(message)

    trial.publish()
    outcome = trial.run(trial.pull(), method)
    assert "Write @once above all decorators" in str(outcome.error)
    assert rooms() == []


# A long run


def test_a_long_run_asks_the_layer(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "FENCE_AFTER", 0.0)
    fine = once(lambda message: write(message["text"]))
    trial.publish(text="one")
    delivery = trial.pull()
    again = trial.again(delivery)
    outcome = trial.run(delivery, fine)  # it woke up, and the other has not finished yet
    assert isinstance(outcome.error, ConsumeLater)
    assert (rooms(), conftest.rows()) == ([], 0)
    assert trial.layer.requeue(delivery, counted=True) is Committed.STALE
    assert trial.commit(again, trial.run(again, fine)) is Committed.DONE
    assert rooms() == ["one"]


# The table is missing


def test_without_the_table_the_message_waits(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = rows.model()
    with connection.schema_editor() as editor:
        editor.delete_model(model)
    try:
        trial.publish()
        delivery = trial.pull()
        for _ in range(2):
            outcome = trial.run(delivery, once(lambda message: write("one")))
            assert outcome.is_put_off
            assert "Run `manage.py migrate`" in str(outcome.error)
        assert [one.__dict__["event"] for one in caplog.records] == ["table_missing"]
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(model)
    again = trial.again(delivery)
    assert trial.commit(again, trial.run(again, once(lambda message: write("one")))) is (
        Committed.DONE
    )
    assert rooms() == ["one"]


def test_a_row_of_another_release_is_not_guessed(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels_workers.effects.FORMAT", 2)
    trial.publish()
    delivery = trial.pull()
    trial.run(delivery, once(lambda message: write("one")))
    monkeypatch.undo()
    again = trial.again(delivery)
    outcome = trial.run(again, once(lambda message: write("two")))
    assert outcome.is_put_off
    assert rooms() == ["one"]


# Troubles in troubles


def test_the_database_goes_away_as_a_failure_is_stored(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> None:
        raise OperationalError("away")

    trial.publish()
    delivery = trial.pull()
    with monkeypatch.context() as patch:
        patch.setattr(run, "store", away)
        outcome = trial.run(delivery, raising(ValueError("wrong")))
    assert outcome.is_put_off
    assert isinstance(outcome.error, OperationalError)
    assert (rooms(), conftest.rows()) == ([], 0)


def test_the_layer_is_away_as_a_long_run_asks_it(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> Committed:
        raise LayerUnavailable("away")

    monkeypatch.setattr(run, "FENCE_AFTER", 0.0)
    monkeypatch.setattr(trial.layer, "change_groups", away)
    trial.publish()
    assert isinstance(
        trial.run(trial.pull(), once(lambda message: write("one"))).error, ConsumeLater
    )
    assert rooms() == []


@pytest.mark.parametrize(("error", "left"), [(ValueError(), 1), (ConsumeLater(), 0)], ids=repr)
def test_an_action_on_the_socket_fails(error: Exception, left: int, trial: Trial) -> None:
    class Failing(ChannelSocketException):
        def run(self, message: Any) -> None:
            raise error

    trial.publish()
    outcome = trial.run(trial.pull(), raising(Failing()))
    assert outcome.error is error
    assert (rooms(), conftest.rows()) == ([], left)


def test_a_failure_with_a_session_that_cannot_be_saved(connected: Client) -> None:
    @once
    @channel_session
    def consumer(message: Any) -> None:
        message.channel_session["bad"] = object()
        raise ZeroDivisionError

    outcome = Trial(connected.layer, EventLoop()).run(pull_one(connected.layer), consumer)
    assert isinstance(outcome.error, ZeroDivisionError)
    assert (outcome.session, conftest.rows()) == (None, 1)


def test_a_failure_outside_of_a_worker_rolls_back() -> None:
    @once
    def consumer(message: Any) -> None:
        write("one")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consumer(None)
    assert rooms() == []


def test_the_app_is_not_installed(trial: Trial, settings: Settings) -> None:
    settings.INSTALLED_APPS = [
        each for each in settings.INSTALLED_APPS if each != "channels_workers"
    ]
    trial.publish()
    outcome = trial.run(trial.pull(), once(lambda message: None))
    assert "Add it to INSTALLED_APPS" in str(outcome.error)


@pytest.mark.parametrize("first", [0, 1])
def test_two_calls_side_by_side_are_refused(trial: Trial, first: int) -> None:
    """The second one would be part of the first, or its key that of the first in another run."""

    @once
    async def inner(label: str) -> None:
        for _ in range(first):
            await asyncio.sleep(0)
        await sync_to_async(write)(label)

    async def consumer(message: Any) -> list[Any]:
        return await asyncio.gather(inner("a"), inner("b"), return_exceptions=True)

    trial.publish()
    outcome = trial.run(trial.pull(), consumer)
    assert [type(each) for each in outcome.result] == [type(None), OnceRefused]
    assert rooms() == ["a"]


def test_calls_one_after_the_other_and_in_callbacks_are_not(trial: Trial) -> None:
    @once
    async def inner(label: str) -> None:
        await sync_to_async(write)(label)
        await sync_to_async(transaction.on_commit)(lambda: once(write)(f"after {label}"))
        await nested(f"in {label}")

    @once
    async def nested(label: str) -> None:
        await sync_to_async(write)(label)

    async def consumer(message: Any) -> None:
        await inner("a")
        await asyncio.gather(inner("b"))

    trial.publish()
    assert trial.run(trial.pull(), consumer).error is None
    assert rooms() == ["a", "in a", "after a", "b", "in b", "after b"]
    assert conftest.rows() == 4
