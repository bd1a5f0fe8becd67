"""A site of small shell processes: what it starts, replaces and stops."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs.harness.commands import Failed
from labs.harness.processes import Process
from labs.harness.site import WORKER_READY, Site

WORKER = "echo $NAME is listening on channels; exec sleep 60"


class Shells(Site):
    """Redis, and workers that only report readiness."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "NAME": "it"}

    def start_worker(self) -> Process:
        self.workers.append(self.launch(["/bin/sh", "-c", WORKER], "worker"))
        return self.workers[-1]


class Broken(Shells):
    """A site whose start fails after Redis and a worker."""

    def start(self) -> None:
        super().start()
        self.start_worker().wait_for_line(WORKER_READY)
        self.run("/bin/sh", "-c", "echo because; exit 3")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Shells]:
    with Shells(tmp_path) as started:
        yield started


def test_everything_ends_with_the_block(tmp_path: Path) -> None:
    with Shells(tmp_path) as site:
        worker = site.start_worker()
        worker.wait_for_line("it is listening on channels")
        assert site.running() == [site.redis.process, worker]
    assert site.running() == []
    assert "worker (ended with status -9) wrote:\nit is listening" in site.describe()


def test_started_processes_end_if_the_rest_fails_to_start(tmp_path: Path) -> None:
    site = Broken(tmp_path)
    with pytest.raises(Failed, match="ended with 3:\nbecause"), site:
        pytest.fail("It has started.")
    assert site.running() == []
    assert not site.redis.is_running


def test_dead_workers_are_replaced(site: Shells) -> None:
    stays, dies = site.start_worker(), site.start_worker()
    dies.kill()
    assert site.replace_dead_workers() == 1
    assert site.workers[0] is stays
    assert [worker.is_running for worker in site.workers] == [True, True]
    assert site.replace_dead_workers() == 0


def test_an_orderly_stop(site: Shells) -> None:
    worker = site.start_worker()
    worker.wait_for_line(WORKER_READY)
    site.stop()
    assert worker.returncode == -15
    assert not site.redis.is_running


def test_commands_run_with_its_environment(site: Shells) -> None:
    code = "import os; print(os.environ['REDIS_URL'], os.environ['NAME'])"
    assert site.run(sys.executable, "-c", code) == f"{site.redis.url} it\n"


def test_memory_of_a_process(site: Shells) -> None:
    assert 1_000 < site.redis.process.memory < 100_000
