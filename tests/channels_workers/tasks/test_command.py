"""`manage.py tasks`: what operators see of tasks, and do to them."""

import json
import threading
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Finished
from channels_workers.routing import get_router
from channels_workers.tasks import recovery, rows
from channels_workers.tasks.api import TaskResultStatus
from channels_workers.tasks.keeper import Keeper
from channels_workers.tasks.models import StoredTask
from channels_workers.worker.dispatch import dispatch
from tests.channels_workers.clients import pull_one
from tests.channels_workers.consumers import not_called
from tests.channels_workers.tasks import functions
from tests.channels_workers.tasks.conftest import Run
from tests.channels_workers.tasks.functions import done, task

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = "tasks.default"


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    done.clear()


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command("tasks", *arguments, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def failed(tasks: InMemoryChannelLayer, run: Run) -> str:
    """The id of a task that has failed; two others have not."""
    task(functions.add).enqueue(1)
    run()
    result = task(functions.fail).enqueue("broken")
    run()
    task(functions.add, queue_name="mail").enqueue(2)
    done.clear()
    return str(result.id)


def status_of(key: str) -> str:
    return StoredTask.objects.get(pk=key).status


# Lists


def test_an_empty_list(tasks: InMemoryChannelLayer) -> None:
    assert manage() == "0 tasks\n"


def test_the_tasks_that_failed_are_listed(failed: str) -> None:
    line, count = manage().splitlines()
    path = "tests.channels_workers.tasks.functions.fail"
    assert line.split()[:3] == [failed, "FAILED", "default"]
    assert line.endswith(f"{path}  ValueError: broken")
    assert count == "1 tasks"


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        (["--status", "ANY"], ["add", "fail", "add"]),
        (["--status", "SUCCESSFUL"], ["add"]),
        (["--status", "ANY", "--queue", "mail"], ["add"]),
        (["--path", "functions.add"], []),
        (["--status", "ANY", "--path", "functions.add"], ["add", "add"]),
    ],
)
def test_a_list_has_what_the_options_name(
    failed: str, options: list[str], paths: list[str]
) -> None:
    found = json.loads(manage("list", "--json", *options))
    assert [each["path"].rpartition(".")[2] for each in found] == paths


def test_json_of_a_list_has_no_large_fields(failed: str) -> None:
    (found,) = json.loads(manage("--json"))
    assert (found["id"], found["error"], found["attempts"]) == (failed, "ValueError: broken", 1)
    assert "args" not in found


def test_a_task_is_shown(failed: str) -> None:
    lines = manage("show", failed).splitlines()
    assert lines[1:4] == [
        "{'args': ['broken'], 'kwargs': {}}",
        "Error 1 of 1:",
        "Traceback (most recent call last):",
    ]
    (found,) = json.loads(manage("show", failed.upper(), "--json"))
    assert (found["args"], len(found["errors"])) == (["broken"], 1)


def test_text_of_an_error_cannot_control_the_terminal(
    tasks: InMemoryChannelLayer, failed: str
) -> None:
    error = {"traceback": "first\n\x1b[2J evil\n", "exception_class_path": "builtins.ValueError"}
    StoredTask.objects.filter(pk=failed).update(errors=[error])
    assert "\x1b" not in manage() + manage("show", failed)
    StoredTask.objects.filter(pk=failed).update(errors=[error | {"traceback": ""}])
    assert manage().splitlines()[0].endswith(".fail")


# Retries


def test_a_task_runs_again_under_its_id(
    failed: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert manage("retry", failed) == f"{failed} is sent again\n"
    assert status_of(failed) == "READY"
    StoredTask.objects.filter(pk=failed).update(path="tests.channels_workers.tasks.functions.tell")
    run()
    assert done == ["broken"]
    row = StoredTask.objects.get(pk=failed)
    assert (row.status, row.attempts, len(row.errors)) == ("SUCCESSFUL", 2, 1)


def test_a_task_that_fails_again_has_failed(failed: str, run: Run) -> None:
    manage("retry", "all")
    run()
    assert status_of(failed) == "FAILED"
    assert manage("show", failed).count("Error ") == 2


def test_a_message_of_before_does_not_run_it(tasks: InMemoryChannelLayer, failed: str) -> None:
    manage("retry", failed)
    tasks.apply([tasks.make_send(QUEUE, {"task": failed, "failures": 0})])
    for _ in range(2):
        delivery = pull_one(tasks, QUEUE)
        dispatch(delivery, tasks, get_router(), not_called)
        tasks.commit(Finished(delivery))
    assert done == ["broken"]


def test_the_dead_letter_of_a_lost_task_does_not_fail_it_again(
    tasks: InMemoryChannelLayer,
) -> None:
    result = task(functions.later).enqueue()
    delivery = pull_one(tasks, QUEUE)
    dispatch(delivery, tasks, get_router(), not_called)
    tasks.dead_letter(delivery, "its worker died, 3 times")
    keeper = Keeper(tasks, threading.Event())
    keeper.sweep()
    assert status_of(result.id) == "FAILED"
    manage("retry", "all")
    keeper.sweep()
    assert status_of(result.id) == "READY"


@pytest.mark.parametrize(
    ("status", "options", "text"),
    [
        ("SUCCESSFUL", [], "has succeeded, and does not run again"),
        ("RUNNING", [], "is running, and is left alone"),
        ("RUNNING", ["--status", "RUNNING"], "is sent again"),
        ("READY", [], "is sent again"),
    ],
)
def test_what_runs_again(
    tasks: InMemoryChannelLayer, status: str, options: list[str], text: str
) -> None:
    result = task(functions.add).enqueue(1)
    StoredTask.objects.update(status=status)
    assert manage("retry", str(result.id), *options) == f"{result.id} {text}\n"
    assert status_of(result.id) == ("READY" if "sent" in text else status)


def test_a_task_that_cannot_be_sent_now_is_sent_by_a_worker(
    failed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_it(row: Any) -> None:
        raise LayerUnavailable("Redis is away")

    monkeypatch.setattr(rows, "send_now", raise_it)
    assert "will be sent again by a worker: Redis is away" in manage("retry", failed)
    row = StoredTask.objects.get(pk=failed)
    assert row.status == "READY"
    assert row.unsent_since is not None


def test_a_task_that_changed_meanwhile_is_left_alone(failed: str) -> None:
    row = StoredTask.objects.get(pk=failed)
    StoredTask.objects.update(attempts=7)
    assert recovery.run_again(row) == "changed meanwhile, and is left alone"
    assert recovery.drop(row) == "changed meanwhile, and is left alone"


# Drops


def test_tasks_are_dropped(failed: str) -> None:
    assert manage("drop", "all") == f"{failed} is dropped\n"
    assert StoredTask.objects.count() == 2


def test_a_task_that_runs_is_not_dropped(tasks: InMemoryChannelLayer) -> None:
    result = task(functions.add).enqueue(1)
    StoredTask.objects.update(status=TaskResultStatus.RUNNING)
    assert manage("drop", str(result.id)) == f"{result.id} is running, and is left alone\n"


def test_all_of_many_are_dropped(
    tasks: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "BATCH", 2)
    for number in range(5):
        task(functions.add).enqueue(number)
    assert manage("drop", "all", "--status", "READY").count("is dropped") == 5
    assert StoredTask.objects.count() == 0


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show"], "Give the ids"),
        (["drop", "nonsense"], "There is no task nonsense"),
        (["retry", "b4ef9ea6-5d2d-4a4c-9d37-a7c2cc8a9f0d"], "There is no task b4ef9ea6"),
    ],
)
def test_unknown_ids_are_refused(
    arguments: list[str], message: str, tasks: InMemoryChannelLayer
) -> None:
    with pytest.raises(CommandError, match=message):
        manage(*arguments)


def test_a_database_without_the_table_is_reported(
    tasks: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StoredTask._meta, "db_table", "missing")
    with pytest.raises(CommandError, match="missing"):
        manage()
