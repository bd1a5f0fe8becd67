"""What @once does when all goes well, and when a message runs again."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.db.models.signals import post_save

from channels_workers.channel import Channel, Group
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Committed
from channels_workers.message import Message
from channels_workers.models import CommittedMessage
from channels_workers.once import once, run
from channels_workers.once import transaction as once_transaction
from channels_workers.routing import route
from channels_workers.sessions import channel_session
from channels_workers.test import HttpClient, apply_routes
from channels_workers.worker.event_loop import EventLoop
from chat.models import Room
from tests.channels_workers.clients import Client, pull_one
from tests.channels_workers.conftest import RunNext
from tests.channels_workers.once.conftest import OUT, Trial, rooms, rows, write

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[[list[str]], Any]


def plain(ran: list[str]) -> Any:
    @once
    def consumer(message: Any) -> None:
        ran.append(message.id)
        write(message["text"])
        Channel(OUT, channel_layer=message.channel_layer).send({"text": message["text"]})

    return consumer


def asynchronous(ran: list[str]) -> Any:
    @once
    async def consumer(message: Any) -> None:
        ran.append(message.id)
        await Room.objects.acreate(name="room", label=message["text"])
        await Channel(OUT, channel_layer=message.channel_layer).asend({"text": message["text"]})

    return consumer


find = run.find


def look_too_early(patch: pytest.MonkeyPatch) -> None:
    """Let the next run begin before the row of the other is there."""
    looked: list[Any] = []

    def look(*args: Any) -> bytes | None:
        looked.append(args)
        return find(*args) if len(looked) > 1 else None

    patch.setattr(run, "find", look)


KINDS = pytest.mark.parametrize("make", [plain, asynchronous], ids=["def", "async def"])


@KINDS
def test_rows_and_sends_are_committed(make: Make, trial: Trial) -> None:
    trial.publish(text="one")
    assert trial.finish(make([])) is Committed.DONE
    assert (rooms(), trial.out, rows()) == (["one"], [{"text": "one"}], 1)


@KINDS
def test_a_worker_dies_between_the_commits(
    make: Make, trial: Trial, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    consumer = make(ran)
    trial.publish(text="one")
    delivery = trial.pull()
    trial.run(delivery, consumer)  # and its worker dies before the commit of the layer
    assert (rooms(), trial.out) == (["one"], [])
    again = trial.again(delivery)
    assert trial.commit(again, trial.run(again, consumer)) is Committed.DONE
    assert (rooms(), trial.out, rows(), len(ran)) == (["one"], [{"text": "one"}], 1, 1)
    assert [one.__dict__["event"] for one in caplog.records] == ["ran_before"]


@KINDS
def test_a_frozen_worker_wakes_up_after_another_has_run_the_message(
    make: Make, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    consumer = make(ran)
    trial.publish(text="one")
    frozen = trial.pull()
    again = trial.again(frozen)
    assert trial.commit(again, trial.run(again, consumer)) is Committed.DONE
    Room.objects.update(label="of the other")  # its own must not clash
    with monkeypatch.context() as patch:
        look_too_early(patch)
        assert trial.commit(frozen, trial.run(frozen, consumer)) is Committed.STALE
    assert (rooms(), trial.out, rows(), len(ran)) == (["of the other"], [{"text": "one"}], 1, 2)


def test_a_late_run_that_fails_changes_nothing(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Redis was emptied, the delivery of the late run may be the living one."""
    trial.publish(text="one")
    delivery = trial.pull()
    trial.run(delivery, plain([]))

    @once
    def failing(message: Any) -> None:
        write("two")
        Channel(OUT, channel_layer=trial.layer).send({"text": "not this"})
        raise ValueError

    look_too_early(monkeypatch)
    again = trial.again(delivery)
    assert trial.commit(again, trial.run(again, failing)) is Committed.DONE
    assert (rooms(), trial.out, rows()) == (["one"], [{"text": "one"}], 1)


def test_a_lost_reply_of_the_commit(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database has committed, and the connection breaks before it says so."""
    ran: list[str] = []
    consumer = plain(ran)
    trial.publish(text="one")
    delivery = trial.pull()
    real = connection.commit

    def commit_and_break() -> None:
        real()
        monkeypatch.undo()
        raise connection.Database.OperationalError("connection lost")

    monkeypatch.setattr(connection, "commit", connection.wrap_database_errors(commit_and_break))
    outcome = trial.run(delivery, consumer)
    assert outcome.is_put_off
    again = trial.again(delivery)
    assert trial.commit(again, trial.run(again, consumer)) is Committed.DONE
    assert (rooms(), trial.out, rows(), len(ran)) == (["one"], [{"text": "one"}], 1, 1)


def test_the_session_is_stored(connected: Client, run_next: RunNext) -> None:
    ran: list[str] = []

    @once
    @channel_session
    def consumer(message: Any) -> None:
        ran.append(message.id)
        message.channel_session["seen"] = [1]

    layer = connected.layer
    delivery = pull_one(layer)
    trial = _of(layer)
    trial.run(delivery, consumer)
    layer.requeue(delivery, counted=False)
    run_next(consumer)
    connected.send("next")
    seen: list[Any] = []
    run_next(channel_session(lambda message: seen.append(dict(message.channel_session.items()))))
    assert (seen, len(ran)) == ([{"seen": [1]}], 1)


def _of(layer: InMemoryChannelLayer) -> Trial:
    return Trial(layer, EventLoop())


def test_joins_are_carried_out_again(connected: Client, run_next: RunNext) -> None:
    """The Redis that was emptied may have lost them."""

    @once
    def consumer(message: Any) -> None:
        Group("chat", channel_layer=message.channel_layer).add(message.reply_channel)
        Group("chat", channel_layer=message.channel_layer).send({"text": "hello"})

    layer = connected.layer
    delivery = pull_one(layer)
    trial = _of(layer)
    trial.run(delivery, consumer)
    layer.change_groups(delivery, [layer.make_leave("chat", connected.reply_channel)])
    layer.requeue(delivery, counted=False)
    assert run_next(consumer) is Committed.DONE
    assert connected.replies == [{"text": "hello"}]


def test_ids_of_what_it_sent_stay_the_same(trial: Trial) -> None:
    consumer = plain([])
    trial.publish(text="one")
    delivery = trial.pull()
    trial.run(delivery, consumer)
    again = trial.again(delivery)
    trial.commit(again, trial.run(again, consumer))
    assert trial.pull(OUT).id == f"{delivery.id}.1"


def test_delayed_sends_are_stored(trial: Trial) -> None:
    @once
    def consumer(message: Any) -> None:
        ids.append(Channel(OUT, channel_layer=trial.layer).send({"text": "later"}, delay=0))

    ids: list[str | None] = []
    trial.publish(text="one")
    delivery = trial.pull()
    trial.run(delivery, consumer)
    again = trial.again(delivery)
    trial.commit(again, trial.run(again, consumer))
    trial.layer.admin.send_due()
    assert [trial.pull(OUT).id] == ids


def test_callbacks_of_on_commit_run_once(
    trial: Trial, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once_transaction, "_late", set())
    calls: list[str] = []

    @once
    def consumer(message: Any) -> None:
        out = Channel(OUT, channel_layer=trial.layer)
        transaction.on_commit(partial(calls.append, message["text"]))
        transaction.on_commit(lambda: out.send({"text": "late"}))
        transaction.on_commit(lambda: out.send({"text": "at once"}, immediately=True))

    trial.publish(text="one")
    delivery = trial.pull()
    outcome = trial.run(delivery, consumer)
    assert trial.out == [{"text": "at once"}]
    assert [one.__dict__["event"] for one in caplog.records] == ["sent_late"]
    again = trial.again(delivery)
    trial.run(again, consumer)
    assert calls == ["one"]
    trial.commit(again, outcome)
    assert trial.out == [{"text": "late"}]


def test_an_error_of_a_callback_undoes_nothing(
    trial: Trial, caplog: pytest.LogCaptureFixture
) -> None:
    @once
    def consumer(message: Any) -> None:
        write("one")
        Channel(OUT, channel_layer=trial.layer).send({"text": "one"})
        transaction.on_commit(lambda: 1 / 0)

    trial.publish(text="one")
    assert trial.finish(consumer) is Committed.DONE
    assert (rooms(), trial.out, rows()) == (["one"], [{"text": "one"}], 1)
    assert [one.__dict__["event"] for one in caplog.records] == ["consumer_failed"]


def test_several_calls_in_one_run_have_rows_of_their_own(trial: Trial) -> None:
    ran: list[str] = []

    @once
    def one(label: str) -> str:
        ran.append(label)
        write(label)
        return label

    def consumer(message: Any) -> None:
        one("first")
        if len(ran) == 1:
            raise SystemExit
        one("second")

    trial.publish()
    delivery = trial.pull()
    trial.run(delivery, consumer)
    again = trial.again(delivery)
    trial.commit(again, trial.run(again, consumer))
    assert (rooms(), ran, rows()) == (["first"], ["first"], 1)


def test_a_call_inside_another_is_a_part_of_it(trial: Trial) -> None:
    @once
    def inner() -> str:
        write("inner")
        return "result"

    @once
    def outer(message: Any) -> None:
        assert inner() == "result"
        write("outer")

    trial.publish()
    trial.finish(outer)
    assert (rooms(), rows()) == (["inner", "outer"], 1)


def test_the_row_is_no_message_for_receivers_of_signals(trial: Trial) -> None:
    """Data bindings and audits would see each message otherwise."""
    saved: list[Any] = []

    def hear(sender: Any, **kwargs: Any) -> None:
        saved.append(sender)

    post_save.connect(hear)
    try:
        trial.publish(text="one")
        trial.finish(plain([]))
    finally:
        post_save.disconnect(hear)
    assert saved == [Room]


def test_queries(trial: Trial, django_assert_num_queries: Any) -> None:
    trial.publish(text="one")
    delivery, consumer = trial.pull(), plain([])
    with django_assert_num_queries(5):  # SELECT, BEGIN, the consumer's, INSERT, COMMIT
        trial.run(delivery, consumer)


# Outside of workers


@KINDS
def test_a_direct_call_runs_in_a_transaction(make: Make, memory_layer: Any) -> None:
    consumer = make([])
    message = Message({"text": "one"}, "work", memory_layer)
    async_to_sync(consumer)(message) if make is asynchronous else consumer(message)
    assert (rooms(), rows()) == (["one"], 0)


def test_a_test_client_runs_it(memory_layer: Any) -> None:
    ran: list[str] = []
    for make in (plain, asynchronous):
        with apply_routes([route("work", make(ran))]):
            client = HttpClient()
            client.send_and_consume("work", {"text": make.__name__})
            message = client.get_next_message(OUT)
            assert message is not None
            assert message["text"] == make.__name__
    assert (rooms(), CommittedMessage.objects.count()) == (["plain", "asynchronous"], 2)


@pytest.mark.django_db
@KINDS
def test_a_test_case_runs_it_in_its_transaction(make: Make, memory_layer: Any) -> None:
    with apply_routes([route("work", make([]))]):
        client = HttpClient()
        client.send_and_consume("work", {"text": "one"})
        assert client.get_next_message(OUT) is not None
    assert (rooms(), rows(), connection.in_atomic_block) == (["one"], 1, True)
