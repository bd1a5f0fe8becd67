"""Sockets without WebSockets, on real servers: server-sent events and POST, and long poll."""

import ast
import random
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labs.harness.nginx import Nginx
from labs.harness.ports import free_port
from labs.harness.processes import Processes
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import Shared, StartWeb, StartWorker
from tests.processes.fallback_client import TIMEOUT, Fallback, raw, request

SERVERS = ("daphne", "uvicorn")
ENV = {"DJANGO_SETTINGS_MODULE": "tests.processes.fallbacks"}


@pytest.fixture(scope="module")
def servers(shared: Shared) -> Iterator[dict[str, Server]]:
    """One server of each kind, with a worker. Nothing that clients do raises an error in them."""
    shared.start_worker(env=ENV)
    started = {kind: shared.start_web(kind, env=ENV) for kind in SERVERS}
    yield started
    for server in started.values():
        assert "Traceback" not in server.process.output
        assert "ERROR" not in server.process.output


def seen(shared: Shared, path: str) -> list[str]:
    """The texts that consumers have received."""
    with shared.redis.client() as client:
        return [text.decode() for text in client.lrange(f"seen:{path}", 0, -1)]


def ends(shared: Shared, path: str) -> list[str]:
    """The codes of disconnects."""
    with shared.redis.client() as client:
        return [text.decode() for text in client.lrange(f"ended:{path}", 0, -1)]


@pytest.mark.parametrize("kind", SERVERS)
def test_a_conversation_by_long_poll(kind: str, servers: dict[str, Server], shared: Shared) -> None:
    client = Fallback([servers[kind].port], f"/room/poll-{kind}/").open("a", "b")
    assert client.protocol == "a"
    assert client.send("one", "two") == 2
    assert client.texts(2) == ["one", "two"]
    assert client.send({"bytes": "AAEC"}) == 3
    assert client.texts(1) == [{"bytes": "AAEC"}]
    assert client.close(3001).status == 200
    wait_for(lambda: ends(shared, client.path) == ["3001"], "the disconnect")
    assert client.ask("send", {"id": client.id, "first": 4, "frames": ["x"]}).status == 410
    assert seen(shared, client.path) == ["one", "two"]


@pytest.mark.parametrize("kind", SERVERS)
def test_a_conversation_by_events(kind: str, servers: dict[str, Server], shared: Shared) -> None:
    client = Fallback([servers[kind].port], f"/room/sse-{kind}/").open()
    with client.stream() as stream:
        headers = stream.response.headers
        assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert headers["X-Accel-Buffering"] == "no"
        client.send("one")
        assert stream.batch()["frames"] == ["one"]
        client.send("zwei\n\u2028 ü")
        assert stream.batch()["frames"] == ["zwei\n\u2028 ü"]
    client.send("three")
    with client.stream() as stream:  # cut, and begun again
        assert stream.batch() == {"first": 3, "frames": ["three"]}
        client.send("close 4321")
        end = {"code": 4321, "reason": "so"}
        assert stream.batch() == {"first": 4, "frames": ["bye"], "close": end}
        assert list(stream.lines()) == [""]
    wait_for(lambda: ends(shared, client.path) == ["4321"], "the disconnect")


def test_a_refused_handshake(servers: dict[str, Server]) -> None:
    for server in servers.values():
        assert request(server.port, "/closed/", "open", {}).status == 403


@pytest.mark.parametrize("kind", SERVERS)
def test_the_consumer_sees_the_handshake_of_the_page(
    kind: str, servers: dict[str, Server], shared: Shared
) -> None:
    headers = {"Cookie": "sessionid=x", "Origin": "http://127.0.0.1"}
    client = Fallback([servers[kind].port], f"/room/headers-{kind}/?a=b", headers).open("a")
    with shared.redis.client() as redis:
        (text,) = redis.lrange(f"connected:/room/headers-{kind}/", 0, -1)
    query, address, scheme, protocols, found = ast.literal_eval(text.decode())
    assert (query, address[0], scheme, protocols) == (b"a=b", "127.0.0.1", "ws", ["a"])
    sent = {bytes(name): bytes(value) for name, value in found}
    assert sent[b"cookie"] == b"sessionid=x"
    assert sent[b"origin"] == b"http://127.0.0.1"
    assert sent[b"sec-websocket-protocol"] == b"a"
    assert not sent.keys() & {b"content-length", b"content-type", b"channels-workers-transport"}
    client.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_pages_of_other_sites_open_nothing(kind: str, servers: dict[str, Server]) -> None:
    port = servers[kind].port
    for origin, status in (("http://127.0.0.1", 200), ("http://evil.example.com", 403)):
        answer = request(port, "/guarded/", "open", {}, {"Origin": origin})
        assert answer.status == status
        assert not [name for name in answer.headers if name.startswith("access-control")]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert request(port, "/room/", "open", {}, form).status == 415


@pytest.mark.parametrize("kind", SERVERS)
def test_lines_of_the_log_have_no_ids(kind: str, servers: dict[str, Server]) -> None:
    client = Fallback([servers[kind].port], f"/room/log-{kind}/").open()
    assert client.ask("receive", {"id": client.id, "after": 9, "by": "poll"}).status == 400
    wait_for(lambda: "a fallback transport is answered" in servers[kind].process.output, "the line")
    assert client.id.partition("/")[2] not in servers[kind].process.output
    client.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_bodies_have_the_limits_of_requests(kind: str, servers: dict[str, Server]) -> None:
    client = Fallback([servers[kind].port], f"/room/large-{kind}/").open()
    frame = "x" * 200_000
    assert client.send(frame) == 1
    assert client.texts(1) == [frame]
    with raw(servers[kind].port) as line:
        line.sendall(
            b"POST /room/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Channels-Workers-Transport: send\r\nContent-Length: 2000000\r\n\r\n"
        )
        assert line.recv(12) == b"HTTP/1.1 413"
    assert client.send("y" * 300_000) == 2  # it is taken, and closes the socket
    assert client.poll()["close"]["code"] == 4009


@pytest.mark.parametrize("kind", SERVERS)
def test_a_stream_that_is_not_read_is_cut_as_a_socket_is(
    kind: str, shared: Shared, servers: dict[str, Server]
) -> None:
    client = Fallback([servers[kind].port], f"/room/deaf-{kind}/").open()
    with client.stream():
        for _ in range(12):
            client.send("many 500 2000")  # a megabyte each
        wait_for(lambda: ends(shared, client.path) == ["4010"], "the end")


def racing(client: Fallback, frames: list[str], seed: int) -> None:
    """Send frames as the network may: several requests at once, some again, some cut."""
    chance = random.Random(seed)
    taken = 0

    def attempt(first: int, ports: int) -> int:
        content = {"id": client.id, "first": first, "frames": frames[first - 1 :][:7]}
        port = client.ports[ports % len(client.ports)]
        timeout = chance.choice([0.02, TIMEOUT])
        try:
            answer = request(port, client.path, "send", content, client.headers, timeout)
        except OSError:  # it is not known whether they came
            return 0
        assert answer.status == 200, answer
        return int(answer.content["received"])

    with ThreadPoolExecutor(4) as pool:
        while taken < len(frames):
            firsts = [max(1, min(len(frames), taken + chance.randint(-5, 3))) for _ in range(4)]
            taken = max([taken, *pool.map(attempt, firsts, range(4))])
            content = {"id": client.id, "first": taken + 1, "frames": frames[taken : taken + 1]}
            taken = max(taken, int(client.ask("send", content).content["received"]))


@pytest.mark.parametrize("kind", [*SERVERS, "both"])
def test_racing_repeated_and_cut_requests(
    kind: str, servers: dict[str, Server], shared: Shared
) -> None:
    """Two server processes, and no sticky sessions."""
    ports = [each.port for name, each in servers.items() if kind in (name, "both")]
    client = Fallback(ports, f"/room/racing-{kind}/").open()
    frames = [f"{number}" for number in range(100)]
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(racing, client, frames, seed=len(kind))
        assert client.texts(100) == frames
        sending.result()
    assert seen(shared, client.path) == frames
    client.close()
    wait_for(lambda: ends(shared, client.path) == ["1000"], "the disconnect")


def test_streams_of_another_server(servers: dict[str, Server]) -> None:
    ports = [server.port for server in servers.values()]
    for number in range(2):
        client = Fallback(ports, f"/room/relayed-{number}/", turn=number).open()
        with client.stream() as stream:
            for text in ("one", "two", "three"):
                client.send(text)
                assert stream.texts(1) == [text]
            client.send("many 1000 200")
            assert len(stream.texts(1_000)) == 1_000
            assert client.close(3001).status == 200


# Processes that end. Each test has servers of its own.


@pytest.fixture
def start(start_web: StartWeb, start_worker: StartWorker) -> Callable[..., list[Server]]:
    """Starts servers of these kinds, and a worker."""

    def start(*kinds: str, **env: str) -> list[Server]:
        start_worker(env={**ENV, **env})
        return [start_web(kind, env={**ENV, **env}) for kind in kinds]

    return start


def codes(redis_server: RedisServer, path: str) -> list[bytes]:
    with redis_server.client() as client:
        found: list[bytes] = client.lrange(f"ended:{path}", 0, -1)
        return found


def test_a_worker_that_is_killed_harms_no_frame(
    start: Callable[..., list[Server]], start_worker: StartWorker, redis_server: RedisServer
) -> None:
    servers = start("daphne", "uvicorn")
    doomed = start_worker(env=ENV)
    client = Fallback([server.port for server in servers]).open()
    frames = [f"{number}" for number in range(300)]
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(client.send_all, *frames[:150])
        found = client.texts(20)
        doomed.kill()
        sending.result()
        client.send_all(*frames[150:])
        found += client.texts(300 - len(found))
    assert found == frames
    client.close()
    wait_for(lambda: codes(redis_server, client.path) == [b"1000"], "the disconnect")


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_that_is_killed_is_410_at_the_others(
    kind: str, start: Callable[..., list[Server]], redis_server: RedisServer
) -> None:
    home, other = start(kind, "uvicorn")
    client = Fallback([home.port, other.port], turn=1).open()
    with client.stream() as stream:  # of the other one
        client.send("one")
        assert stream.texts(1) == ["one"]
        home.process.kill()
        client.ports = [other.port]
        answer = client.ask("send", {"id": client.id, "first": 2, "frames": ["x"]})
        assert answer.status == 410
        assert list(stream.lines())[-1] == ""
    wait_for(lambda: codes(redis_server, client.path) == [b"1006"], "one disconnect")
    again = Fallback([other.port]).open()
    again.send("two")
    assert again.texts(1) == ["two"]
    again.close()
    wait_for(lambda: codes(redis_server, client.path) == [b"1006", b"1000"], "the next")


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_that_stops_closes_its_sockets(
    kind: str, start: Callable[..., list[Server]], redis_server: RedisServer
) -> None:
    home, other = start(kind, "uvicorn", DRAIN_TIME="0.5")
    stopped = [Fallback([home.port], f"/room/{number}/").open() for number in range(2)]
    relayed = Fallback([home.port, other.port], "/room/relayed/", turn=1).open()
    with (
        stopped[0].stream() as stream,
        relayed.stream() as at_other,
        ThreadPoolExecutor(1) as pool,
    ):
        polling = pool.submit(stopped[1].poll)
        stopped[0].send("x")
        assert stream.texts(1) == ["x"]
        home.process.signal(signal.SIGTERM)
        close = {"code": 4013, "reason": "retry-after: 1"}
        assert stream.batch()["close"] == close
        assert at_other.batch()["close"] == close
        assert polling.result()["close"] == close
    home.process.wait()
    for client in (*stopped, relayed):
        wait_for(lambda each=client: codes(redis_server, each.path) == [b"4013"], "one disconnect")


def test_workers_of_uvicorn(
    start_process: Processes,
    start_worker: StartWorker,
    chat_environment: dict[str, str],
    redis_server: RedisServer,
) -> None:
    """Any of its two processes may get a request."""
    start_worker(env=ENV)
    port = free_port()
    command = ["uvicorn", "--host", "127.0.0.1", "--port", f"{port}", "--workers", "2"]
    process = start_process(
        [*command, "chat_project.asgi:application"], env={**chat_environment, **ENV}
    )
    wait_for(lambda: process.output.count("startup complete") == 2, process.describe)
    clients = [Fallback([port], f"/room/{number}/").open() for number in range(8)]
    homes = {client.id.partition("!")[0] for client in clients}
    assert len(homes) <= 2
    for client in clients:
        for number in range(10):
            client.send(f"{number}")
        with client.stream() as stream:
            assert stream.texts(10) == [f"{number}" for number in range(10)]
        client.close()
    for client in clients:
        wait_for(lambda each=client: codes(redis_server, each.path) == [b"1000"], "one disconnect")


NGINX = """
server {{
  listen 127.0.0.1:{port};
  location / {{
    proxy_pass http://servers;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Connection "";
    proxy_read_timeout {silence}s;
  }}
}}
upstream servers {{ {servers} keepalive 8; }}
"""


def start_nginx(
    start_process: Processes, tmp_path: Path, servers: list[Server], silence: int = 60
) -> int:
    """Start nginx in front of the servers, and return its port."""
    (folder := tmp_path / "nginx").mkdir()
    listed = "".join(f"server 127.0.0.1:{server.port};" for server in servers)
    port = free_port()
    http = NGINX.format(port=port, servers=listed, silence=silence)
    Nginx(folder, start_process, http, port)
    return port


def test_behind_nginx_without_sticky_sessions(
    start: Callable[..., list[Server]], start_process: Processes, tmp_path: Path
) -> None:
    """With the defaults of nginx, which buffer answers, and pass no Upgrade on."""
    port = start_nginx(start_process, tmp_path, start("daphne", "uvicorn"))
    client = Fallback([port]).open()
    with client.stream() as stream:
        for text in ("one", "two"):
            client.send(text)
            assert stream.texts(1) == [text]
    client.send("three")
    assert client.texts(1) == ["three"]
    assert client.close().status == 200


def test_a_router_that_ends_what_is_silent(
    start: Callable[..., list[Server]], start_process: Processes, tmp_path: Path
) -> None:
    """Stricter than Heroku's, which wants the first byte in 30 s, and another one in 55 s."""
    servers = start("daphne", "uvicorn")
    port = start_nginx(start_process, tmp_path, servers, silence=25)
    streamed = [Fallback([port], f"/room/stream-{number}/").open() for number in range(2)]
    polled = [Fallback([port], f"/room/poll-{number}/").open() for number in range(2)]

    def stream(client: Fallback) -> None:
        with client.stream() as found:
            comments = 0
            for line in found.lines():
                comments += line == ":"
                if comments == 2:
                    break
            assert comments == 2
            client.send("after the silence")
            assert found.texts(1) == ["after the silence"]

    with ThreadPoolExecutor(4) as pool:
        streams = [pool.submit(stream, client) for client in streamed]
        polls = [pool.submit(client.poll) for client in polled]
        for poll in polls:
            assert poll.result() == {"first": 1, "frames": []}
        for each in streams:
            each.result()
    for client in (*streamed, *polled):
        assert client.close().status == 200
