"""An interface server that gets SIGTERM closes its sockets one by one, and serves the others."""

import asyncio
import signal
import socket
from collections.abc import Sequence

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.protocol import State

from channels_workers.protocol import SERVER_STOPS
from tests.conftest import StartWeb, StartWorker
from tests.processes.echo import ENDED
from tests.processes.redis_server import RedisServer
from tests.processes.server import Server

SERVERS = ("daphne", "uvicorn")
SOCKETS = 300
TIMEOUT = 60
ECHO = {"DJANGO_SETTINGS_MODULE": "tests.processes.echo"}
#: Longer than a test may last: who ends within it has not waited for it.
FOR_EVER = {**ECHO, "DRAIN_TIME": "600"}


async def open_sockets(server: Server, number: int) -> list[ClientConnection]:
    addresses = (f"{server.socket_url}/{each}/" for each in range(number))
    return await asyncio.gather(*(connect(each, open_timeout=TIMEOUT) for each in addresses))


def count_open(sockets: Sequence[ClientConnection]) -> int:
    return sum(each.state is State.OPEN for each in sockets)


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


@pytest.mark.parametrize("kind", SERVERS)
async def test_sockets_are_closed_one_by_one_while_the_others_go_on(
    kind: str, start_web: StartWeb, start_worker: StartWorker, redis_server: RedisServer
) -> None:
    server = start_web(kind, env={**ECHO, "DRAIN_TIME": "3", "RETURN_TIME": "2.5"})
    start_worker(env=ECHO, threads=2)
    async with asyncio.timeout(TIMEOUT):
        sockets = await open_sockets(server, SOCKETS)
        server.process.signal(signal.SIGTERM)
        await first_close(sockets)
        assert count_open(sockets) > SOCKETS / 2
        left = [each for each in sockets if each.state is State.OPEN]
        ready = asyncio.to_thread(server.probe, "/readyz")
        alive = asyncio.to_thread(server.probe, "/healthz")
        page = asyncio.to_thread(server.get, "/accounts/login/")
        served = asyncio.gather(ready, alive, page, status_of_handshake(server))
        answered = await asyncio.gather(*(is_answered(each, "in the drain") for each in left))
        assert any(answered)
        (status, checks), healthy, shown, refused = await served
        assert (status, checks["server"]) == (503, "draining")
        assert healthy == (200, {"process": "ok"})
        assert "<form" in shown
        assert refused == 403
        await asyncio.gather(*(each.wait_closed() for each in sockets))
    closes = {(each.close_code, each.close_reason) for each in sockets}
    assert closes == {(SERVER_STOPS, "retry-after: 2.5")}
    assert await asyncio.to_thread(server.process.wait) in (0, -signal.SIGTERM)
    paths = sorted(f"/{number}/".encode() for number in range(SOCKETS))
    async with asyncio.timeout(TIMEOUT):
        while len(ended := ends_noted(redis_server)) < SOCKETS:  # noqa: ASYNC110  (in Redis)
            await asyncio.sleep(0)
    assert sorted(ended) == paths


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_second_signal_ends_the_drain(
    kind: str, start_web: StartWeb, start_worker: StartWorker
) -> None:
    server = start_web(kind, env=FOR_EVER)
    start_worker(env=ECHO)
    async with asyncio.timeout(TIMEOUT):
        sockets = await open_sockets(server, 3)
        server.process.signal(signal.SIGTERM)
        await first_close(sockets)
        assert count_open(sockets) == 2
        server.process.signal(signal.SIGTERM)
        await asyncio.gather(*(each.wait_closed() for each in sockets))
    await asyncio.to_thread(server.process.wait)


@pytest.mark.parametrize("kind", SERVERS)
async def test_sigint_closes_all_sockets_at_once(
    kind: str, start_web: StartWeb, start_worker: StartWorker
) -> None:
    server = start_web(kind, env=FOR_EVER)
    start_worker(env=ECHO)
    async with asyncio.timeout(TIMEOUT):
        sockets = await open_sockets(server, 3)
        server.process.signal(signal.SIGINT)
        await asyncio.gather(*(each.wait_closed() for each in sockets))
    assert {(each.close_code, each.close_reason) for each in sockets} == {(SERVER_STOPS, "")}
    await asyncio.to_thread(server.process.wait)


@pytest.mark.parametrize("kind", SERVERS)
async def test_without_sockets_a_server_ends_at_once(
    kind: str, start_web: StartWeb, start_worker: StartWorker, redis_server: RedisServer
) -> None:
    server = start_web(kind, env=FOR_EVER)
    start_worker(env=ECHO)
    async with asyncio.timeout(TIMEOUT):
        (only,) = await open_sockets(server, 1)
        await only.close()
        while not ends_noted(redis_server):  # noqa: ASYNC110  (in Redis)
            await asyncio.sleep(0)
    await asyncio.to_thread(server.process.terminate)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_client_that_answers_no_close_frame_keeps_no_server(
    kind: str, start_web: StartWeb, start_worker: StartWorker
) -> None:
    server = start_web(kind, env=ECHO)
    start_worker(env=ECHO)
    handshake = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    handshake += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    handshake += f"Sec-WebSocket-Key: {'A' * 22}==\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as deaf:
        deaf.sendall(handshake.encode())
        assert b" 101 " in deaf.recv(100)
        server.process.terminate()
