"""Tasks of real workers: killed, stopped, restarted."""

import json
import signal
import sys
from typing import Any

import pytest

from labs.harness.commands import run
from labs.harness.processes import Process, Processes
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.site import WORKER_READY
from labs.harness.waiting import wait_for

IMPORTS = """
from datetime import timedelta
from django.utils import timezone
import json
from tests.processes.background_tasks import hold, note, store
from channels_workers.tasks.api import task_backends
"""


class Site:
    """A database and a Redis with tasks, and their workers."""

    def __init__(
        self, start_process: Processes, environment: dict[str, str], redis: RedisServer
    ) -> None:
        self.start_process, self.redis = start_process, redis
        self.env = environment | {"DJANGO_SETTINGS_MODULE": "tests.processes.background"}
        run(sys.executable, "manage.py", "migrate", "-v", "0", cwd=ROOT, env=self.env)

    def shell(self, code: str) -> str:
        command = (sys.executable, "manage.py", "shell", "--no-imports", "-c", IMPORTS + code)
        return run(*command, cwd=ROOT, env=self.env).decode().strip()

    def enqueue(self, call: str) -> str:
        """Evaluate a call of `enqueue` in a process of its own, and return the id."""
        return self.shell(f"print({call}.id)")

    def result(self, task: str) -> dict[str, Any]:
        code = f"""
result = task_backends["default"].get_result("{task}")
print(json.dumps({{"status": result.status, "workers": result.worker_ids}}))
"""
        found: dict[str, Any] = json.loads(self.shell(code))
        return found

    def worker(self, *options: str, **env: str) -> Process:
        command = [sys.executable, "manage.py", "runworker", *options]
        process = self.start_process(command, name="worker", env=self.env | env)
        process.wait_for_line(WORKER_READY)
        return process

    def listed(self, name: str) -> list[str]:
        with self.redis.client() as client:
            return [each.decode() for each in client.lrange(name, 0, -1)]

    def wait_for(self, name: str, expected: list[str]) -> None:
        wait_for(lambda: self.listed(name) == expected, f"{name}: {expected}", 60)

    def let_go(self) -> None:
        with self.redis.client() as client:
            client.rpush("let_go", "1")


@pytest.fixture
def site(
    start_process: Processes, chat_environment: dict[str, str], redis_server: RedisServer
) -> Site:
    return Site(start_process, chat_environment, redis_server)


def test_the_task_of_a_killed_worker_runs_on_another_one(site: Site) -> None:
    victim = site.worker()
    task = site.enqueue("hold.enqueue('a')")
    site.wait_for("begun", ["a 1"])
    victim.signal(signal.SIGKILL)
    victim.wait()
    site.worker()
    site.wait_for("begun", ["a 1", "a 2"])
    site.let_go()
    site.wait_for("ran", ["a"])
    wait_for(lambda: site.result(task)["status"] == "SUCCESSFUL", "the result", 60)
    assert len(set(site.result(task)["workers"])) == 2


def test_a_stopped_worker_ends_its_task(site: Site) -> None:
    worker = site.worker()
    task = site.enqueue("hold.enqueue('a')")
    site.wait_for("begun", ["a 1"])
    worker.signal(signal.SIGTERM)
    worker.wait_for_line("Stopping")
    site.let_go()
    assert worker.wait() == 0
    result = site.result(task)
    assert (result["status"], len(result["workers"])) == ("SUCCESSFUL", 1)


def test_a_task_that_outlasts_the_stop_runs_on_another_worker(site: Site) -> None:
    late = site.worker(STOP_TIMEOUT="0.5")
    task = site.enqueue("hold.enqueue('a')")
    site.wait_for("begun", ["a 1"])
    other = site.worker("--only-channels", "tasks.*")
    assert "tasks.default, tasks.default.high, tasks.default.low" in other.output
    late.signal(signal.SIGTERM)
    site.wait_for("begun", ["a 1", "a 2"])
    late.wait()
    site.let_go()
    wait_for(lambda: site.result(task)["status"] == "SUCCESSFUL", "the result", 60)
    assert len(site.result(task)["workers"]) == 2


def test_a_delayed_task_outlives_the_workers(site: Site) -> None:
    victim = site.worker()
    due = "timezone.now() + timedelta(seconds=12)"
    task = site.enqueue(f"note.using(run_after={due}).enqueue('a')")
    victim.signal(signal.SIGKILL)
    victim.wait()
    assert site.listed("ran") == []
    site.worker()
    site.wait_for("ran", ["a"])
    wait_for(lambda: site.result(task)["status"] == "SUCCESSFUL", "the result", 60)


def test_a_task_that_kills_its_workers_has_failed(site: Site) -> None:
    site.env["DELIVERIES"] = "1"
    victim = site.worker()
    task = site.enqueue("hold.enqueue('a')")
    site.wait_for("begun", ["a 1"])
    victim.signal(signal.SIGKILL)
    victim.wait()
    reaper = site.worker()
    reaper.wait_for_line("dead letter", 60)
    site.worker()  # it looks when it starts, and every minute
    wait_for(lambda: site.result(task)["status"] == "FAILED", "the result", 60)
    assert site.listed("begun") == ["a 1"]


def test_a_schedule_fires_once_for_all_workers_and_over_restarts(site: Site) -> None:
    victim, _ = site.worker(TICKS="1"), site.worker(TICKS="1")
    wait_for(lambda: len(site.listed("ran")) >= 2, "two firings", 60)
    victim.signal(signal.SIGKILL)
    victim.wait()
    seen = len(site.listed("ran"))
    site.worker(TICKS="1")
    wait_for(lambda: len(site.listed("ran")) >= seen + 3, "more firings", 90)
    stored, of_due_times = json.loads(site.shell(FIRINGS))
    assert stored >= seen
    assert of_due_times == stored


@pytest.mark.parametrize("trouble", ["before", "after"])
def test_rows_and_sends_of_a_killed_task_happen_once(site: Site, trouble: str) -> None:
    """It is killed before its transaction is committed, or between that and the layer's commit."""
    victim = site.worker()
    task = site.enqueue(f"store.enqueue('{trouble}')")
    victim.wait()
    site.worker()
    site.wait_for("ran", [trouble])
    wait_for(lambda: site.result(task)["status"] == "SUCCESSFUL", "the result", 60)
    site.enqueue("note.enqueue('end')")
    site.wait_for("ran", [trouble, "end"])
    attempts = 2 if trouble == "before" else 1
    assert len(site.result(task)["workers"]) == attempts
    rooms = site.shell(
        "from chat.models import Room; print(*Room.objects.values_list('label', flat=True))"
    )
    assert [label.partition("-")[0] for label in rooms.split()] == [str(attempts)]


#: How many tasks there are, and how many of them have the id of a due time of the schedule.
FIRINGS = """
from channels_workers.tasks.models import StoredTask
from tests.processes.background import EVERY
from channels_workers.tasks.schedules import Schedule
schedule, found = Schedule("ticks", **EVERY), {str(row.pk) for row in StoredTask.objects.all()}
moment, ids = timezone.now().timestamp() + 60, set()
for step in range(1_000):
    ids.add(schedule.id_of("default", schedule.following(moment - step * schedule.every)))
print(json.dumps([len(found), len(found & ids)]))
"""
