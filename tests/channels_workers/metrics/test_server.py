"""The port on which a process serves its metrics."""

import socket
import urllib.request

import pytest

from channels_workers.metrics.instruments import Instruments
from channels_workers.metrics.server import AT_ONCE, start_server
from labs.harness.ports import free_port
from labs.harness.waiting import wait_for


def test_the_first_free_port_is_taken(
    instruments: Instruments, caplog: pytest.LogCaptureFixture
) -> None:
    first = start_server("127.0.0.1", [free_port()], instruments.registry)
    assert first is not None
    other = free_port()
    ports = [first.server_port, other]
    try:
        second = start_server("127.0.0.1", ports, instruments.registry)
        assert second is not None
        assert second.server_port == other
        assert start_server("127.0.0.1", ports, instruments.registry) is None
        assert "no port of METRICS_PORT can be used on 127.0.0.1" in caplog.text
        second.stop()
    finally:
        first.stop()


def test_clients_that_say_nothing_hold_few_threads(instruments: Instruments) -> None:
    server = start_server("127.0.0.1", [free_port()], instruments.registry)
    assert server is not None
    address = ("127.0.0.1", server.server_port)
    try:
        silent = [socket.create_connection(address) for _ in range(AT_ONCE)]
        refused = socket.create_connection(address)
        refused.settimeout(10)
        assert refused.recv(1) == b""
        for each in (refused, *silent):
            each.close()

        def scraped() -> bytes:
            with urllib.request.urlopen(f"http://{address[0]}:{address[1]}/metrics") as answer:
                return answer.read()  # type: ignore[no-any-return]

        def answers() -> bool:
            try:
                return b"python_info" in scraped()
            except OSError:
                return False

        wait_for(answers, "an answer")
    finally:
        server.stop()
