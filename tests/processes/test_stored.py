"""Sends in a transaction are heard once if it committed, whatever dies, freezes or is away."""

import signal
import sqlite3
import urllib.error
from collections.abc import Iterator
from contextlib import suppress
from http.client import RemoteDisconnected

import pytest
from websockets.sync.client import ClientConnection, connect

from labs.harness.processes import Process
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb, StartWorker

ENV = {"DJANGO_SETTINGS_MODULE": "tests.processes.stored"}


@pytest.fixture
def web(start_web: StartWeb) -> Server:
    return start_web(env=ENV)


@pytest.fixture
def workers(start_worker: StartWorker) -> list[Process]:
    return [start_worker(env=ENV, threads=1) for _ in range(2)]


@pytest.fixture
def socket(web: Server, workers: list[Process]) -> Iterator[ClientConnection]:
    with connect(f"{web.socket_url}/", open_timeout=60, ping_interval=None) as opened:
        assert opened.recv(60) == "welcome"
        yield opened


def stored(database_url: str) -> int:
    database = sqlite3.connect(database_url.removeprefix("sqlite:///"))
    [(count,)] = database.execute("SELECT count(*) FROM channels_workers_storedsend")
    database.close()
    return int(count)


@pytest.mark.parametrize("trouble", ["killed-read", "killed-sent", "frozen-read", "frozen-sent"])
def test_a_relay_in_trouble(
    trouble: str,
    web: Server,
    workers: list[Process],
    socket: ClientConnection,
    redis_server: RedisServer,
    database_url: str,
) -> None:
    with redis_server.client() as client:
        client.set("trouble", trouble)
    assert web.get("/none/one/") == "sent"
    assert socket.recv(60) == "one"
    wait_for(lambda: stored(database_url) == 0, "no rows")
    for worker in workers:
        if worker.is_running:
            worker.signal(signal.SIGCONT)
    web.get("/undone/never/")
    web.get("/none/two/")
    assert socket.recv(60) == "two", "the first one came once"
    wait_for(lambda: stored(database_url) == 0, "no rows")
    with redis_server.client() as client:
        assert not client.exists("trouble")


def test_a_server_that_dies_after_the_commit(
    start_web: StartWeb, socket: ClientConnection, database_url: str
) -> None:
    victim = start_web(env=ENV)
    with pytest.raises((urllib.error.URLError, RemoteDisconnected, ConnectionError)):
        victim.get("/killed-server/one/")
    assert socket.recv(60) == "one"
    wait_for(lambda: stored(database_url) == 0, "no rows")


def test_redis_away_at_the_commit(
    web: Server, socket: ClientConnection, redis_server: RedisServer, database_url: str
) -> None:
    redis_server.stop()
    for text in ("one", "two"):
        assert web.get(f"/none/{text}/") == "sent"
    assert stored(database_url) == 2
    redis_server.start()
    assert [socket.recv(60), socket.recv(60)] == ["one", "two"]
    wait_for(lambda: stored(database_url) == 0, "no rows")
    with suppress(TimeoutError):
        raise AssertionError(f"heard again: {socket.recv(0.1)!r}")


def test_a_stopped_worker_hands_over_at_once(
    web: Server, workers: list[Process], socket: ClientConnection, database_url: str
) -> None:
    for number, worker in enumerate(workers):
        web.get(f"/none/{number}/")
        assert socket.recv(60) == str(number)
        if number == 0:
            worker.stop()
    web.get("/none/last/")
    assert socket.recv(60) == "last"
