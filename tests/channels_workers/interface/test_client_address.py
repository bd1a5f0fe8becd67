import socket
import struct
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any

import pytest
from pytest_django import Settings
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from channels_workers.interface.client_address import (
    LimitPerAddress,
    client_address,
    network_of,
    with_client,
)
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb, StartWorker

PROXY = "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        ("", 0, PROXY),
        ("203.0.113.7", 0, PROXY),
        ("", 1, PROXY),
        ("203.0.113.7", 1, "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7", 1, "203.0.113.7"),
        ("6.6.6.6,203.0.113.7,198.51.100.1", 2, "203.0.113.7"),
        ("198.51.100.1", 2, "198.51.100.1"),
        (" , 203.0.113.7 ,", 1, "203.0.113.7"),
        ("203.0.113.7:4711", 1, "203.0.113.7"),
        ("[2001:db8::1]:4711", 1, "2001:db8::1"),
        ("2001:DB8:0::1", 1, "2001:db8::1"),
        ("fe80::1%eth0", 1, "fe80::1"),
        ("::ffff:203.0.113.7", 1, "203.0.113.7"),
        ("203.0.113.7, unknown", 1, PROXY),
        ("203.0.113.7, \n", 1, "203.0.113.7"),
        ("<script>", 1, PROXY),
    ],
)
def test_forwarded_entries_count_from_the_right(forwarded: str, proxies: int, address: str) -> None:
    assert client_address(PROXY, forwarded, proxies) == address


def test_a_peer_without_an_address_is_unchanged() -> None:
    assert client_address("", "", 1) == ""
    assert client_address("a pipe", "nonsense", 1) == "a pipe"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:0:1:aaaa::1", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:bbbb::2", "2001:db8:0:1::/64"),
        ("", ""),
        ("a pipe", "a pipe"),
    ],
)
def test_an_ipv6_network_counts_as_one_client(address: str, network: str) -> None:
    assert network_of(address) == network


def scope(*lines: bytes, client: list[Any] | None = None) -> dict[str, Any]:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", line) for line in lines)]
    return {"type": "websocket", "headers": headers, "client": client or [PROXY, 1]}


def test_the_scope_gets_the_client_that_proxies_report(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"TRUSTED_PROXIES": 1}
    assert with_client(scope(b"6.6.6.6", b"203.0.113.7"))["client"] == ["203.0.113.7", 0]
    assert with_client(scope())["client"] == [PROXY, 1]
    assert with_client({"type": "lifespan"}) == {"type": "lifespan"}
    behind_a_pipe = {**scope(b"203.0.113.7"), "client": None}
    assert with_client(behind_a_pipe)["client"] == ["203.0.113.7", 0]


def test_without_a_proxy_the_header_is_ignored(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {}
    assert with_client(scope(b"203.0.113.7"))["client"] == [PROXY, 1]


async def test_clients_without_an_address_are_not_counted(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"CONNECTIONS_PER_ADDRESS": 1}
    served: list[Any] = []

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        served.append(scope)
        if len(served) < 3:  # each while the previous one is open
            await limited({**scope, "client": None}, receive, send)

    limited = LimitPerAddress(serve)
    await limited({"type": "websocket", "client": None}, None, None)
    assert len(served) == 3
    assert not limited.counts


async def test_mapped_ipv4_addresses_count_separately(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"CONNECTIONS_PER_ADDRESS": 1}
    counted: list[dict[str, int]] = []

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        counted.append(dict(limited.counts))

    limited = LimitPerAddress(serve)
    await limited({"type": "websocket", "client": ["::ffff:192.0.2.1", 4711]}, None, None)
    assert counted == [{"192.0.2.1": 1}]


# With real sockets

LIMIT = 3


class Visitors:
    """Opens sockets through a proxy that reports an address."""

    def __init__(self, server: Server, address: str) -> None:
        self.server = server
        self.address = address
        self.forged = 0

    def socket(self, origin: str | None = None) -> AbstractContextManager[ClientConnection]:
        self.forged += 1  # each claims to be another client
        return connect(
            f"{self.server.socket_url}/chat/lobby/",
            origin=Origin(origin or self.server.url),
            additional_headers={"X-Forwarded-For": f"6.6.6.{self.forged}, {self.address}"},
            open_timeout=60,
        )

    def status(self, origin: str | None = None) -> int:
        """The status of a handshake's response."""
        try:
            with self.socket(origin):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code


def cut(connection: ClientConnection) -> None:
    """Cut the connection without a close frame."""
    reset = struct.pack("ii", 1, 0)
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    connection.socket.close()


@pytest.mark.parametrize("program", ["daphne", "uvicorn"])
def test_sockets_per_address_are_limited(
    program: str, start_web: StartWeb, start_worker: StartWorker
) -> None:
    limits = {"CONNECTIONS_PER_ADDRESS": str(LIMIT), "TRUSTED_PROXIES": "1"}
    server = start_web(program, env=limits)
    start_worker()
    server.get("/lobby/")
    visitors, others = Visitors(server, "203.0.113.7"), Visitors(server, "203.0.113.8")
    assert [visitors.status("https://evil.example") for _ in range(2)] == [403] * 2
    with ExitStack() as stack:
        there = [opened_in_time(stack, visitors) for _ in range(LIMIT)]
        assert visitors.status() == visitors.status() == 429
        assert others.status() == 101
        cut(there[0])
        opened_in_time(stack, visitors)
        assert visitors.status() == 429
        there[1].close()
        opened_in_time(stack, visitors)
        assert visitors.status() == 429
    server.process.wait_for_line("203.0.113.7 has 3 sockets")
    lines = [line for line in server.process.lines if "203.0.113.7 has 3 sockets" in line]
    assert 1 <= len(lines) <= 3, server.process.describe()
    with ExitStack() as stack:  # each closed socket is uncounted, once
        for _ in range(LIMIT):
            opened_in_time(stack, visitors)
        assert visitors.status() == 429


def opened_in_time(stack: ExitStack, visitors: Visitors) -> ClientConnection:
    """Open one more socket as soon as the closed ones are uncounted."""

    def opened() -> ClientConnection | None:
        with suppress(InvalidStatus):
            return stack.enter_context(visitors.socket())
        return None

    connection = wait_for(opened, "a socket to be let in")
    assert connection is not None
    return connection
