"""Resumable sockets with real servers and workers, cut networks, and servers that end."""

import json
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from channels_workers.interface.close_codes import REPLACED, SERVER_STOPS
from labs.harness.commands import run
from labs.harness.processes import Process
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.relay import Relay
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb, StartWorker
from tests.processes.resumable import GO, SEEN

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.processes.resumable"}
TIMEOUT = 60

#: The servers before and after.
PAIRS = (("daphne", "daphne"), ("uvicorn", "uvicorn"), ("daphne", "uvicorn"))

#: What a token begins with; logs must not have more of it.
IN_LOGS = re.compile(r"resume\.[0-9a-f]{16}!kept")


class Client:
    """A client that counts what it receives, and keeps what it sends."""

    def __init__(self, port: int, before: "Client | None" = None, path: str = "/echo/") -> None:
        self.before, self.path = before, path
        self.received = before.received if before else 0
        self.sent: list[str] = before.sent if before else []
        asks = f"resume.{before.token}.{before.received}" if before else "resume"
        offered = [Subprotocol("channels-workers.v1"), Subprotocol(asks)]
        address = f"ws://127.0.0.1:{port}{path}"
        options: dict[str, Any] = {"open_timeout": TIMEOUT, "close_timeout": 1}
        opening = connect(
            address, subprotocols=offered, ping_interval=None, max_size=None, **options
        )
        self.socket: ClientConnection = opening.__enter__()
        assert self.socket.subprotocol == "channels-workers.v1"
        self.answer = json.loads(self.socket.recv(TIMEOUT))
        self.token: str = self.answer["token"]
        if self.answer["resumed"]:
            for text in self.sent[self.answer["received"] :]:
                self.socket.send(text)

    def send(self, *texts: str) -> None:
        for text in texts:
            self.sent.append(text)
            self.socket.send(text)

    def receive(self, count: int = 1) -> list[str]:
        texts = [str(self.socket.recv(TIMEOUT)) for _ in range(count)]
        self.received += count
        return texts

    def cut(self) -> None:
        """Drop the connection without a close frame."""
        self.socket.socket.close()

    def close(self, code: int = 1000) -> None:
        self.socket.close(code)

    def close_code(self) -> int:
        with suppress(ConnectionClosed):
            while True:
                self.socket.recv(TIMEOUT)
        assert self.socket.close_code is not None
        return self.socket.close_code


class Site:
    """Two servers and a worker on one Redis."""

    def __init__(self, start_web: StartWeb, start_worker: StartWorker, redis: RedisServer) -> None:
        self.start_web, self.start_worker, self.redis = start_web, start_worker, redis
        self.environment = SETTINGS
        self.processes: list[Process] = []

    def server(self, kind: str, **environment: str) -> Server:
        server = self.start_web(kind, env={**self.environment, **environment})
        self.processes.append(server.process)
        return server

    def servers(self, pair: tuple[str, str], **environment: str) -> tuple[Server, Server]:
        self.environment = {**self.environment, **environment}
        self.processes.append(self.start_worker(env=self.environment, threads=2))
        return self.server(pair[0]), self.server(pair[1])

    def seen(self, what: str) -> list[dict[str, Any]]:
        with self.redis.client() as client:
            rows = [json.loads(each) for each in client.lrange(SEEN, 0, -1)]
        return [row for row in rows if row["what"] == what]

    def until_seen(self, what: str, count: int = 1) -> list[dict[str, Any]]:
        wait_for(lambda: len(self.seen(what)) >= count, f"{count} {what}", timeout=TIMEOUT)
        return self.seen(what)

    def go(self, count: int = 1) -> None:
        with self.redis.client() as client:
            client.rpush(GO, *["1"] * count)

    def say(self, *texts: str) -> None:
        """Send to the group."""
        calls = "; ".join(f"Group('room').send({{'text': {text!r}}})" for text in texts)
        shell = (sys.executable, "manage.py", "shell", "--verbosity", "0", "-c")
        urls = {"REDIS_URL": self.redis.url, "DATABASE_URL": "sqlite:///:memory:"}
        run(
            *shell,
            f"from channels_workers import Group; {calls}",
            cwd=ROOT,
            env={**SETTINGS, **urls},
        )

    def assert_ends_once(self, client: Client, code: int = 1000) -> None:
        """Close it; its consumers have had each frame once, and one disconnect."""
        client.close(code)
        rows = self.until_seen("disconnect")
        assert [(row["code"], row["texts"]) for row in rows] == [(code, client.sent)]


@pytest.fixture
def site(
    start_web: StartWeb, start_worker: StartWorker, redis_server: RedisServer
) -> Iterator[Site]:
    made = Site(start_web, start_worker, redis_server)
    yield made
    for process in made.processes:
        assert not IN_LOGS.search(process.output), process.name


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_a_cut_network_at_the_same_server(kind: str, site: Site) -> None:
    site.processes.append(site.start_worker(env=SETTINGS, threads=2))
    server = site.server(kind)
    with Relay(server.port) as network:
        client = Client(network.port)
        client.send("a", "b")
        assert client.receive(2) == ["echo a", "echo b"]
        network.cut()
        site.say("missed")
        client = Client(network.port, client)
        assert (client.answer["resumed"], client.answer["gap"]) == (True, False)
        assert client.receive() == ["missed"]
        client.send("c")
        assert client.receive() == ["echo c"]
        network.cut()
        client = Client(network.port, client)
        site.assert_ends_once(client)
    assert len(site.seen("resume")) == 2


@pytest.mark.parametrize("pair", PAIRS)
def test_another_server_takes_over(pair: tuple[str, str], site: Site) -> None:
    one, two = site.servers(pair)
    with Relay(one.port) as network:
        client = Client(network.port)
        client.send("a")
        client.receive()
        network.cut()
        site.say("missed 1", "missed 2")
        client = Client(two.port, client)
        assert (client.answer["resumed"], client.answer["gap"]) == (True, False)
        assert client.receive(2) == ["missed 1", "missed 2"]
        client.send("b")
        assert client.receive() == ["echo b"]
        site.say("live")
        assert client.receive() == ["live"]
        client.cut()
        client = Client(one.port, client)  # and back
        client.send("c")
        assert client.receive() == ["echo c"]
        site.assert_ends_once(client)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("place", ["same", "other"])
def test_a_half_open_socket_is_replaced(pair: tuple[str, str], place: str, site: Site) -> None:
    one, two = site.servers(pair)
    with Relay(one.port) as network:
        client = Client(network.port)
        client.send("a")
        client.receive()
        network.freeze()
        client.send("lost on its way")
        site.say("lost on its way back")
        old, client = client, Client((one if place == "same" else two).port, client)
        assert (client.answer["received"], client.answer["gap"]) == (1, False)
        assert sorted(client.receive(2)) == ["echo lost on its way", "lost on its way back"]
        old.cut()
        site.assert_ends_once(client)


def test_a_living_socket_is_told_that_it_is_replaced(site: Site) -> None:
    one, two = site.servers(("daphne", "uvicorn"))
    first = Client(one.port)
    second = Client(two.port, first)
    assert first.close_code() == REPLACED
    third = Client(two.port, second)
    assert second.close_code() == REPLACED
    site.assert_ends_once(third)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_killed_server(pair: tuple[str, str], site: Site) -> None:
    one, two = site.servers(pair)
    client = Client(one.port, path="/wait/")
    client.send("a")
    site.go()
    client.receive()
    client.send("b", "c", "d")  # one of them runs, and others wait at the server
    one.process.signal(signal.SIGKILL)
    one.process.wait()
    client = Client(two.port, client, path="/wait/")
    assert client.answer["resumed"]
    assert client.answer["gap"]
    site.go(3)
    assert client.receive(3) == ["echo b", "echo c", "echo d"]
    site.assert_ends_once(client)


def test_a_killed_server_whose_client_comes_late(site: Site) -> None:
    one, two = site.servers(("daphne", "daphne"))
    client = Client(one.port)
    client.send("a")
    client.receive()
    one.process.signal(signal.SIGKILL)
    one.process.wait()
    worker = site.processes[0]
    wait_for(lambda: "Marked" in worker.output or "dead" in worker.output, worker.describe, 30)
    client = Client(two.port, client)
    assert client.answer["resumed"]
    site.assert_ends_once(client)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("drain", ["0", "1"])
def test_a_deploy(pair: tuple[str, str], drain: str, site: Site) -> None:
    one, two = site.servers(pair, DRAIN_TIME=drain, RETURN_TIME="2")
    clients = [Client(one.port) for _ in range(5)]
    for client in clients:
        client.send("a")
        client.receive()
    clients[0].cut()
    one.process.signal(signal.SIGTERM)
    assert {client.close_code() for client in clients[1:]} == {SERVER_STOPS}
    clients = [Client(two.port, client) for client in clients]
    assert all(client.answer["resumed"] for client in clients)
    if drain != "0":
        assert not any(client.answer["gap"] for client in clients)
    one.process.wait()
    site.say("after the deploy")
    for client in clients:
        assert client.receive() == ["after the deploy"]
        client.send("b")
        assert client.receive() == ["echo b"]
        client.close()
    rows = site.until_seen("disconnect", 5)
    assert [(row["code"], row["texts"]) for row in rows] == [(1000, ["a", "b"])] * 5


@pytest.mark.parametrize("end", ["cut", "SIGKILL", "SIGTERM"])
def test_a_client_that_does_not_come_back_ends_once(end: str, site: Site) -> None:
    one, two = site.servers(("daphne", "uvicorn"), RESUME_TIME="2")
    client, other = Client(one.port), Client(two.port)
    client.send("a")
    client.receive()
    if end == "cut":
        client.cut()
    else:
        one.process.signal(signal.Signals[end])
        one.process.wait()
    site.until_seen("disconnect")
    late = Client(two.port, client)
    assert not late.answer["resumed"]
    late.close()
    other.close()
    rows = site.until_seen("disconnect", 3)
    assert [row["texts"] for row in rows] == [["a"], [], []]
    names = [row["name"] for row in rows]
    assert len(set(names)) == 3


HOSTILE = [
    "resume.",
    "resume.x.1",
    "resume." + "a" * 3_000 + ".1",
    "resume.0123456789abcdef!kept.60.0123456789abcdef.0.AAAA.1",
    "resume.0123456789abcdef!kept.60.0123456789abcdef.0." + "A" * 43 + ".1",
    "resume.0123456789abcdef!once.0123456789abcdef.0." + "A" * 43 + ".1",
]


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_hostile_tokens_open_new_connections(kind: str, site: Site) -> None:
    site.processes.append(site.start_worker(env=SETTINGS, threads=2))
    server = site.server(kind)
    victim = Client(server.port)
    offers = [*HOSTILE, f"resume.{victim.token[:-1]}A.0", f"resume.{victim.token}.-1"]
    for offer in offers:
        offered = [Subprotocol("channels-workers.v1"), Subprotocol(offer)]
        with connect(f"{server.socket_url}/echo/", subprotocols=offered) as socket:
            assert not json.loads(socket.recv(TIMEOUT))["resumed"]
    offered = [Subprotocol(f"resume.{victim.token}.{number}") for number in range(2)]
    with connect(f"{server.socket_url}/echo/", subprotocols=offered) as socket:
        assert not json.loads(socket.recv(TIMEOUT))["resumed"]
    elsewhere = Client(server.port, victim, path="/other/")
    assert not elsewhere.answer["resumed"]
    elsewhere.close()
    victim.send("a")
    assert victim.receive() == ["echo a"]
    victim.close()


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_many_that_vanish_are_bounded(kind: str, site: Site) -> None:
    site.environment = {**SETTINGS, "PARKED": "50"}
    site.processes.append(site.start_worker(env=site.environment, threads=4))
    server = site.server(kind)
    for _ in range(4):
        clients = [Client(server.port) for _ in range(50)]
        for client in clients:
            client.cut()
    rows = site.until_seen("disconnect", 150)
    assert {row["code"] for row in rows} == {1006}
    last = Client(server.port, clients[-1])
    assert last.answer["resumed"]
    last.close()
    site.until_seen("disconnect", 151)
    assert server.process.output.count("wait for their clients") == 1
