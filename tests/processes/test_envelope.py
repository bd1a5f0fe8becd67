"""Envelopes with real servers and workers: kills, repeated nonces and hostile clients."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from labs.harness.server import Server
from tests.conftest import Shared, StartWeb, StartWorker

V1 = Subprotocol("channels-workers.v1")
ENV = {"DJANGO_SETTINGS_MODULE": "tests.processes.envelopes"}


class Site:
    """Both servers and two workers, for the tests that kill none of them."""

    def __init__(self, shared: Shared) -> None:
        self.servers = {name: shared.start_web(name, env=ENV) for name in ("daphne", "uvicorn")}
        self.workers = [shared.start_worker(env=ENV, threads=2) for _ in range(2)]
        self.database_url = shared.environment["DATABASE_URL"]


@pytest.fixture(scope="module")
def site(shared: Shared) -> Site:
    return Site(shared)


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, site: Site) -> Server:
    return site.servers[request.param]


@pytest.fixture
def socket(server: Server) -> Iterator[ClientConnection]:
    with opened(server) as found:
        yield found


def opened(server: Server, owner: str = "ann") -> ClientConnection:
    return connect(f"{server.socket_url}/{owner}/", open_timeout=60, subprotocols=[V1])


def receive(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(60))


def ask(socket: ClientConnection, **frame: Any) -> Any:
    socket.send(json.dumps(frame))
    return receive(socket)


def labels(database_url: str, beginning: str = "") -> list[str]:
    """The labels of the rooms in the database that begin so."""
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as database:
        found = database.execute("SELECT label FROM chat_room ORDER BY id").fetchall()
    database.close()
    return [label for (label,) in found if label.startswith(beginning)]


@pytest.mark.parametrize("trouble", ["none", "dead", "killed"])
def test_a_message_counts_once(
    trouble: str, start_web: StartWeb, start_worker: StartWorker, database_url: str
) -> None:
    server = start_web(env=ENV)
    for _ in range(2):
        start_worker(env=ENV, threads=2)
    with opened(server) as socket:
        check_that_it_counts_once(trouble, socket, server)
    assert labels(database_url) == ["one", "two"]


def check_that_it_counts_once(trouble: str, socket: ClientConnection, server: Server) -> None:
    assert socket.subprotocol == V1
    assert ask(socket, type="join", id=1, group="1")["type"] == "joined"
    frame = {"stream": "room", "payload": f"{trouble} one", "nonce": "n"}
    first, second = ask(socket, **frame), receive(socket)
    assert {"ack", "message"} == {first["type"], second["type"]}
    assert ask(socket, **frame) == {"type": "ack", "nonce": "n"}
    with opened(server) as again:
        assert ask(again, **frame) == {"type": "ack", "nonce": "n"}
    with opened(server, "bob") as other:
        assert ask(other, stream="room", payload="none two", nonce="n")["type"] == "ack"
    assert receive(socket)["payload"] == "two"
    assert ask(socket, type="ping", id=2) == {"type": "pong", "id": 2}


def test_a_message_that_comes_on_ten_sockets_at_once(server: Server, site: Site) -> None:
    name = server.kind
    with ExitStack() as stack:
        sockets = [stack.enter_context(opened(server)) for _ in range(10)]
        for number in range(5):
            for socket in sockets:
                frame = {
                    "stream": "room",
                    "payload": f"none {name}{number}",
                    "nonce": f"{name}{number}",
                }
                socket.send(json.dumps(frame))
        for socket in sockets:
            for number in range(5):
                assert receive(socket) == {"type": "ack", "nonce": f"{name}{number}"}
    assert labels(site.database_url, name) == [f"{name}{number}" for number in range(5)]


def test_a_client_that_comes_back_misses_nothing(server: Server) -> None:
    with opened(server) as one, opened(server) as two:
        at = ask(one, type="join", id=1, group="1")["at"]
        one.close()
        for label in "abc":
            payload = f"none {label}-{server.kind}"
            assert ask(two, type="request", id=1, stream="room", payload=payload)["type"] == "reply"
    with opened(server) as again:
        again.send(json.dumps({"type": "join", "id": 2, "group": "1", "since": at}))
        found = [receive(again) for _ in range(4)]
    assert [each.get("payload", "")[:2] for each in found] == ["a-", "b-", "c-", ""]
    assert (found[3]["type"], found[3]["gap"], found[3]["at"]) == ("joined", False, found[2]["at"])


HOSTILE: list[str | bytes] = [
    "",
    "null",
    "[" * 50_000,
    '{"payload":' * 1_000 + "1" + "}" * 1_000,
    '{"payload": NaN}',
    '{"payload": 1e999}',
    f'{{"payload": {"9" * 100_000}}}',
    '{"payload": 1, "payload": 2}',
    '{"payload": "\\ud800", "stream": "room"}',
    '{"payload": "x", "stream": "\\u0000"}',
    '{"payload": "x", "stream": "room", "nonce": "\\u0000"}',
    '{"type": {"type": []}}',
    '{"type": "channels_workers.token", "token": "x"}',
    '{"type": "join", "id": 1, "group": "1", "since": "' + "9" * 100_000 + '"}',
    '{"type": "join", "id": 1, "group": "' + "1" * 100 + '"}',
    '{"type": "join", "id": 9007199254740993, "group": "1"}',
    "{" + ",".join(f'"{number}":1' for number in range(20_000)) + "}",
    b"\x00\xff",
]


def test_hostile_frames(socket: ClientConnection, site: Site) -> None:
    before = output_of(site).count("Traceback")
    for frame in HOSTILE:
        socket.send(frame)
        answer = receive(socket)
        assert answer["type"] in ("error", "joined"), frame[:50]
        assert ask(socket, type="ping") == {"type": "pong"}
    assert all(worker.is_running for worker in site.workers)
    lines = output_of(site)
    assert "\x00" not in lines
    # The name of a group is longer than a layer takes: may_join() of the test lets it through.
    assert lines.count("Traceback") == before + 1


def output_of(site: Site) -> str:
    return "".join(worker.output for worker in site.workers)


def test_very_many_joins(socket: ClientConnection, site: Site) -> None:
    for number in range(400):
        socket.send(json.dumps({"type": "join", "id": number, "group": str(number)}))
    found = [receive(socket) for _ in range(400)]
    assert [each["id"] for each in found] == list(range(400))
    assert [each["type"] for each in found] == ["joined"] * 100 + ["error"] * 300
    assert found[-1]["code"] == "denied"
    assert output_of(site).count("JOINS_PER_SOCKET") <= 80  # 20 a minute and worker
