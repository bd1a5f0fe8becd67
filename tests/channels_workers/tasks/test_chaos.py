"""Random deaths, freezes, lost and repeated messages: each task ends, none runs after its end."""

import time
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Committed, Delivery, Finished
from channels_workers.routing import Router
from channels_workers.tasks.api import task_finished
from channels_workers.tasks.backend import TaskBackend
from channels_workers.tasks.keeper import send_unsent
from channels_workers.tasks.models import StoredTask
from channels_workers.worker.dispatch import dispatch
from tests.channels_workers.consumers import not_called
from tests.channels_workers.tasks import functions
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

    def finished(self, task_result: Any, **kwargs: object) -> None:
        self.ended.add(task_result.id)

    # Steps

    def enqueue(self, *, is_killed: bool = False) -> None:
        with transaction.atomic():
            task(functions.acted, takes_context=True).enqueue()
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
        outcome = dispatch(delivery, self.layer, self.router, not_called)
        assert outcome.error is None, outcome.error
        return outcome

    def run(self, delivery: Delivery) -> Committed:
        outcome = self.dispatch(delivery)
        return self.layer.commit(Finished(delivery, outcome.operations, outcome.session))

    def act(self, task_id: str) -> None:
        """Be a task: perhaps freeze until another worker has run it, perhaps raise."""
        self.began.append(task_id)
        if task_id in self.ended:
            self.after_end.append(task_id)
        frozen, chance = self.running, self.random.random()
        if chance < 0.2:
            self.layer.requeue(frozen, counted=True)
            self.work()
        elif chance < 0.5:
            raise ValueError("at random")


@pytest.mark.parametrize("seed", range(25))
def test_each_task_ends_and_none_runs_after_its_end(
    tasks: InMemoryChannelLayer, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chaos = Chaos(tasks, seed)
    monkeypatch.setattr(functions, "act", chaos.act)
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
    assert tasks.admin.delayed() == []
