"""What an interface server tells probers, and how it drains: one socket after the other."""

import asyncio
import os
import signal
import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.protocol import State

from channels_workers.interface.close_codes import SERVER_STOPS
from labs.harness.processes import Process
from labs.harness.raw_socket import handshake
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb, StartWorker
from tests.processes.echo import ENDED

SERVERS = ("daphne", "uvicorn")
SOCKETS = 200
TIMEOUT = 60
ECHO = {"DJANGO_SETTINGS_MODULE": "tests.processes.echo"}
SLOW_PAGE = {"DJANGO_SETTINGS_MODULE": "tests.processes.slow_page"}
#: Longer than a test may last, so nothing waits for it in vain.
FOR_EVER = {**ECHO, "DRAIN_TIME": "600"}
CLOSE_FRAME = b"\x88"


async def open_sockets(server: Server, number: int, first: int = 0) -> list[ClientConnection]:
    addresses = (f"{server.socket_url}/{each}/" for each in range(first, first + number))
    return await asyncio.gather(*(connect(each, open_timeout=TIMEOUT) for each in addresses))


def count_open(sockets: Sequence[ClientConnection]) -> int:
    return sum(map(is_open, sockets))


def is_open(each: ClientConnection) -> bool:
    return each.state is State.OPEN


async def first_close(sockets: Sequence[ClientConnection]) -> None:
    waiting = [asyncio.create_task(each.wait_closed()) for each in sockets]
    await asyncio.wait(waiting, timeout=TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def is_answered(each: ClientConnection, text: str) -> bool:
    try:
        await each.send(text)
        return await each.recv() == text
    except ConnectionClosed:
        return False


async def status_of_handshake(server: Server) -> int:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{server.socket_url}/late/", open_timeout=TIMEOUT)
    return refused.value.response.status_code


def ends_noted(redis_server: RedisServer) -> list[bytes]:
    with redis_server.client() as client:
        return client.lrange(ENDED, 0, -1)  # type: ignore[return-value]


def is_ready(server: Server) -> bool:
    return server.probe("/readyz")[0] == 200


def says(server: Server, name: str, result: str) -> bool:
    status, checks = server.probe("/readyz")
    return status == 503 and checks[name] == result


def assert_readiness_follows(
    server: Server, worker: Process, start_worker: Callable[[], Process], redis: RedisServer
) -> None:
    """Check that it is not ready without Redis or without a worker, and recovers."""
    wait_for(lambda: is_ready(server), "a server that is ready")
    assert server.probe("/healthz") == (200, {"process": "ok"})
    redis.stop()
    wait_for(lambda: says(server, "layer", "does not answer"), "no Redis")
    assert server.probe("/healthz") == (200, {"process": "ok"})
    redis.start()
    wait_for(lambda: is_ready(server), "Redis again", timeout=TIMEOUT)
    worker.terminate()
    wait_for(lambda: says(server, "workers", "none is alive"), "no worker")
    start_worker()
    wait_for(lambda: is_ready(server), "the other worker")


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_draining_server_closes_its_sockets_one_by_one(
    kind: str, start_web: StartWeb, start_worker: StartWorker, redis_server: RedisServer
) -> None:
    server = start_web(kind, env={**ECHO, "DRAIN_TIME": "6", "RETURN_TIME": "2.5"})
    start = partial(start_worker, env=ECHO, threads=2)
    worker = start()
    async with asyncio.timeout(2 * TIMEOUT):
        (before,) = await open_sockets(server, 1)  # stays open throughout
        await asyncio.to_thread(assert_readiness_follows, server, worker, start, redis_server)
        sockets = [before, *await open_sockets(server, SOCKETS, first=1)]
        server.process.signal(signal.SIGTERM)
        await first_close(sockets)
        assert count_open(sockets) > len(sockets) / 2
        await assert_the_rest_goes_on(server, [each for each in sockets if is_open(each)])
        await asyncio.gather(*(each.wait_closed() for each in sockets))
    closes = {(each.close_code, each.close_reason) for each in sockets}
    assert closes == {(SERVER_STOPS, "retry-after: 2.5")}
    assert await asyncio.to_thread(server.process.wait) in (0, -signal.SIGTERM)
    paths = sorted(f"/{number}/".encode() for number in range(len(sockets)))
    wait_for(lambda: len(ends_noted(redis_server)) >= len(paths), "all ends", timeout=TIMEOUT)
    assert sorted(ends_noted(redis_server)) == paths


async def assert_the_rest_goes_on(server: Server, sockets: Sequence[ClientConnection]) -> None:
    """Check that frames and pages are answered, handshakes refused, and it is `draining`."""
    ready = asyncio.to_thread(says, server, "server", "draining")
    alive = asyncio.to_thread(server.probe, "/healthz")
    page = asyncio.to_thread(server.get, "/accounts/login/")
    served = asyncio.gather(ready, alive, page, status_of_handshake(server))
    assert any(await asyncio.gather(*(is_answered(each, "in the drain") for each in sockets)))
    said, healthy, shown, refused = await served
    assert said
    assert healthy == (200, {"process": "ok"})
    assert "<form" in shown
    assert refused == 403


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_slow_client_still_gets_the_close_code(
    kind: str, start_web: StartWeb, start_worker: StartWorker
) -> None:
    """Daphne alone resets the connection after a second, so such a client could not answer."""
    server = start_web(kind, env={**ECHO, "DRAIN_TIME": "2.5"})
    start_worker(env=ECHO)
    late = [await asyncio.to_thread(connect_deaf, server) for _ in range(5)]
    server.process.signal(signal.SIGTERM)
    for each in late:  # the last one gets its frame 2 s after the first, in any order
        assert await asyncio.to_thread(each.recv, 1, socket.MSG_PEEK) == CLOSE_FRAME
    for each in late:
        each.sendall(CLOSE_FRAME + b"\x82" + bytes(4) + struct.pack("!H", SERVER_STOPS))
        assert each.recv(100)[2:] == struct.pack("!H", SERVER_STOPS) + b"retry-after: 1"
        each.close()
    assert await asyncio.to_thread(server.process.wait) in (0, -signal.SIGTERM)


def status(server: Server, path: str) -> int:
    try:
        with urllib.request.urlopen(server.url + path, timeout=TIMEOUT) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.parametrize("kind", SERVERS)
def test_a_page_in_flight_is_finished_before_shutdown(
    kind: str, start_web: StartWeb, tmp_path: Path
) -> None:
    """Django's thread would otherwise wait for Daphne's event loop for ever."""
    fifo = tmp_path / "page"
    os.mkfifo(fifo)
    server = start_web(kind, env={**SLOW_PAGE, "PAGE": str(fifo)})
    with ThreadPoolExecutor() as browser:
        answer = browser.submit(server.get, "/slow/")
        with fifo.open("w") as page:  # opens when the view reads
            server.process.signal(signal.SIGTERM)
            wait_for(lambda: status(server, "/other/") == 503, "no more pages")
            page.write("late")
        assert answer.result(TIMEOUT) == "late"
    assert server.process.wait() in (0, -signal.SIGTERM)


async def test_sigint_closes_all_sockets_at_once_and_cuts_clients_that_do_not_read(
    start_web: StartWeb, start_worker: StartWorker
) -> None:
    """uvicorn alone would wait for such a client until it is killed."""
    server = start_web("uvicorn", env=FOR_EVER)
    start_worker(env=ECHO)
    async with asyncio.timeout(TIMEOUT):
        sockets = await open_sockets(server, 3)
        deaf = await asyncio.to_thread(connect_deaf, server)
        await asyncio.to_thread(send_until_it_is_full, deaf)
        server.process.signal(signal.SIGINT)
        await asyncio.gather(*(each.wait_closed() for each in sockets))
    assert {(each.close_code, each.close_reason) for each in sockets} == {(SERVER_STOPS, "")}
    await asyncio.to_thread(server.process.wait)
    deaf.close()


def connect_deaf(server: Server) -> socket.socket:
    """An open socket whose client never reads."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.settimeout(TIMEOUT)
    deaf.connect(("127.0.0.1", server.port))
    deaf.sendall(handshake(server.port, "/"))
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += (byte := deaf.recv(1))
        assert byte, answer
    assert b" 101 " in answer
    return deaf


def send_until_it_is_full(deaf: socket.socket) -> None:
    """Send frames until the echoes fill all buffers between server and client."""
    text = b"x" * 60_000
    for _ in range(100):
        deaf.sendall(b"\x81\xfe" + struct.pack("!H", len(text)) + bytes(4) + text)
