"""HTTP limits on real servers: what clients send, how slowly, and how much they leave unread."""

import json
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb

SERVERS = ("daphne", "uvicorn")
TIMEOUT = 60
SIZE = 50_000
KIB, MIB = 1024, 1024 * 1024

HEAD = "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n"
HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {'A' * 22}==\r\n"
)

StartLimited = Callable[..., Server]


@pytest.fixture
def start_limited(start_web: StartWeb, pages: Path) -> StartLimited:
    """Starts a server of the given kind with these limits."""

    def start(kind: str, *, env: dict[str, str] | None = None, **limits: Any) -> Server:
        settings = {"DJANGO_SETTINGS_MODULE": "tests.processes.limits"}
        limits = {"REQUEST_WAIT_TIMEOUT": TIMEOUT, **limits}
        given = {"LIMITS": json.dumps(limits), "PAGES": str(pages), "DEBUG": "1"}
        return start_web(kind, env={**settings, **given, **(env or {})})

    return start


@contextmanager
def line(server: Server, *, deaf: bool = False) -> Iterator[socket.socket]:
    """A connection to the server. A deaf one has small receive buffers."""
    with socket.socket() as opened:
        if deaf:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.settimeout(TIMEOUT)
        opened.connect(("127.0.0.1", server.port))
        yield opened


def head(path: str, method: str = "GET", more: str = "") -> bytes:
    return HEAD.format(method=method, path=path, more=more).encode()


def read_all(opened: socket.socket) -> bytes:
    """Everything until the server closes or resets the connection."""
    data = b""
    try:
        while part := opened.recv(65_536):
            data += part
    except ConnectionError:
        pass
    return data


def status_of(answer: bytes) -> int:
    found = re.match(rb"HTTP/1.1 (\d+)", answer)
    assert found, answer[:200]
    return int(found[1])


def resident(server: Server) -> int:
    """Resident memory of the server (bytes)."""
    return server.process.memory * KIB


def temporary_bytes(server: Server) -> int:
    """Size of the deleted files that it holds open (bytes)."""
    count = 0
    for file in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            if "deleted" in str(file.readlink()):
                count += file.stat().st_size
        except OSError:
            continue
    return count


def lines_with(server: Server, text: str) -> list[str]:
    return [each for each in server.process.lines if text in each]


def the_line_with(server: Server, text: str) -> str:
    """The only line with the text. A line may reach the log after its response."""
    wait_for(lambda: lines_with(server, text), lambda: f"{text!r}. {server.process.describe()}")
    (found,) = lines_with(server, text)
    return found


# Bodies


def chunked(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


@pytest.mark.parametrize("kind", SERVERS)
def test_a_body_above_the_limit_is_refused_before_it_arrives(
    kind: str, start_limited: StartLimited
) -> None:
    server = start_limited(kind, REQUEST_BODY_SIZE=SIZE)
    for path in ("/size/", "/healthz", "/readyz", "/nowhere/"):
        assert_a_body_is_refused(server, path)
    assert the_line_with(server, "REQUEST_BODY_SIZE")


def assert_a_body_is_refused(server: Server, path: str) -> None:
    with line(server) as told, line(server) as in_chunks, line(server, deaf=True) as handshake:
        told.sendall(head(path, "POST", f"Content-Length: {SIZE + 1}\r\n"))
        assert status_of(read_all(told)) == 413  # although nothing of it has arrived
        in_chunks.sendall(head(path, "POST", "Transfer-Encoding: chunked\r\n"))
        in_chunks.sendall(chunked(b"x" * SIZE) + chunked(b"x"))
        assert status_of(read_all(in_chunks)) == 413  # although it has not ended
        more = f"{HANDSHAKE}Content-Length: {SIZE + 1}\r\n"
        handshake.sendall(head(path, "GET", more))
        assert status_of(read_all(handshake)) in {400, 413}


@pytest.mark.parametrize("kind", SERVERS)
def test_a_body_at_the_limit_arrives_whole(kind: str, start_limited: StartLimited) -> None:
    server = start_limited(kind, REQUEST_BODY_SIZE=SIZE)
    body = b"x" * SIZE
    with line(server) as told:
        told.sendall(head("/size/", "POST", f"Content-Length: {SIZE}\r\nConnection: close\r\n"))
        told.sendall(body)
        assert read_all(told).endswith(str(SIZE).encode())
    with line(server) as in_chunks:
        more = "Transfer-Encoding: chunked\r\nConnection: close\r\nExpect: 100-continue\r\n"
        in_chunks.sendall(head("/size/", "POST", more))
        assert in_chunks.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        in_chunks.sendall(chunked(body[:1]) + chunked(body[1:]) + b"0\r\n\r\n")
        assert b"50000" in read_all(in_chunks)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_client_that_keeps_sending_can_read_the_response(
    kind: str, start_limited: StartLimited
) -> None:
    """The connection is not reset before the response was read. Further input is discarded."""
    server = start_limited(kind)
    count = 100 * MIB
    before = resident(server)
    with line(server) as opened:
        opened.sendall(head("/size/", "POST", f"Content-Length: {count}\r\n"))
        block, sent = b"x" * MIB, 0
        try:
            while sent < 20 * MIB:
                sent += opened.send(block)
            assert temporary_bytes(server) == 0
        except ConnectionError:
            assert sent > MIB
        assert status_of(read_all(opened)) == 413
    assert resident(server) - before < 20 * MIB


@pytest.mark.parametrize("kind", SERVERS)
def test_bodies_of_all_clients_together_are_bounded(kind: str, start_limited: StartLimited) -> None:
    server = start_limited(kind, REQUEST_BODY_SIZE=SIZE, REQUEST_BYTES_WAITING=2 * SIZE)
    more = f"Content-Length: {SIZE}\r\nConnection: close\r\n"
    with ExitStack() as stack:
        lines = [stack.enter_context(line(server)) for _ in range(6)]
        for each in lines:
            each.sendall(head("/size/", "POST", more) + b"x" * (SIZE - 1))
        wait_for(lambda: lines_with(server, "REQUEST_BYTES_WAITING"), "the first refusal")
        refused = stack.enter_context(line(server))
        refused.sendall(head("/size/", "POST", more) + b"x" * (SIZE - 1))
        answer = read_all(refused)
        assert status_of(answer) == 503
        assert b"retry-after" in answer.lower()
    assert status_of_post(server) == 200  # those are discarded


def status_of_post(server: Server) -> int:
    with line(server) as opened:
        more = f"Content-Length: {SIZE}\r\nConnection: close\r\n"
        opened.sendall(head("/size/", "POST", more) + b"x" * SIZE)
        return status_of(read_all(opened))


# Slow clients


BEGUN = (b"", b"G", head("/size/")[:-2], head("/", more=HANDSHAKE)[:-2])


@pytest.mark.parametrize("kind", SERVERS)
def test_request_heads_that_never_end_time_out(kind: str, start_limited: StartLimited) -> None:
    """It trickles: idle time-outs would never fire."""
    server = start_limited(kind, REQUEST_HEAD_TIMEOUT=1)
    for first in BEGUN:
        with ExitStack() as stack:
            lines = [stack.enter_context(line(server)) for _ in range(50)]
            for each in lines:
                each.sendall(first)
            assert all(ends_while_it_trickles(each, trickle=bool(first)) for each in lines)
        assert server.get("/size/") == "0"


def ends_while_it_trickles(opened: socket.socket, *, trickle: bool) -> bool:
    opened.settimeout(0.05)

    def is_ended() -> bool:
        try:
            if trickle:
                opened.send(b"X: y\r\n" if trickle else b"")
            return opened.recv(100) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    return wait_for(is_ended, "the end of a line", timeout=TIMEOUT)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_trickling_second_head_on_a_connection_times_out(
    kind: str, start_limited: StartLimited
) -> None:
    server = start_limited(kind, REQUEST_HEAD_TIMEOUT=1)
    with line(server) as opened:
        opened.sendall(head("/size/"))
        assert status_of(opened.recv(65_536)) == 200
        opened.sendall(b"GET /size/")
        if kind == "uvicorn":  # Twisted adds its idle time-out of a minute
            assert ends_while_it_trickles(opened, trickle=True)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_trickling_body_times_out(kind: str, start_limited: StartLimited) -> None:
    server = start_limited(kind, REQUEST_BODY_TIMEOUT=1, REQUESTS_AT_ONCE=1)
    with line(server) as opened:
        opened.sendall(head("/size/", "POST", "Content-Length: 1000\r\n") + b"x")
        opened.sendall(b"x")
        assert server.get("/size/") == "0"  # it holds no slot meanwhile
        assert status_of(read_all(opened)) == 408
    wait_for(lambda: lines_with(server, "REQUEST_BODY_TIMEOUT"), "the line of the log")


# Places


def ask(server: Server, path: str, timeout: float = TIMEOUT) -> tuple[int, str]:
    """Status, and text or Retry-After. 0 if it takes too long."""
    try:
        with urllib.request.urlopen(server.url + path, timeout=timeout) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Retry-After"] or error.read().decode()
    except TimeoutError:
        return 0, ""


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """The folder that shows which pages wait, and releases them."""
    folder = tmp_path / "pages"
    folder.mkdir()
    return folder


@contextmanager
def held(server: Server, pages: Path, count: int, path: str = "/hold/") -> Iterator[list[Any]]:
    """Hold *count* requests inside Django, and release them afterwards."""
    with ThreadPoolExecutor(count) as browser:
        answers = [browser.submit(ask, server, path) for _ in range(count)]
        try:
            wait_for(lambda: len([*pages.glob("in-*")]) == count, "the views to wait")
            yield answers
        finally:
            (pages / "go").touch()
            assert {each.result() for each in answers} == {(200, "late")}
            (pages / "go").unlink()


@pytest.mark.parametrize("kind", SERVERS)
def test_requests_above_the_concurrency_limit_queue(
    kind: str, start_limited: StartLimited, pages: Path
) -> None:
    server = start_limited(kind, REQUESTS_AT_ONCE=3, REQUEST_WAIT_TIMEOUT=600)
    with ThreadPoolExecutor(40) as browser:
        answers = [browser.submit(ask, server, "/hold/") for _ in range(40)]
        try:
            wait_for((pages / "seen-3").exists, "three views")
            assert ask(server, "/healthz")[0] == 200
        finally:
            (pages / "go").touch()
        assert {each.result() for each in answers} == {(200, "late")}
    assert not (pages / "seen-4").exists()


@pytest.mark.parametrize("kind", SERVERS)
def test_a_full_queue_and_a_long_wait_get_503(
    kind: str, start_limited: StartLimited, pages: Path
) -> None:
    limits = {"REQUESTS_AT_ONCE": 1, "REQUESTS_WAITING": 1, "REQUEST_WAIT_TIMEOUT": 0.5}
    server = start_limited(kind, **limits)
    with held(server, pages, 1):
        assert ask(server, "/size/") == (503, "5")
        with ThreadPoolExecutor(5) as browser:
            assert {*browser.map(lambda _: ask(server, "/size/"), range(5))} == {(503, "5")}
        assert ask(server, "/healthz")[0] == 200
    wait_for(lambda: ask(server, "/size/") == (200, "0"), "a place")
    assert the_line_with(server, "REQUESTS_AT_ONCE")


@pytest.mark.parametrize("kind", SERVERS)
def test_a_queued_client_that_leaves_frees_its_place(
    kind: str, start_limited: StartLimited, pages: Path
) -> None:
    limits = {"REQUESTS_AT_ONCE": 1, "REQUESTS_WAITING": 1, "REQUEST_WAIT_TIMEOUT": 600}
    server = start_limited(kind, **limits)
    with ThreadPoolExecutor(1) as browser:
        with held(server, pages, 1):
            for _ in range(3):  # each can queue only after the one before has left
                wait_for(lambda: waits_and_leaves(server), "the only place to wait")
            waiting = browser.submit(wait_for, lambda: ask(server, "/size/")[0] == 200, "a place")
        assert waiting.result()


def waits_and_leaves(server: Server) -> bool:
    """Whether a request occupies the only place in the queue."""
    with line(server) as leaving:
        leaving.sendall(head("/size/"))
        leaving.settimeout(0.5)
        try:
            assert leaving.recv(12) == b"HTTP/1.1 503"
        except TimeoutError:
            return ask(server, "/size/", 20)[0] == 503
        return False


@pytest.mark.parametrize("kind", SERVERS)
def test_streams_and_long_polls_free_their_slots(
    kind: str, start_limited: StartLimited, pages: Path
) -> None:
    server = start_limited(kind, REQUESTS_AT_ONCE=1, REQUEST_WAIT_TIMEOUT=600)
    with ExitStack() as stack:
        for _ in range(5):
            events = stack.enter_context(line(server))
            events.sendall(head("/events/"))
            assert b"data: first" in read_until(events, b"data: first")
        stack.enter_context(held(server, pages, 5, "/poll/"))
        assert ask(server, "/size/") == (200, "0")


def read_until(opened: socket.socket, text: bytes) -> bytes:
    data = b""
    while text not in data:
        data += (part := opened.recv(65_536))
        assert part, data
    return data


@pytest.mark.parametrize("kind", SERVERS)
def test_a_stream_above_the_limit_keeps_its_slot(
    kind: str, start_limited: StartLimited, pages: Path
) -> None:
    limits = {"REQUESTS_AT_ONCE": 1, "STREAMS_AT_ONCE": 1, "REQUEST_WAIT_TIMEOUT": 0.2}
    server = start_limited(kind, **limits)
    with line(server) as first, line(server) as second:
        for events in (first, second):
            events.sendall(head("/events/"))
            read_until(events, b"data: first")
        assert ask(server, "/size/")[0] == 503
    wait_for(lambda: ask(server, "/size/")[0] == 200, "the place of a stream that is gone")


@pytest.mark.parametrize("kind", SERVERS)
def test_requests_per_address_are_limited(
    kind: str, start_limited: StartLimited, pages: Path
) -> None:
    server = start_limited(kind, REQUESTS_PER_ADDRESS=2, REQUESTS_AT_ONCE=9, TRUSTED_PROXIES=1)
    with held(server, pages, 2):
        assert [ask(server, "/size/") for _ in range(20)] == [(429, "5")] * 20
        other = urllib.request.Request(
            f"{server.url}/size/", headers={"X-Forwarded-For": "203.0.113.7"}
        )
        with urllib.request.urlopen(other, timeout=TIMEOUT) as response:
            assert response.status == 200
        assert ask(server, "/healthz")[0] == 200
    wait_for(lambda: ask(server, "/size/")[0] == 200, "them to be forgotten")
    assert the_line_with(server, "requests under way here")


# Responses that nobody reads


@pytest.mark.parametrize("kind", SERVERS)
def test_unread_responses_of_all_clients_are_bounded(
    kind: str, start_limited: StartLimited
) -> None:
    server = start_limited(
        kind, ANSWER_BYTES_WAITING=4 * MIB, ALL_ANSWER_BYTES_WAITING=8 * MIB, REQUESTS_AT_ONCE=2
    )
    ask(server, f"/large/{6 * MIB}/")
    before = resident(server)
    with ExitStack() as stack:
        for _ in range(40):
            deaf = stack.enter_context(line(server, deaf=True))
            deaf.sendall(head(f"/large/{6 * MIB}/"))
        wait_for(lambda: lines_with(server, "ALL_ANSWER_BYTES_WAITING"), "the first cut")
        assert len(ask(server, f"/large/{6 * MIB}/")[1]) == 6 * MIB  # a slot is free
        assert resident(server) - before < 120 * MIB  # instead of 240
    assert the_line_with(server, "Cutting the connection of the client")


@pytest.mark.parametrize("kind", SERVERS)
def test_a_client_that_does_not_read_for_long_is_cut(
    kind: str, start_limited: StartLimited
) -> None:
    server = start_limited(kind, ANSWER_TIMEOUT=1, REQUESTS_AT_ONCE=1)
    for close in ("", "Connection: close\r\n"):
        for path in (f"/large/{7 * MIB}/", f"/stream/{20 * MIB}/"):
            with line(server, deaf=True) as deaf:
                deaf.sendall(head(path, more=close))
                assert deaf.recv(1)
                wait_for(partial(is_cut, server, deaf), f"the cut of {path}")
                assert len(read_all(deaf)) < 7 * MIB
            assert ask(server, "/size/") == (200, "0")
    assert the_line_with(server, "ANSWER_TIMEOUT")


def is_cut(server: Server, opened: socket.socket) -> bool:
    """Whether the server has closed its end, of which the kernel may still have data to send.

    The server must have accepted it before.
    """
    ends = (f":{server.port:04X}", f":{opened.getsockname()[1]:04X}")
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = row.split()
        if fields[1].endswith(ends[0]) and fields[2].endswith(ends[1]):
            return fields[9] == "0"  # no process has its inode
    return True


@pytest.mark.parametrize("kind", SERVERS)
def test_a_slow_reader_gets_a_large_stream_completely(
    kind: str, start_limited: StartLimited
) -> None:
    """Others are served meanwhile."""
    server = start_limited(
        kind, ANSWER_TIMEOUT=60, REQUESTS_AT_ONCE=1, ALL_ANSWER_BYTES_WAITING=8 * MIB
    )
    count = 6 * MIB
    before = resident(server)
    with line(server, deaf=True) as slow:
        slow.sendall(head(f"/stream/{count}/", more="Connection: close\r\n"))
        got = 0
        while part := slow.recv(256 * KIB):
            got += len(part)
            if got < MIB:
                threading.Event().wait(0.02)
                assert ask(server, "/size/") == (200, "0")
        assert got > count
    assert resident(server) - before < 20 * MIB


@pytest.mark.parametrize("kind", SERVERS)
def test_pipelined_requests_wait_for_earlier_responses(
    kind: str, start_limited: StartLimited
) -> None:
    server = start_limited(kind, ANSWER_TIMEOUT=600)
    ask(server, f"/large/{MIB}/")
    before = resident(server)
    with line(server, deaf=True) as deaf:
        deaf.settimeout(1)
        try:
            for _ in range(20_000):
                deaf.sendall(head(f"/large/{MIB}/"))
        except TimeoutError:
            pass  # the server has stopped reading
        assert ask(server, "/size/") == (200, "0")
        assert resident(server) - before < 30 * MIB


# Server releases without a private part


def test_without_daphnes_private_parts_bodies_are_checked_on_arrival(
    start_limited: StartLimited,
) -> None:
    server = start_limited("daphne", env={"WITHOUT": "1"}, REQUEST_BODY_SIZE=SIZE)
    for path in ("/size/", "/healthz"):
        with line(server) as opened:
            opened.sendall(head(path, "POST", f"Content-Length: {SIZE + 1}\r\n"))
            opened.sendall(b"x" * (SIZE + 1))
            assert status_of(read_all(opened)) == 413  # and the connection is closed
    assert ask(server, "/size/") == (200, "0")
    said = the_line_with(server, "WebRequest.noSuchPart")
    assert "put a proxy in front" in said


def test_a_uvicorn_without_startup_event_serves_and_logs_it(
    start_limited: StartLimited,
) -> None:
    server = start_limited("uvicorn", env={"UVICORN_LIFESPAN": "off"})
    assert ask(server, "/size/") == (200, "0")
    assert ask(server, "/size/") == (200, "0")
    said = the_line_with(server, "heads of requests is not bounded")
    assert "--lifespan auto" in said
