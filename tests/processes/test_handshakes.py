"""Invalid handshakes, with each WebSocket implementation, and the log."""

import re
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb, StartWorker
from tests.processes.test_requests import (
    SERVERS,
    StartLimited,
    head,
    line,
    lines_with,
    pages,
    read_all,
    start_limited,
    the_line_with,
)

__all__ = ["pages", "start_limited"]  # fixtures

#: The server, and for uvicorn its WebSocket implementation.
WAYS = ("daphne", "websockets-sansio", "websockets", "wsproto")

UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
VERSION = "Sec-WebSocket-Version: 13\r\n"
KEY = f"Sec-WebSocket-Key: {'A' * 22}==\r\n"
RIGHT = UPGRADE + VERSION + KEY

WRONG = {
    "a long header": head("/", more=RIGHT + f"X-A: {'a' * 15_000}\r\n"),
    "many headers": head("/", more=RIGHT + "".join(f"X-{n}: a\r\n" for n in range(130))),
    "a long path": head("/" + "a" * 9_000, more=RIGHT),
    "a body": head("/", more=RIGHT + "Content-Length: 10\r\n") + b"0123456789",
    "a body in chunks": head("/", more=RIGHT + "Transfer-Encoding: chunked\r\n") + b"1\r\nx\r\n",
    "half a body": head("/", more=RIGHT + "Content-Length: 10\r\n") + b"01",
    "no key": head("/", more=UPGRADE + VERSION),
    "a bad key": head("/", more=UPGRADE + VERSION + "Sec-WebSocket-Key: x\r\n"),
    "two keys": head("/", more=RIGHT + KEY),
    "another version": head("/", more=UPGRADE + KEY + "Sec-WebSocket-Version: 12\r\n"),
    "no version": head("/", more=UPGRADE + KEY),
    "POST": head("/", "POST", more=RIGHT),
    "bad extensions": head("/", more=RIGHT + "Sec-WebSocket-Extensions: ;;;\r\n"),
    "bad protocols": head("/", more=RIGHT + "Sec-WebSocket-Protocol: \xff\r\n"),
    "no host": head("/", more=RIGHT).replace(b"Host: 127.0.0.1\r\n", b""),
    "half a handshake": head("/", more=RIGHT)[:-2],
    "nothing": b"",
}


def start(start_limited: StartLimited, way: str, **limits: Any) -> Server:
    if way == "daphne":
        return start_limited("daphne", **limits)
    return start_limited("uvicorn", env={"UVICORN_WS": way}, **limits)


@pytest.mark.parametrize("way", WAYS)
def test_stalled_handshakes_time_out(way: str, start_limited: StartLimited) -> None:
    server = start(
        start_limited, way, REQUEST_HEAD_TIMEOUT=1, REQUEST_BODY_TIMEOUT=1, HANDSHAKE_TIMEOUT=1
    )
    with ExitStack() as stack:
        lines = {name: stack.enter_context(line(server)) for name in WRONG}
        for name, opened in lines.items():
            opened.sendall(WRONG[name])
        ended = {}
        for name, opened in lines.items():
            ended[name] = read_all(opened)  # a time-out fails the test
    assert b" 101 " not in b"".join(ended.values())
    assert server.process.is_running


@pytest.mark.parametrize("way", WAYS)
def test_sockets_above_the_limit_per_address_are_logged_once(
    way: str, start_limited: StartLimited
) -> None:
    server = start(start_limited, way, CONNECTIONS_PER_ADDRESS=1, HANDSHAKE_TIMEOUT=60)
    with line(server) as waiting:
        waiting.sendall(head("/", more=RIGHT))
        wait_for(lambda: status_of_another(server, patience=10) in {403, 429}, "a refusal")
        assert {status_of_another(server) for _ in range(30)} == {429}
    assert the_line_with(server, "has 1 sockets here")
    assert not lines_with(server, "without"), server.process.describe()
    assert not lines_with(server, "ERROR"), server.process.describe()


@pytest.mark.parametrize("way", WAYS)
def test_handshakes_above_the_limit_are_told_when_to_come_back(
    way: str, start_limited: StartLimited
) -> None:
    limits = {"HANDSHAKES_AT_ONCE": 1, "HANDSHAKE_TIMEOUT": 60, "HEALTH_PATH": "/healthz"}
    server = start(start_limited, way, **limits)
    with line(server) as waiting, line(server) as half:
        half.sendall(head("/", more=RIGHT)[:-2])  # which counts for nothing
        waiting.sendall(head("/", more=RIGHT))
        wait_for(lambda: refusal_of(server)[0] == 503, "a refusal")
        found = {refusal_of(server) for _ in range(30)}
        assert server.probe("/healthz")[0] == 200
    assert {status for status, _ in found} == {503}
    assert {int(told) for _, told in found} <= set(range(1, 31))
    assert the_line_with(server, "1 handshakes are under way")
    assert not lines_with(server, "without"), server.process.describe()
    assert not lines_with(server, "ERROR"), server.process.describe()
    with line(server) as another:  # the place is free
        another.sendall(head("/", more=RIGHT))
        wait_for(lambda: refusal_of(server)[0] == 503, "a refusal")


def refusal_of(server: Server) -> tuple[int, str]:
    """Status and Retry-After of one more handshake; 0 if it waits."""
    with line(server) as opened:
        opened.sendall(head("/", more=RIGHT))
        opened.settimeout(0.5)
        answer = b""
        with suppress(TimeoutError):
            while part := opened.recv(4096):
                answer += part
    told = re.search(rb"(?i)\r\nretry-after: (\d+)\r\n", answer)
    return int(answer[9:12] or 0), told[1].decode() if told else ""


def status_of_another(server: Server, patience: float = 60) -> int:
    with pytest.raises((InvalidStatus, TimeoutError)) as refused:
        connect(f"{server.socket_url}/", open_timeout=patience)
    response = getattr(refused.value, "response", None)
    return response.status_code if response else 0


LIMIT = 3
PRODUCTION = {
    "DEBUG": "0",
    "HTTPS": "0",
    "ALLOWED_HOSTS": "127.0.0.1",
    "SECRET_KEY": "".join(chr(97 + number % 26) for number in range(60)),
}
NOISE = {
    "Invalid HTTP_HOST header": head("/host/").replace(b"127.0.0.1", b"evil-%d.example"),
    "Not Found: /nowhere-": head("/nowhere-%d/"),
    "Internal Server Error": head("/fail/"),
    "Invalid HTTP request": b"nonsense %d\r\n\r\n",
    "Unsupported upgrade": head("/size/", more="Upgrade: h2c\r\nConnection: Upgrade\r\n"),
    "codec can't decode": head("/", more=RIGHT + "Sec-WebSocket-Protocol: \xff\r\n"),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_repeated_bad_requests_do_not_fill_the_log(kind: str, start_limited: StartLimited) -> None:
    server = start_limited(kind, env=PRODUCTION, LOG_LINES_PER_MINUTE=LIMIT)
    for number in range(4 * LIMIT):
        for request in NOISE.values():
            with line(server) as opened:
                opened.sendall(request.replace(b"%d", b"%d" % number))
                opened.recv(1000)
    wait_for(lambda: len(lines_with(server, "LOG_LINES_PER_MINUTE")) >= 3, "the lines of the log")
    for text in NOISE:
        # A traceback may contain it too.
        assert len(lines_with(server, text)) <= 3 * LIMIT, server.process.describe()
    assert len(server.process.lines) < 250, server.process.describe()


@pytest.mark.parametrize("kind", SERVERS)
def test_valid_sockets_are_served_meanwhile(
    kind: str, start_web: StartWeb, start_worker: StartWorker
) -> None:
    server = start_web(kind)
    start_worker()
    with server.join("lobby") as person, ExitStack() as stack:
        for each in WRONG.values():
            stack.enter_context(line(server)).sendall(each)
        person.say("hello")
        assert person.hear()["message"] == "hello"
