"""Rows of `@once` and replies happen once, whatever happens to workers, the database and Redis."""

import signal
import sqlite3
from collections.abc import Iterator

import pytest
from websockets.sync.client import ClientConnection, connect

from labs.harness.processes import Process
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb, StartWorker

ENV = {"DJANGO_SETTINGS_MODULE": "tests.processes.once"}


@pytest.fixture
def socket(start_web: StartWeb) -> Iterator[ClientConnection]:
    with connect(f"{start_web(env=ENV).socket_url}/", open_timeout=60) as opened:
        yield opened


@pytest.fixture
def workers(start_worker: StartWorker) -> list[Process]:
    return [start_worker(env=ENV, threads=1) for _ in range(2)]


def rooms(database_url: str) -> list[str]:
    """The labels in the database, without the process that wrote each."""
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as database:
        found = database.execute("SELECT label FROM chat_room ORDER BY id").fetchall()
    database.close()
    return [label.rpartition("-")[0] for (label,) in found]


def ran(redis: RedisServer) -> list[str]:
    with redis.client() as client:
        return [each.decode() for each in client.lrange("ran", 0, -1)]


@pytest.mark.parametrize(
    ("trouble", "runs"),
    [("none", 1), ("killed", 1), ("emptied", 0), ("frozen", 2), ("frozen-between", 1)],
)
def test_rows_and_replies_happen_once(
    trouble: str,
    runs: int,
    workers: list[Process],
    socket: ClientConnection,
    database_url: str,
    redis_server: RedisServer,
) -> None:
    socket.send(f"{trouble} one")
    assert socket.recv(60) == "one"
    for worker in workers:  # a frozen one goes on
        if worker.is_running:
            worker.signal(signal.SIGCONT)
    if trouble.startswith("frozen"):
        # It meets the row of the other, and then takes messages again.
        wait_for(lambda: any("finished elsewhere" in each.output for each in workers), "its end")
    socket.send("none two")
    assert socket.recv(60) == "two", "the reply comes once"
    assert rooms(database_url) == ["one", "two"]
    assert ran(redis_server).count("one") == runs
