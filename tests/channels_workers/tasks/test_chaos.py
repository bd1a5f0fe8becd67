"""Random deaths, freezes, lost and repeated messages: each task ends, none runs after its end.

With `@once`, the SQL and the sends of each that succeeds have happened once, and of others never.
"""

import time
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.utils import timezone
from pytest_django import Settings

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Committed, Delivery, Finished
from channels_workers.routing import Router
from channels_workers.tasks.api import TaskResultStatus, task_finished, task_started
from channels_workers.tasks.backend import TaskBackend
from channels_workers.tasks.keeper import send_unsent
from channels_workers.tasks.models import StoredTask
from channels_workers.worker.dispatch import dispatch
from tests.channels_workers.consumers import not_called
from tests.channels_workers.once.conftest import OUT, rooms
from tests.channels_workers.tasks import functions, once_functions
from tests.channels_workers.tasks.functions import task

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = "tasks.default"
STEPS = 60


class Chaos:
    """A layer, its workers, and what they do at random."""

    def __init__(self, layer: InMemoryChannelLayer, seed: int) -> None:
        self.layer, self.random = layer, Random(seed)
        self.router = Router({})
        self.elapsed = 0.0
        self.workers = 0
        self.began: list[str] = []
        self.ended: set[str] = set()
        self.after_end: list[str] = []
        layer.store.clock = lambda: time.time() + self.elapsed

    @property
    def function(self) -> Any:
        return functions.acted

    def finished(self, task_result: Any, **kwargs: object) -> None:
        self.ended.add(task_result.id)

    # Steps

    def enqueue(self, *, is_killed: bool = False) -> None:
        with transaction.atomic():
            task(self.function, takes_context=True).enqueue()
            if is_killed:
                transaction.get_connection().run_on_commit.clear()

    def enqueue_and_die(self) -> None:
        self.enqueue(is_killed=True)

    def repeat_a_message(self) -> None:
        rows = list(StoredTask.objects.all())
        if rows:
            row = self.random.choice(rows)
            content = {"task": str(row.pk), "failures": self.random.choice([0, row.failures])}
            self.layer.apply([self.layer.make_send(QUEUE, content)])

    def pass_time(self) -> None:
        self.elapsed += 50
        self.layer.admin.send_due()
        long_ago = timezone.now() - timedelta(minutes=1)
        StoredTask.objects.exclude(unsent_since=None).update(unsent_since=long_ago)
        send_unsent()

    def work(self) -> bool:
        """Let a worker run a message and commit; return whether there was one."""
        delivery = self.pull()
        if delivery is not None:
            self.run(delivery)
        return delivery is not None

    def die(self) -> None:
        """Let a worker die before its commit, perhaps before its run."""
        delivery = self.pull()
        if delivery is None:
            return
        if self.random.random() < 0.7:
            self.dispatch(delivery)
        self.layer.requeue(delivery, counted=True)  # stale, if it had been frozen

    # Workers

    def pull(self) -> Delivery | None:
        self.workers += 1
        found = self.layer.pull([QUEUE], f"worker {self.workers}", 0)
        return found[0] if found else None

    def dispatch(self, delivery: Delivery) -> Any:
        self.running = delivery
        return dispatch(delivery, self.layer, self.router, not_called)

    def run(self, delivery: Delivery) -> Committed:
        outcome = self.dispatch(delivery)
        if outcome.is_put_off:
            return self.layer.requeue(delivery, counted=False)
        assert outcome.error is None, outcome.error
        return self.layer.commit(Finished(delivery, outcome.operations, outcome.session))

    def note(self, task_id: str) -> None:
        self.began.append(task_id)
        if task_id in self.ended:
            self.after_end.append(task_id)

    def act(self, task_id: str) -> None:
        """Be a task: perhaps freeze until another worker has run it, perhaps raise."""
        self.note(task_id)
        frozen, chance = self.running, self.random.random()
        if chance < 0.2:
            self.layer.requeue(frozen, counted=True)
            self.work()
        elif chance < 0.5:
            raise ValueError("at random")


class OnceChaos(Chaos):
    """The same for a task with `@once`, whose transaction may be lost too."""

    @property
    def function(self) -> Any:
        return once_functions.chaotic

    def dispatch(self, delivery: Delivery) -> Any:
        try:
            return super().dispatch(delivery)
        finally:
            vars(connections["default"]).pop("commit", None)

    def begin(self, task_result: Any, **kwargs: object) -> None:
        """Perhaps freeze before the transaction: on SQLite, a second one would join it."""
        self.note(task_result.id)
        if self.random.random() < 0.2:
            self.layer.requeue(self.running, counted=True)
            self.work()

    def act(self, task_id: str) -> None:
        chance = self.random.random()
        if chance < 0.2:
            raise ValueError("at random")
        if chance < 0.4:  # the worker dies: the database rolls back
            raise OperationalError("connection lost")
        if chance < 0.6:
            self.lose_the_reply()

    def lose_the_reply(self) -> None:
        """Commit, and do not tell."""
        database = connections["default"]

        def commit() -> None:
            type(database).commit(database)
            raise OperationalError("connection lost")

        vars(database)["commit"] = commit


def play(chaos: Chaos) -> list[StoredTask]:
    """Let things happen at random, and then all tasks end; return their rows."""
    task_finished.connect(chaos.finished, sender=TaskBackend)
    try:
        steps = [chaos.enqueue, chaos.enqueue_and_die, chaos.repeat_a_message, chaos.pass_time]
        for _ in range(STEPS):
            chaos.random.choice([*steps, chaos.work, chaos.work, chaos.die])()
        for _ in range(5):
            chaos.pass_time()
            while chaos.work():
                pass
    finally:
        task_finished.disconnect(chaos.finished, sender=TaskBackend)
    rows = list(StoredTask.objects.all())
    assert [str(row) for row in rows if not row.is_finished] == []
    assert {str(row.pk) for row in rows} == set(chaos.began)
    assert chaos.after_end == []
    assert all(row.failures <= 2 and row.attempts == len(row.worker_ids) for row in rows)
    assert chaos.layer.admin.delayed() == []
    return rows


@pytest.mark.parametrize("seed", range(25))
def test_each_task_ends_and_none_runs_after_its_end(
    tasks: InMemoryChannelLayer, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chaos = Chaos(tasks, seed)
    monkeypatch.setattr(functions, "act", chaos.act)
    play(chaos)


@pytest.mark.parametrize("seed", range(25))
def test_with_once_rows_and_sends_of_a_task_happen_once(
    tasks: InMemoryChannelLayer, seed: int, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"RETRIES": 1_000}
    chaos = OnceChaos(tasks, seed)
    monkeypatch.setattr(once_functions, "chaos", chaos.act)
    task_started.connect(chaos.begin)
    try:
        rows = play(chaos)
    finally:
        task_started.disconnect(chaos.begin)
    succeeded = sorted(str(row.pk) for row in rows if row.status == TaskResultStatus.SUCCESSFUL)
    assert sorted(label.split()[0] for label in rooms()) == succeeded
    sent = tasks.pull([OUT], "listener", 0, 1_000)
    assert sorted(tasks.content(each)["task"] for each in sent) == succeeded
