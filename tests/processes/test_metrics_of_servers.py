"""What a server counts is what its clients saw, under Daphne and uvicorn."""

import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from labs.harness.raw_socket import RawSocket, handshake
from labs.harness.server import Server
from tests.conftest import StartWeb, StartWorker
from tests.processes.scrapes import Metrics, start_metered, start_metered_worker

SERVERS = ("daphne", "uvicorn")

#: Frames that come back as they are, each of them with another size in bytes than in characters.
FRAMES: list[str | bytes] = [
    "tea",
    "",
    "\N{TEACUP WITHOUT HANDLE} \N{LATIN SMALL LETTER E}\u0301",
    b"",
    b"\x00\xff" * 500,
    "x" * 5000,
]
FRAMES = [*FRAMES, "twice \N{HOT BEVERAGE}"]


@pytest.fixture(autouse=True)
def worker(start_worker: StartWorker) -> Metrics:
    return start_metered_worker(start_worker)[1]


def opened(server: Server, path: str = "/", **options: Any) -> ClientConnection:
    made: ClientConnection = connect(
        server.socket_url + path, open_timeout=60, close_timeout=1, ping_interval=None, **options
    )
    return made


def size(frame: str | bytes) -> int:
    return len(frame.encode() if isinstance(frame, str) else frame)


@pytest.mark.parametrize("kind", SERVERS)
def test_frames_and_bytes_are_counted_exactly(kind: str, start_web: StartWeb) -> None:
    server, metrics = start_metered(start_web, kind)
    sent, heard = [], []
    with opened(server) as first, opened(server) as second:
        for client in (first, second):
            for each in FRAMES:
                client.send(each)
                sent.append(each)
            heard += [client.recv(60) for _ in range(len(FRAMES) + 1)]
        metrics.until(
            {
                "frames_received_total": len(sent),
                "received_bytes_total": sum(map(size, sent)),
                "frames_sent_total": len(heard),
                "sent_bytes_total": sum(map(size, heard)),
                "sockets": {("open",): 2},
                "handshakes_total": {("accepted",): 2},
                "frames_waiting": 0,
                "frames_waiting_bytes": 0,
                "frame_wait_seconds_count": len(sent),
                "frame_to_commit_seconds_count": len(sent),
                "commit_to_frame_seconds_count": len(heard),
            }
        )
    connects = disconnects = 2
    metrics.until(
        {
            "sockets": {},
            "sockets_closed_total": {("client", "1000"): 2},
            "inbox_operations_total": {
                ("release",): len(sent) + connects,
                ("send",): len(heard) + connects,
                ("end",): disconnects,
            },
        }
    )


@pytest.mark.parametrize("kind", SERVERS)
def test_closes_are_counted_by_code_and_by_who_closed(kind: str, start_web: StartWeb) -> None:
    server, metrics = start_metered(start_web, kind, FRAME_SIZE=10_000)
    seen = []
    for text in ("close 1000", "close 3001", "close 4321", "x" * 10_001):
        with opened(server) as client:
            client.send(text)
            with pytest.raises(ConnectionClosed):
                client.recv(60)
        seen.append(client.close_code)
    assert seen == [1000, 3001, 4321, 4009]
    for code in (1000, 1001, 3333, 4999):
        with opened(server) as client:
            client.close(code)
    with RawSocket(server.port) as lost:
        assert lost.is_open
    metrics.until(
        {
            "sockets_closed_total": {
                ("server", "1000"): 1,
                ("server", "other"): 2,
                ("server", "4009"): 1,
                ("client", "1000"): 1,
                ("client", "1001"): 1,
                ("client", "other"): 2,
                ("client", "1006" if kind == "daphne" else "1005"): 1,  # as uvicorn tells it
            },
            "handshakes_total": {("accepted",): 9},
            "sockets": {},
        }
    )


@pytest.mark.parametrize("kind", SERVERS)
def test_handshakes_are_counted_by_their_outcome(kind: str, start_web: StartWeb) -> None:
    server, metrics = start_metered(start_web, kind, HANDSHAKE_TIMEOUT=2, CONNECTIONS_PER_ADDRESS=2)
    with pytest.raises(InvalidStatus) as refused:
        opened(server, "/deny")
    with pytest.raises(InvalidStatus) as late:
        opened(server, "/never")
    with socket.create_connection(("127.0.0.1", server.port)) as leaving:
        leaving.sendall(handshake(server.port, "/never"))
        metrics.until({"sockets": {("connecting",): 1}})
    metrics.until({"sockets": {}})
    with opened(server), opened(server), pytest.raises(InvalidStatus) as limited:
        opened(server)
    assert [each.value.response.status_code for each in (refused, late)] == [403, 403]
    assert limited.value.response.status_code in (403, 429)
    counts = {"accepted": 2, "refused": 1, "timed_out": 1, "abandoned": 1, "limited": 1}
    metrics.until({"handshakes_total": {(each,): count for each, count in counts.items()}})
    del counts["limited"]  # no time passes
    timed = {(each,): float(count) for each, count in counts.items()}
    assert metrics.all("handshake_seconds_count") == timed
    assert 2 <= metrics.value("handshake_seconds_sum", outcome="timed_out") < 30


@pytest.mark.parametrize("kind", SERVERS)
def test_requests_are_counted(kind: str, start_web: StartWeb, tmp_path: Path) -> None:
    server, metrics = start_metered(
        start_web, kind, REQUEST_BODY_SIZE=1000, REQUESTS_AT_ONCE=1, pages=tmp_path
    )

    def get(path: str, data: bytes | None = None) -> int:
        try:
            with urllib.request.urlopen(server.url + path, data, timeout=60) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert [get("/size/", b"x"), get("/none/"), get("/fail/")] == [200, 404, 500]
    assert get("/size/", b"x" * 2000) == 413
    assert get("/healthz") == 200  # a probe, which is not counted
    threads = []

    def begin(path: str, in_progress: int, waiting: int) -> None:
        threads.append(threading.Thread(target=get, args=[path]))
        threads[-1].start()
        metrics.until(
            {
                "http_requests_in_progress": {("interface",): in_progress},
                "http_requests_waiting": waiting,
            }
        )

    begin("/events/", 1, 0)  # a stream and a long poll, which the histogram has not
    begin("/poll/", 2, 0)
    begin("/hold/", 3, 0)
    begin("/hold/", 4, 1)
    (tmp_path / "go").touch()
    for thread in threads:
        thread.join()
    metrics.until(
        {
            "http_requests_total": {
                ("interface", "2xx"): 5,
                ("interface", "4xx"): 2,
                ("interface", "5xx"): 1,
            },
            "http_requests_in_progress": {},
            "http_requests_waiting": 0,
            "requests_refused_total": {("body_size",): 1},
        }
    )
    timed = metrics.value("http_request_seconds_count", by="interface")
    # Daphne refuses a body before the application gets the request.
    assert timed == (5 if kind == "daphne" else 6)
