"""@once on a real PostgreSQL: two runs at once, deadlocks, lost connections."""

import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from pytest_django import DjangoDbBlocker

from channels_workers.channel import Channel
from channels_workers.layers.types import Committed, Delivery
from channels_workers.models import CommittedMessage
from channels_workers.once import once
from channels_workers.once import postgres as direct
from channels_workers.worker.dispatch import Outcome
from chat.models import Room
from labs.harness.postgres import Postgres
from labs.harness.waiting import wait_for
from tests.channels_workers.consumers import TIMEOUT
from tests.channels_workers.once.conftest import OUT, Trial
from tests.channels_workers.postgres import DB, database, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_server() as made:
        yield made


@pytest.fixture
def postgres(server: Postgres, django_db_blocker: DjangoDbBlocker) -> Iterator[Postgres]:
    with django_db_blocker.unblock(), database(server, CommittedMessage, Room):
        yield server


def rooms() -> list[str]:
    return list(Room.objects.using(DB).order_by("pk").values_list("label", flat=True))


def write(label: str) -> None:
    Room.objects.using(DB).create(name=label, label=label)


class InThread:
    """A run in a thread of its own, which has a connection of its own."""

    def __init__(self, trial: Trial, delivery: Delivery, consumer: Any) -> None:
        self._outcome: Outcome | None = None

        def run() -> None:
            try:
                self._outcome = trial.run(delivery, consumer)
            finally:
                connections.close_all()

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def outcome(self) -> Outcome:
        self.thread.join(TIMEOUT)
        assert self._outcome is not None
        return self._outcome


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
def test_a_frozen_worker_rolls_back(is_async: bool, postgres: Postgres, trial: Trial) -> None:
    begun, thawed, ran = threading.Event(), threading.Event(), []

    def body(message: Any) -> None:
        ran.append(message.id)
        write(f"run-{len(ran)}")
        Channel(OUT, channel_layer=trial.layer).send({"run": len(ran)})
        if len(ran) == 1:
            begun.set()
            assert thawed.wait(TIMEOUT)

    async def async_body(message: Any) -> None:
        await sync_to_async(body)(message)

    consumer = once(using=DB)(async_body if is_async else body)
    trial.publish()
    delivery = trial.pull()
    frozen = InThread(trial, delivery, consumer)
    assert begun.wait(TIMEOUT)
    again = trial.again(delivery)
    other = InThread(trial, again, consumer)
    assert trial.commit(again, other.outcome()) is Committed.DONE
    thawed.set()
    assert trial.commit(delivery, frozen.outcome()) is Committed.STALE
    assert (rooms(), trial.out, len(ran)) == (["run-2"], [{"run": 2}], 2)


def test_async_runs_side_by_side_have_transactions_of_their_own(
    postgres: Postgres, trial: Trial
) -> None:
    both = threading.Barrier(2, timeout=TIMEOUT)

    @once(using=DB)
    async def consumer(message: Any) -> None:
        await Room.objects.using(DB).acreate(name="room", label=message["text"])
        await sync_to_async(both.wait)()
        if message["text"] == "fails":
            raise ValueError

    for text in ("fails", "one"):
        trial.publish(text=text)
    runs = [InThread(trial, trial.pull(), consumer) for _ in range(2)]
    errors = [type(each.outcome().error).__name__ for each in runs]
    assert errors == ["ValueError", "NoneType"]
    assert rooms() == ["one"]


def test_an_async_run_begins_with_no_old_connection(postgres: Postgres, trial: Trial) -> None:
    used: list[Any] = []

    @once(using=DB)
    async def consumer(message: Any) -> None:
        used.append(await sync_to_async(lambda: connections[DB])())
        pids.append(used[0].connection.info.backend_pid)
        used[0].close_at = math.inf  # as with CONN_MAX_AGE

    pids: list[int] = []
    for _ in range(3):
        trial.publish()
        trial.finish(consumer)
        if len(pids) == 2:
            used[0].close_at = 0.0  # as after a long time without messages
    assert pids[0] == pids[1] != pids[2]


def test_a_deadlock_is_put_off(postgres: Postgres, trial: Trial) -> None:
    write("a")
    write("b")
    both = threading.Barrier(2, timeout=TIMEOUT)

    @once(using=DB)
    def consumer(message: Any) -> None:
        for number, label in enumerate(message["labels"]):
            Room.objects.using(DB).filter(label=label).update(name=message["labels"])
            Channel(OUT, channel_layer=trial.layer).send({})
            if number == 0 and both.n_waiting < 2 and not both.broken and message["first"]:
                both.wait()

    deliveries = []
    for labels in ("ab", "ba"):
        trial.publish(labels=labels, first=True)
        deliveries.append(trial.pull())
    runs = [InThread(trial, each, consumer) for each in deliveries]
    outcomes = [each.outcome() for each in runs]
    put_off = [each.is_put_off for each in outcomes]
    assert sorted(put_off) == [False, True]
    victim = deliveries[put_off.index(True)]
    winner = put_off.index(False)
    assert trial.commit(deliveries[winner], outcomes[winner]) is Committed.DONE
    both.abort()
    again = trial.again(victim)
    assert trial.commit(again, trial.run(again, consumer)) is Committed.DONE
    assert CommittedMessage.objects.using(DB).count() == 2
    assert len(trial.out) == 4


def test_a_serialization_failure_is_put_off(postgres: Postgres, trial: Trial) -> None:
    write("a")

    @once(using=DB)
    def consumer(message: Any) -> None:
        with connections[DB].cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        assert rooms() == ["a"]
        with postgres.owner() as owner:
            owner.execute("UPDATE chat_room SET name = name || 'x'")
        Room.objects.using(DB).update(name="mine")

    trial.publish()
    assert trial.run(trial.pull(), consumer).is_put_off
    assert CommittedMessage.objects.using(DB).count() == 0


def hook(execute: Any, *arguments: Any) -> Any:
    """A hook of Django around statements, which changes nothing."""
    return execute(*arguments)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that go to libpq without Django."""
    found: list[str] = []
    execute = direct._execute

    def note(connection: Any, sql: str) -> Any:
        found.append(sql)
        return execute(connection, sql)

    monkeypatch.setattr(direct, "_execute", note)
    return found


def test_the_row_and_the_commit_share_a_round_trip(
    postgres: Postgres, trial: Trial, sent: list[str]
) -> None:
    @once(using=DB)
    def consumer(message: Any) -> None:
        write("one")

    trial.publish()
    trial.finish(consumer)
    find, store = sent
    assert find.startswith("SELECT ")
    assert store.startswith("INSERT INTO ")
    assert store.endswith("; COMMIT")
    assert rooms() == ["one"]


def test_a_consumer_that_writes_nothing_has_nothing_to_commit(
    postgres: Postgres, trial: Trial, sent: list[str]
) -> None:
    @once(using=DB)
    def consumer(message: Any) -> None:
        Channel(OUT, channel_layer=trial.layer).send({"text": "one"})

    trial.publish()
    delivery = trial.pull()
    trial.run(delivery, consumer)
    assert not sent[-1].endswith("; COMMIT")  # of which PostgreSQL would warn
    again = trial.again(delivery)
    assert trial.commit(again, trial.run(again, consumer)) is Committed.DONE
    assert (trial.out, CommittedMessage.objects.using(DB).count()) == ([{"text": "one"}], 1)


def test_hooks_of_django_see_each_statement(
    postgres: Postgres, trial: Trial, sent: list[str]
) -> None:
    seen: list[str] = []

    def see(execute: Any, sql: str, *arguments: Any) -> Any:
        seen.append(sql.split(maxsplit=1)[0])
        return execute(sql, *arguments)

    @once(using=DB)
    def consumer(message: Any) -> None:
        write("one")

    trial.publish()
    with connections[DB].execute_wrapper(see):
        trial.finish(consumer)
    assert (seen, sent) == (["SELECT", "INSERT", "INSERT"], [])
    assert CommittedMessage.objects.using(DB).count() == 1


@pytest.mark.parametrize("part", [None, "OF_DJANGO", "OF_DRIVER", "OF_PQ", "OF_LIBPQ"])
def test_releases_without_a_part_have_the_ordinary_way(
    part: str | None,
    postgres: Postgres,
    trial: Trial,
    sent: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @once(using=DB)
    def consumer(message: Any) -> None:
        write("one")

    monkeypatch.setattr(direct, "_has_parts", {})
    if part is not None:
        monkeypatch.setattr(direct, part, (*getattr(direct, part), "of_another_release"))
    assert direct.has_parts(connections[DB]) is (part is None)
    trial.publish()
    trial.finish(consumer)
    assert bool(sent) is (part is None)
    assert (rooms(), CommittedMessage.objects.using(DB).count()) == (["one"], 1)


def test_a_transaction_that_is_marked_is_not_committed(
    postgres: Postgres, trial: Trial, sent: list[str]
) -> None:
    @once(using=DB)
    def consumer(message: Any) -> None:
        write("one")
        transaction.set_rollback(True, using=DB)

    trial.publish()
    delivery = trial.pull()
    assert trial.run(delivery, consumer).error is not None
    assert (rooms(), len(sent)) == ([], 1)


def test_only_the_outermost_transaction_commits(postgres: Postgres) -> None:
    connection = connections[DB]
    connection.ensure_connection()
    assert direct.commits(connection)
    with transaction.atomic(using=DB):
        assert not direct.commits(connection)
    connection.set_autocommit(False)
    assert not direct.commits(connection)
    connection.set_autocommit(True)


def test_effects_of_any_bytes_are_stored(postgres: Postgres, trial: Trial) -> None:
    text = "'\\ %s \0" + "".join(map(chr, range(1, 300)))

    @once(using=DB)
    def consumer(message: Any) -> None:
        write("one")
        Channel(OUT, channel_layer=trial.layer).send({"text": text})

    trial.publish()
    delivery = trial.pull()
    trial.run(delivery, consumer)
    again = trial.again(delivery)
    assert trial.commit(again, trial.run(again, consumer)) is Committed.DONE
    assert trial.out == [{"text": text}]


def cut(postgres: Postgres) -> None:
    """End all connections but the own one, as a server that restarts."""
    with postgres.owner() as owner:
        owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


@pytest.mark.parametrize("when", ["before the insert", "before the commit", "after the commit"])
def test_the_server_cuts_the_connection(
    when: str, postgres: Postgres, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    database = connections[DB]

    def commit_in_trouble() -> None:
        monkeypatch.undo()
        if when == "after the commit":
            database.commit()
        cut(postgres)
        with database.cursor() as cursor:
            cursor.execute("SELECT 1")

    @once(using=DB)
    def consumer(message: Any) -> None:
        ran.append(message.id)
        write("one")
        Channel(OUT, channel_layer=trial.layer).send({"text": "one"})
        if len(ran) > 1:
            return
        if when == "before the insert":
            cut(postgres)
        else:
            monkeypatch.setattr(database, "commit", commit_in_trouble)
            if when == "before the commit":  # which then does not go with the row
                monkeypatch.setattr(database, "execute_wrappers", [hook])

    trial.publish()
    delivery = trial.pull()
    assert trial.run(delivery, consumer).is_put_off
    again = trial.again(delivery)
    assert trial.commit(again, trial.run(again, consumer)) is Committed.DONE
    assert (rooms(), trial.out) == (["one"], [{"text": "one"}])
    assert len(ran) == (1 if when == "after the commit" else 2)


def test_a_deferred_constraint_is_a_failure(postgres: Postgres, trial: Trial) -> None:
    with postgres.owner() as owner:
        owner.execute("DROP TABLE IF EXISTS once_child, once_parent")
        owner.execute("CREATE TABLE once_parent (id int PRIMARY KEY)")
        key = "parent int REFERENCES once_parent DEFERRABLE INITIALLY DEFERRED"
        owner.execute(f"CREATE TABLE once_child ({key})")

    @once(using=DB)
    def consumer(message: Any) -> None:
        write("one")
        Channel(OUT, channel_layer=trial.layer).send({"text": "before"})
        with connections[DB].cursor() as cursor:
            cursor.execute("INSERT INTO once_child VALUES (1)")

    trial.publish()
    delivery = trial.pull()
    outcome = trial.run(delivery, consumer)
    assert type(outcome.error).__name__ == "IntegrityError"
    trial.commit(delivery, outcome)
    assert (rooms(), trial.out) == ([], [{"text": "before"}])
    assert CommittedMessage.objects.using(DB).count() == 1


def test_a_transaction_around_it_is_refused(postgres: Postgres, trial: Trial) -> None:
    @transaction.atomic(using=DB)
    @once(using=DB)
    def consumer(message: Any) -> None:
        write("one")

    trial.publish()
    assert isinstance(trial.run(trial.pull(), consumer).error, RuntimeError)
    assert rooms() == []


def test_the_server_ends_an_idle_transaction(postgres: Postgres, trial: Trial) -> None:
    ran: list[str] = []

    @once(using=DB)
    def consumer(message: Any) -> None:
        ran.append(message.id)
        write("one")
        Channel(OUT, channel_layer=trial.layer).send({"text": "one"})
        if len(ran) == 1:
            with connections[DB].cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                process = cursor.fetchone()[0]
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            wait_for(lambda: not is_there(postgres, process), "the end of the connection")

    trial.publish()
    delivery = trial.pull()
    assert trial.run(delivery, consumer).is_put_off
    again = trial.again(delivery)
    assert trial.commit(again, trial.run(again, consumer)) is Committed.DONE
    assert (rooms(), trial.out) == (["one"], [{"text": "one"}])


def is_there(postgres: Postgres, process: int) -> bool:
    with postgres.owner() as owner:
        query = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
        return owner.execute(query, [process]).fetchall() == [(1,)]
