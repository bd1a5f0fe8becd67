"""Clients that leave while their connection is not read."""

import asyncio
import os
import socket

import pytest

from channels_workers.interface.servers import stalls
from channels_workers.interface.servers.stalls import StallDetector, ask_for_answers


@pytest.fixture
def line() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return server, client


async def test_a_disconnect_is_noticed_while_earlier_data_is_unread(
    line: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "INTERVAL", 0.01)
    server, client = line
    with server, client:
        ended = asyncio.Event()
        looks = StallDetector()
        looks.add(server.fileno(), ended.set)
        client.sendall(b"unread")
        client.close()
        await asyncio.wait_for(ended.wait(), 60)
        assert server.recv(100) == b"unread"


def test_only_the_owner_unregisters_a_connection(
    line: tuple[socket.socket, socket.socket],
) -> None:
    server, client = line
    with server, client:
        loop = asyncio.new_event_loop()

        async def look() -> None:
            looks, calls = StallDetector(), list[str]()
            first, second = lambda: calls.append("first"), lambda: calls.append("second")
            looks.add(server.fileno(), first)
            looks.add(server.fileno(), second)  # the file descriptor is reused
            looks.discard(server.fileno(), first)
            client.close()
            looks._look()
            assert calls == ["second"]
            looks.discard(server.fileno(), second)

        loop.run_until_complete(look())
        loop.close()


def test_the_kernel_probes_idle_connections(line: tuple[socket.socket, socket.socket]) -> None:
    server, client = line
    with server, client:
        ask_for_answers(server.fileno())
        assert server.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_other_sockets_than_tcp_are_left_alone() -> None:
    ask_for_answers(-1)
    reading, writing = os.pipe()
    ask_for_answers(reading)
    os.write(writing, b"x")
    assert os.read(reading, 1) == b"x"  # still open
    os.close(reading)
    os.close(writing)
