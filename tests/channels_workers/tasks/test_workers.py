"""Tasks in the threads of a worker process."""

import pytest

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.tasks.api import TaskResultStatus
from labs.harness.waiting import wait_for
from tests.channels_workers.consumers import StartGroup, stop
from tests.channels_workers.tasks import functions
from tests.channels_workers.tasks.functions import done, task

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    done.clear()


def test_a_task_of_a_higher_priority_overtakes_those_that_wait(
    tasks: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    for number in range(6):
        task(functions.add).enqueue(number)
    task(functions.add, priority=-1).enqueue(100)
    task(functions.add, priority=1).enqueue(200)
    group = start_group({}, only_channels=["tasks.*"])
    wait_for(lambda: len(done) == 8, "all tasks")
    stop(group)
    assert done.index(200) < 3
    assert [each for each in done if each < 100] == [*range(6)]


def test_tasks_run_beside_a_routing(tasks: InMemoryChannelLayer, start_group: StartGroup) -> None:
    results = [task(function).enqueue(1) for function in (functions.add, functions.aadd)]
    group = start_group({"other": functions.add}, n_threads=2)

    def all_done() -> bool:
        for result in results:
            result.refresh()
        return all(result.status == TaskResultStatus.SUCCESSFUL for result in results)

    wait_for(all_done, "both results")
    names = [
        name for queue in ("default", "mail") for name in (queue, f"{queue}.high", f"{queue}.low")
    ]
    assert {f"tasks.{name}" for name in names} < set(group.channels)
    assert all(result.worker_ids[0].startswith(group.process) for result in results)
    stop(group)
