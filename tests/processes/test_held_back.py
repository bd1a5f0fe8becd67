"""Backpressure: servers keep a bounded amount for clients that flood or do not read."""

import json
import re
import selectors
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, cast

import pytest

from channels_workers.interface.close_codes import SERVER_STOPS
from labs.harness import ports
from labs.harness.processes import Process, Processes
from labs.harness.raw_socket import CLOSE, PING, PONG, TEXT, RawSocket, deflated, frame
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import Shared
from tests.processes.mirror import ENDED, GO, RUN

MIRROR = {"DJANGO_SETTINGS_MODULE": "tests.processes.mirror"}

COMMANDS = {
    "daphne": "daphne -v 0 -p $PORT --websocket_timeout -1 --websocket_connect_timeout 20",
    **{
        f"uvicorn-{name}": f"uvicorn --port $PORT --ws {name}"
        for name in ("websockets-sansio", "wsproto", "websockets")
    },
    "uvicorn-uvloop": "uvicorn --port $PORT --loop uvloop",
}

#: Ends clients without pongs soon, and not those of a slow machine.
PINGS = {
    name: "--ping-interval 1 --ping-timeout 2"
    if name == "daphne"
    else "--ws-ping-interval 0.5 --ws-ping-timeout 2"
    for name in COMMANDS
}
#: `--ws websockets` stops reading while its pongs are not read.
CUTTING = [name for name in COMMANDS if name != "uvicorn-websockets"]
COMPRESSING = [name for name in COMMANDS if name != "daphne"]

Start = Callable[..., Server]
OpenMany = Callable[..., list[RawSocket]]


@pytest.fixture(scope="module")
def worker(shared: Shared) -> Process:
    """The worker of all tests."""
    return shared.start_worker(env=MIRROR)


@pytest.fixture
def redis_server(shared: Shared, worker: Process) -> Iterator[RedisServer]:
    """The Redis of all tests, with the notes of one. A test ends with its last disconnect."""
    yield shared.redis
    with shared.redis.client() as client:
        wait_for(lambda: not client.keys("*:connections:*"), "the end of all connections")
        client.delete(RUN, ENDED, GO)


@pytest.fixture
def start(redis_server: RedisServer, shared: Shared, start_process: Processes) -> Start:
    """Starts a server for one test."""
    return starter(shared, start_process)


@pytest.fixture(scope="module")
def plain(request: pytest.FixtureRequest, worker: Process, shared: Shared) -> Iterator[Server]:
    """A server for all tests of the kind; the first of them measures its memory."""
    server = starter(shared, shared.start_process)(request.param)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def pinging(request: pytest.FixtureRequest, worker: Process, shared: Shared) -> Iterator[Server]:
    """The same with pings."""
    server = starter(shared, shared.start_process)(request.param, pings=True)
    yield server
    server.stop()


def starter(shared: Shared, start_process: Processes) -> Start:
    def start(
        kind: str, env: dict[str, str] | None = None, *, pings: bool = False, **limits: Any
    ) -> Server:
        port = ports.free_port()
        given = {**shared.environment, **MIRROR, "LIMITS": json.dumps(limits), "PORT": str(port)}
        words = (
            "exec",
            COMMANDS[kind],
            PINGS[kind] if pings else "",
            "chat_project.asgi:application",
        )
        command = ["/bin/sh", "-c", " ".join(words)]
        started = start_process(command, name=kind, env=given | (env or {}))
        return Server(port, started.wait_until_listening(port))

    return start


@pytest.fixture
def open_many() -> Iterator[OpenMany]:
    with ExitStack() as stack:

        def open_many(number: int, server: Server, path: str = "/") -> list[RawSocket]:
            sockets = (RawSocket(server.port, path, deflate=True) for _ in range(number))
            return [stack.enter_context(each) for each in sockets]

        yield open_many


def notes(redis_server: RedisServer, name: str) -> list[str]:
    with redis_server.client() as client:
        return [each.decode() for each in client.lrange(name, 0, -1)]


def go_on(redis_server: RedisServer) -> None:
    """Release the consumers of /stuck/."""
    with redis_server.client() as client:
        client.rpush(GO, "on")


def send_until_cut(client: RawSocket, data: bytes) -> None:
    """Send *data* until the connection is cut. AssertionError after 200 MB."""
    with suppress(ConnectionError):
        for _ in range(200_000_000 // len(data)):
            client.send(data)
        raise AssertionError("The connection is still open.")


def texts(client: RawSocket) -> Iterator[bytes]:
    for opcode, payload in client.frames():
        assert opcode in (TEXT, PING), (opcode, payload)
        if opcode == TEXT:
            yield payload


def send_and_answer(client: RawSocket, texts: list[bytes], pings: SimpleQueue[bytes]) -> None:
    """Send frames with these texts, and before each one the pongs that are due."""
    for text in texts:
        with suppress(Empty):
            while True:
                client.send(frame(pings.get_nowait(), PONG))
        client.send(frame(text))


@pytest.mark.parametrize("pinging", COMMANDS, indirect=True)
def test_frames_sent_while_workers_are_busy_are_delivered_in_order(
    pinging: Server, redis_server: RedisServer
) -> None:
    numbers = [b"%06d" % number + b" " * 64_000 for number in range(250)]
    with RawSocket(pinging.port, "/stuck/") as client:
        assert client.is_open
        before = pinging.process.memory / 1024
        pings: SimpleQueue[bytes] = SimpleQueue()
        sender = threading.Thread(target=send_and_answer, args=(client, numbers, pings))
        sender.start()
        heard = client.frames()
        for _ in range(4):  # the pongs are stuck behind the frames
            opcode, payload = next(heard)
            assert opcode == PING
            pings.put(payload)
        assert sender.is_alive()
        assert pinging.process.memory / 1024 - before < 12
        go_on(redis_server)
        for number in numbers:
            while (got := next(heard))[0] == PING:
                pings.put(got[1])
            assert got == (TEXT, number)
        sender.join()


@pytest.mark.parametrize("kind", ["daphne", "uvicorn-websockets-sansio"])  # it takes 20 s
def test_a_client_that_leaves_while_held_back_is_noticed_and_leaves_few_frames(
    kind: str, start: Start, redis_server: RedisServer
) -> None:
    server = start(kind, LEFT_FRAMES=5)
    with RawSocket(server.port, "/stuck/") as client:
        assert client.send_until_held(frame(b"x" * 2000) * 10, 10_000) < 10_000
    server.process.wait_for_line("Dropped .* whose client has left: LEFT_FRAMES exceeded")
    go_on(redis_server)
    (end,) = wait_for(lambda: notes(redis_server, ENDED), "the disconnect consumer")
    assert re.fullmatch("/stuck/ 100[56]", end)
    assert len(notes(redis_server, RUN)) == 6  # one was in flight


@pytest.mark.parametrize("plain", COMMANDS, indirect=True)
def test_queued_and_orphaned_frames_of_many_clients_use_bounded_memory(
    plain: Server,
    open_many: OpenMany,
    redis_server: RedisServer,
) -> None:
    clients = open_many(40, plain, "/stuck/")
    before = plain.process.memory / 1024
    for client in clients:
        data = deflated(b" " * 60_000) if "deflate" in client.answer else frame(b" " * 60_000)
        client.send_until_held(data * 10, 15, quiet=0.05)
    assert plain.process.memory / 1024 - before < 48
    for client in clients:
        client.close()
    go_on(redis_server)
    with RawSocket(plain.port, "/fast/") as client:
        client.send(frame(b"still here"))
        assert next(texts(client)) == b"still here"
    assert plain.process.memory / 1024 - before < 48


@pytest.mark.parametrize("kind", COMPRESSING)
def test_decompressed_frames_use_bounded_memory(
    kind: str, start: Start, open_many: OpenMany
) -> None:
    server = start(kind)
    bomb = deflated(b" " * 12_000_000)
    assert len(bomb) < 20_000
    clients = open_many(20, server)
    before = server.process.memory / 1024
    for client in clients:
        client.send(bomb)
    for client in clients:
        assert client.until_cut() in ([1009], [4009])
    assert server.process.memory / 1024 - before < 64


@pytest.mark.parametrize("kind", CUTTING)
def test_pings_with_unread_pongs_cut_the_connection(
    kind: str, start: Start, redis_server: RedisServer
) -> None:
    server = start(kind, REPLY_BYTES_WAITING=100_000)
    with RawSocket(server.port) as client:
        send_until_cut(client, frame(b"p" * 125, PING) * 500)
        ends = wait_for(lambda: notes(redis_server, ENDED), "the disconnect consumer")
    assert ends == ["/ 4010"]


@pytest.mark.parametrize("plain", ["daphne", "uvicorn-websockets-sansio"], indirect=True)
def test_a_message_of_endless_fragments_cuts_the_connection(
    plain: Server, redis_server: RedisServer
) -> None:
    with RawSocket(plain.port) as client:
        client.send(frame(b"", fin=False))
        send_until_cut(client, frame(b"", 0, fin=False) * 5_000)
        ends = wait_for(lambda: notes(redis_server, ENDED), "the disconnect consumer")
    assert ends == ["/ 4009"]


@pytest.mark.parametrize("kind", ["daphne", "uvicorn-websockets-sansio"])
def test_a_server_without_backpressure_closes_at_the_limit_and_logs_once(
    kind: str,
    start: Start,
    open_many: OpenMany,
    redis_server: RedisServer,
) -> None:
    server = start(kind, {"SERVER_PARTS_ARE_MISSING": "yes"}, FRAMES_WAITING=50)
    clients = open_many(2, server, "/stuck/")
    for client in clients:
        client.send(frame(b"x") * 60)
        assert client.until_cut() == [4008]
    go_on(redis_server)
    output = server.process.output
    assert len(re.findall("Clients of this .* cannot be held back", output)) == 1
    assert len(re.findall(r"Closing /stuck/: 50 frames of it wait", output)) == 1


@contextmanager
def flooding(clients: list[RawSocket], data: bytes) -> Iterator[None]:
    """Let these clients send *data* again and again, and read all answers, in the block."""
    over = threading.Event()
    thread = threading.Thread(target=flood, args=(clients, data, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def flood(clients: list[RawSocket], data: bytes, over: threading.Event) -> None:
    left = {client.line: data for client in clients}
    with selectors.DefaultSelector() as selector:
        for line in left:
            line.setblocking(False)
            selector.register(line, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while not over.is_set():
            for key, events in selector.select(1):
                line = cast("socket.socket", key.fileobj)
                with suppress(BlockingIOError):
                    if events & selectors.EVENT_READ:
                        assert line.recv(2**20), "A flooding client was cut."
                    if events & selectors.EVENT_WRITE:
                        left[line] = left[line][line.send(left[line]) :] or data


@pytest.mark.parametrize("kind", ["daphne", "uvicorn-websockets-sansio", "uvicorn-uvloop"])
def test_pings_of_many_clients_keep_nobody_out(
    kind: str, start: Start, open_many: OpenMany, redis_server: RedisServer
) -> None:
    """Each ping costs the server far more than it costs the client, and no limit counts pings."""
    server = start(kind)
    flooders = open_many(20, server, "/fast/")
    with flooding(flooders, frame(b"", PING) * 5_000):
        for number in range(5):
            with RawSocket(server.port, "/fast/") as client:
                client.send(frame(b"%d" % number))
                assert next(texts(client)) == b"%d" % number
    assert "evicted" not in server.process.output


#: Log lines, once each, of a server without any private part.
WITHOUT_PARTS = {
    "daphne": (
        "Clients of this Daphne cannot be held back",
        "Frames go to its clients by a task for each socket",
        "answers that clients do not read pile up",
        "bodies of requests are judged only when they are here",
    ),
    "uvicorn": (
        "Clients of this uvicorn cannot be held back",
        "Frames go to its clients by a task for each socket",
        "clients that do not read their answers keep them",
        "The time for heads of requests is not bounded",
    ),
}


@pytest.mark.parametrize("kind", list(COMMANDS))
def test_sockets_and_pages_work_without_any_private_part_of_the_server(
    kind: str,
    start: Start,
    redis_server: RedisServer,
) -> None:
    """A release without these parts costs speed and bounds, never service."""
    server = start(kind, {"SERVER_PARTS_ARE_MISSING": "yes"})
    with RawSocket(server.port, "/other/") as refused:
        assert " 403 " in refused.answer.splitlines()[0]
    numbers, large = [b"%d" % number for number in range(200)], b"x" * 200_000
    with RawSocket(server.port) as stays, RawSocket(server.port) as leaves:
        for client in (stays, leaves):
            client.send(b"".join(map(frame, numbers)) + frame(large))
        for client in (stays, leaves):
            heard = texts(client)
            assert [next(heard) for _ in numbers] == numbers
            assert next(heard) == large
        leaves.send(frame((3456).to_bytes(2), CLOSE))
        assert leaves.until_cut() in ([3456], [1000])  # Daphne's answer is 1000
        wait_for(lambda: "/ 3456" in notes(redis_server, ENDED), "the disconnect consumer")
        for _ in range(2):
            assert "<html" in server.get("/")
        server.process.signal(signal.SIGTERM)
        assert stays.until_cut() == [SERVER_STOPS]
        assert server.process.wait() in (0, -signal.SIGTERM)
    wait_for(lambda: len(notes(redis_server, ENDED)) == 3, "the disconnect consumers")
    assert sorted(notes(redis_server, ENDED)) == ["/ 3456", f"/ {SERVER_STOPS}", "/other/ 1006"]
    output = server.process.output
    for line in WITHOUT_PARTS[kind.partition("-")[0]]:
        assert output.count(line) == 1, line
    assert "Traceback" not in output


@pytest.mark.parametrize("kind", ["daphne", "uvicorn-websockets-sansio"])
def test_repeatable_client_errors_are_logged_once(kind: str, start: Start) -> None:
    server = start(kind, FRAME_SIZE=100)
    for _ in range(3):
        for data in (frame(b"\xff"), frame(b"x" * 101)):
            with RawSocket(server.port) as client:
                client.send(data)
                client.until_cut()
        with RawSocket(server.port, Sec_WebSocket_Protocol="\xff") as client:
            assert not client.is_open
        with RawSocket(server.port, "/other/") as client:
            assert " 403 " in client.answer.splitlines()[0]
    output = server.process.output
    assert output.count("a frame of it has 101 bytes") == 1
    assert output.count("Invalid UTF-8") == (kind != "daphne")
    assert output.count("accepts with the subprotocol other, and its client offered none") == 1
    assert "Traceback" not in output


@pytest.mark.parametrize("pinging", ["daphne", "uvicorn-websockets-sansio"], indirect=True)
def test_a_held_back_client_without_pongs_is_closed(
    pinging: Server, redis_server: RedisServer
) -> None:
    with RawSocket(pinging.port, "/fast/") as client:
        client.send(frame(b"x") * 300)  # held back, then released
        assert client.until_cut() in ([], [1011])
