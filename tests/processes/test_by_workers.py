"""HTTP by workers, on real servers and a real Redis: pages, bodies of any size, and crashes."""

import hashlib
import http.client
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from labs.harness.processes import Process, Processes
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import Shared, StartServer, StartWeb, StartWorker, sharing, worker_starter
from tests.processes.by_workers import CLOSED, GO, IMPORTED, PART, RUN

SERVERS = ("daphne", "uvicorn")
TIMEOUT = 60
MIB = 1024 * 1024
SIZE = 50 * MIB

#: What a transfer may take in Redis beside what Redis takes anyway: a window, some chunks, and what
#: allocators round up.
BOUND = 6 * MIB


class Site:
    """A server and the means to start workers, both with these settings."""

    def __init__(
        self, server: Server, start_worker: Callable[..., Process], redis: RedisServer
    ) -> None:
        self.server = server
        self.start_worker = start_worker
        self.redis = redis

    @contextmanager
    def request(
        self,
        path: str,
        method: str = "GET",
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """The response, before its body is read."""
        line = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT)
        try:
            line.request(method, path, body, headers or {})
            yield line.getresponse()
        finally:
            line.close()

    def get(self, path: str, method: str = "GET", **more: Any) -> tuple[int, bytes]:
        """Status and body."""
        with self.request(path, method, **more) as response:
            return response.status, response.read()

    def seen(self, name: str) -> list[str]:
        """What the views have noted."""
        with self.redis.client() as client:
            return [each.decode() for each in client.lrange(name, 0, -1)]

    def wait_for(self, name: str, count: int = 1) -> list[str]:
        """Wait until views have noted so many lines."""
        wait_for(lambda: len(self.seen(name)) >= count, f"{count} lines in {name}", TIMEOUT)
        return self.seen(name)

    def let_go(self) -> None:
        with self.redis.client() as client:
            client.rpush(GO, "on")

    @property
    def waiting(self) -> int:
        """How many requests wait or run."""
        with self.redis.client() as client:
            return sum(map(client.xlen, client.keys("*:channel:http.request")))

    @property
    def taken(self) -> int:
        """How many of them a worker has."""
        with self.redis.client() as client:
            [key] = client.keys("*:channel:http.request")
            return int(client.xpending(key, "workers")["pending"])

    def kept(self, pattern: str) -> list[bytes]:
        """The keys of the layer that match."""
        with self.redis.client() as client:
            return list(client.keys(f"*:{pattern}"))


StartSite = Callable[..., Site]


def site_of(
    kind: str,
    start_web: StartWeb,
    start_worker: StartWorker,
    redis: RedisServer,
    *,
    env: dict[str, str] | None = None,
    **limits: Any,
) -> Site:
    """A server of this kind with these limits."""
    given = environment(env, **limits)
    return Site(start_web(kind, env=given), partial(start_worker, env=given), redis)


def environment(env: dict[str, str] | None = None, **limits: Any) -> dict[str, str]:
    """The environment of a server and its workers with these limits."""
    return {
        "DJANGO_SETTINGS_MODULE": "tests.processes.by_workers",
        "LIMITS": json.dumps({"REQUEST_WAIT_TIMEOUT": TIMEOUT, **limits}),
        "DEBUG": "1",
        **(env or {}),
    }


@pytest.fixture
def start_site(
    start_web: StartWeb, start_worker: StartWorker, redis_server: RedisServer
) -> StartSite:
    """Starts a server of the given kind with these limits."""

    def start(kind: str, **options: Any) -> Site:
        return site_of(kind, start_web, start_worker, redis_server, **options)

    return start


@pytest.fixture(scope="module")
def server_of(shared: Shared) -> Callable[[str], Server]:
    """Returns the server of this kind without limits, which is started once."""
    return cache(lambda kind: shared.start_web(kind, env=environment()))


@pytest.fixture
def find_site(
    server_of: Callable[[str], Server], shared: Shared, start_process: Processes
) -> StartSite:
    """Returns a site of this kind without notes of other tests. Its workers end with the test."""
    start_worker = worker_starter(start_process, shared.environment)

    def start(kind: str) -> Site:
        with shared.redis.client() as client:
            client.delete(RUN, CLOSED, GO, IMPORTED)
        return Site(server_of(kind), partial(start_worker, env=environment()), shared.redis)

    return start


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large"
    path.write_bytes(os.urandom(MIB) * (SIZE // MIB))
    return path


@pytest.fixture(scope="module", params=SERVERS)
def shared_site(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    migrated_database: Path,
    large_file: Path,
) -> Iterator[Site]:
    """A server and a worker of many tests. It offers the large file."""
    folder = tmp_path_factory.mktemp("site")
    limits = {"REQUEST_BODY_SIZE": SIZE, "REQUEST_BYTES_WAITING": 4 * SIZE}
    env = {"DOWNLOAD": str(large_file)}
    with sharing(folder, migrated_database, request.session) as shared:
        starters = shared.start_web, shared.start_worker
        site = site_of(request.param, *starters, shared.redis, env=env, **limits)
        site.start_worker()
        yield site


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """That site, without notes of other tests."""
    yield shared_site
    wait_for(lambda: shared_site.kept("connections:*") == [], "no record of a request")
    with shared_site.redis.client() as client:
        client.delete(RUN, CLOSED, GO)


# Pages


def test_pages(site: Site) -> None:
    with site.request("/greet/?name=ann") as response:
        assert (response.status, response.read()) == (200, b"GET ann")
        cookies = [value for name, value in response.getheaders() if name.lower() == "set-cookie"]
        assert [each.partition(";")[0] for each in cookies] == ["one=1", "two=2"]
    with site.request("/greet/", "HEAD") as response:
        assert (response.status, response.read()) == (200, b"")
        assert response.getheader("content-length") == str(len("HEAD nobody"))
    assert site.get("/tagged/", headers={"If-None-Match": '"fixed"'}) == (304, b"")
    assert site.get("/awaited/") == (200, b"awaited")
    assert site.get("/astream/") == (200, b"0 1 2 ")
    status, page = site.get("/fail/")
    assert status == 500
    assert b"as asked for" in page  # the page of DEBUG
    assert site.get("/nowhere/")[0] == 404
    boundary = "x" * 20
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    body = f'{part}field"\r\n\r\nvalue\r\n{part}file"; filename="f"\r\n\r\n'.encode()
    body += b"y" * (2 * MIB // 4) + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = site.get("/form/", "POST", body=body, headers=headers)
    assert answer == (200, f"value {2 * MIB // 4}".encode())
    wait_for(lambda: site.kept("connections:*") == [], "no record of a request")
    assert site.kept("told:*") == []


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_imports_no_views_and_keeps_its_health_pages(
    kind: str, find_site: StartSite
) -> None:
    site = find_site(kind)
    assert site.server.probe("/healthz")[0] == 200
    worker = site.start_worker()
    assert site.get("/process/") == (200, str(worker.pid).encode())
    assert site.seen(IMPORTED) == [str(worker.pid)]


@pytest.mark.parametrize("kind", SERVERS)
def test_a_prefix_stays_in_the_server(kind: str, start_site: StartSite) -> None:
    site = start_site(kind, HTTP={"/": "workers", "/here/": "interface"})
    assert site.get("/here/process/") == (200, str(site.server.process.pid).encode())
    worker = site.start_worker()
    assert site.get("/process/") == (200, str(worker.pid).encode())


@pytest.mark.parametrize("kind", SERVERS)
def test_without_workers_a_request_is_told_when_to_come_again(
    kind: str, start_site: StartSite
) -> None:
    site = start_site(kind, REQUEST_WAIT_TIMEOUT=0.5)
    with site.request("/greet/") as response:
        assert response.status == 503
        assert int(response.getheader("Retry-After") or 0) > 0
    site.start_worker()
    wait_for(lambda: site.get("/greet/?name=bob") == (200, b"GET bob"), "a page")
    assert site.seen(RUN) == []  # the first was withdrawn


def test_runserver(start_runserver: StartServer, redis_server: RedisServer, tmp_path: Path) -> None:
    """Pages, bodies in pieces and static files, with the layer in memory."""
    data = os.urandom(MIB)
    (tmp_path / "file").write_bytes(data)
    given = {"DJANGO_SETTINGS_MODULE": "tests.processes.by_workers", "DOWNLOAD": f"{tmp_path}/file"}
    server = start_runserver(env={**given, "DEBUG": "1"})
    site = Site(server, lambda: server.process, redis_server)
    assert site.get("/greet/?name=ann") == (200, b"GET ann")
    assert site.get("/digest/", "POST", body=data[1:])[1].decode() == (
        hashlib.sha256(data[1:]).hexdigest()
    )
    assert site.get("/file/") == (200, data)
    assert site.get("/static/chat/icon.svg")[0] == 200
    status, page = site.get("/fail/")
    assert status == 500
    assert b"as asked for" in page


# Large bodies


@contextmanager
def peak_memory(redis: RedisServer) -> Iterator[Callable[[], int]]:
    """By how much the memory of Redis has grown at most in the block (bytes)."""
    done = threading.Event()
    seen = []

    def watch() -> None:
        with redis.client() as client:
            while not done.wait(0.005):
                seen.append(client.info("memory")["used_memory"])

    with redis.client() as client:
        before = client.info("memory")["used_memory"]
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: max(seen, default=before) - before
    finally:
        done.set()
        watcher.join()


def test_an_upload_takes_little_of_redis(site: Site, large_file: Path) -> None:
    assert site.get("/greet/")[0] == 200
    data = large_file.read_bytes()
    with peak_memory(site.redis) as growth:
        status, answer = site.get("/digest/", "POST", body=data)
    assert (status, answer.decode()) == (200, hashlib.sha256(data).hexdigest())
    assert growth() < BOUND
    assert site.get("/digest/", "POST", body=data + b"x")[0] == 413


def test_a_download_takes_little_of_redis(site: Site, large_file: Path) -> None:
    assert site.get("/greet/")[0] == 200
    with peak_memory(site.redis) as growth, site.request("/file/") as response:
        assert response.status == 200
        assert hashlib.sha256(response.read()).digest() == (
            hashlib.sha256(large_file.read_bytes()).digest()
        )
    assert growth() < BOUND


@pytest.mark.parametrize("kind", SERVERS)
def test_slow_downloads_of_pages_hold_no_thread(kind: str, find_site: StartSite) -> None:
    site = find_site(kind)
    site.start_worker(threads=1)
    path = f"/large/{7 * MIB}/"
    with site.request(path) as one, site.request(path) as two:  # nobody reads their bodies
        assert site.get("/greet/") == (200, b"GET nobody")
        assert [len(each.read()) for each in (one, two)] == [7 * MIB, 7 * MIB]


@pytest.mark.parametrize("kind", SERVERS)
def test_slow_readers_of_streams_leave_threads_for_pages(kind: str, start_site: StartSite) -> None:
    site = start_site(kind, ANSWER_TIMEOUT=300)
    worker = site.start_worker(threads=2)
    path = f"/stream/{SIZE // PART}/"
    with ExitStack() as slow:
        for _ in range(6):  # nobody reads
            slow.enter_context(site.request(path))
            assert site.get("/greet/") == (200, b"GET nobody")
        worker.wait_for_line("as STREAM_THREADS allows")
        assert site.get(path)[0] == 503
        events = {"Accept": "text/event-stream"}
        assert site.get(path, headers=events) == (200, b"retry: 5000\n\n")
    wait_for(lambda: site.get(path)[0] == 200, "a thread for a stream", TIMEOUT)


def test_a_stream_waits_for_its_client_and_is_closed_when_it_leaves(site: Site) -> None:
    with peak_memory(site.redis) as growth, site.request(f"/stream/{SIZE // PART}/") as response:
        assert response.read(PART) == b"00000000" * (PART // 8)
        assert site.seen(CLOSED) == []  # it waits: nobody reads
    assert "stream" in site.wait_for(CLOSED)
    assert growth() < BOUND


# Crashes; each test waits the five seconds after which a process counts as dead.


@pytest.mark.parametrize("kind", ["daphne"])
def test_a_safe_request_of_a_killed_worker_runs_again(kind: str, find_site: StartSite) -> None:
    site = find_site(kind)
    victim = site.start_worker()
    with _later(site, "/held/") as answer:
        site.wait_for(RUN)
        victim.kill()
        site.start_worker()
        site.wait_for(RUN, 2)
        site.let_go()
        assert answer() == (200, b"done")
    assert [line.split()[0] for line in site.seen(RUN)] == ["GET", "GET"]


@pytest.mark.parametrize("kind", ["uvicorn"])
def test_an_unsafe_request_of_a_killed_worker_never_runs_again(
    kind: str, find_site: StartSite
) -> None:
    site = find_site(kind)
    victim = site.start_worker()
    with _later(site, "/held/", "POST") as answer:
        site.wait_for(RUN)
        victim.kill()
        site.start_worker()
        status, body = answer()
    assert (status, len(site.seen(RUN))) == (502, 1)
    assert b"worker" in body


@pytest.mark.parametrize("kind", ["daphne"])
def test_an_unsafe_request_of_a_frozen_worker_does_not_run_after_its_502(
    kind: str, start_site: StartSite
) -> None:
    site = start_site(kind, REQUEST_WAIT_TIMEOUT=TIMEOUT)
    worker = site.start_worker()
    assert site.get("/greet/") == (200, b"GET nobody")
    with ExitStack() as asking:
        for _ in range(20):  # until it is frozen while it waits for a message
            worker.freeze()
            answer = asking.enter_context(_later(site, "/held/", "POST"))
            wait_for(lambda: site.waiting, "the request", TIMEOUT)
            if site.taken:
                break
            worker.resume()
            site.let_go()
            assert answer() == (200, b"done")
        before = site.seen(RUN)
        site.start_worker()
        assert answer()[0] == 502
        worker.resume()
        worker.wait_for_line("does not run: its worker was frozen")
        assert site.get("/greet/") == (200, b"GET nobody")
        assert site.seen(RUN) == before


@pytest.mark.parametrize("kind", SERVERS)
def test_a_response_of_a_killed_worker_is_not_taken_for_a_whole_one(
    kind: str, find_site: StartSite
) -> None:
    site = find_site(kind)
    victim = site.start_worker()
    with site.request("/held/stream/") as response:
        assert response.read(5) == b"first"
        victim.kill()
        site.start_worker()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()
    site.let_go()  # of the view that runs again, for which a stop would wait


@contextmanager
def _later(site: Site, path: str, method: str = "GET") -> Iterator[Callable[[], tuple[int, bytes]]]:
    """Ask in a thread. The function waits for the answer."""
    found: list[tuple[int, bytes]] = []
    asking = threading.Thread(target=lambda: found.append(site.get(path, method)))
    asking.start()

    def answer() -> tuple[int, bytes]:
        asking.join(TIMEOUT)
        assert found, site.server.process.describe()
        return found[0]

    yield answer
    asking.join(TIMEOUT)


# Long polls, event streams, and deploys


def lines(response: http.client.HTTPResponse, count: int) -> bytes:
    return b"".join(response.readline() for _ in range(count))


def test_a_socket_answers_a_long_poll_and_an_event_stream(site: Site) -> None:
    with (
        connect(f"{site.server.socket_url}/talk/", open_timeout=TIMEOUT) as socket,
        site.request("/events/", headers={"Last-Event-ID": "41"}) as stream,
        _later(site, "/poll/") as answer,
    ):
        assert stream.getheader("content-type", "").startswith("text/event-stream")
        assert lines(stream, 5) == b":\n\nid: 1\ndata: after 41\n\n"
        site.wait_for(RUN)
        socket.send("hello")
        assert socket.recv(TIMEOUT) == "told hello"
        assert answer() == (200, b"hello")
        assert lines(stream, 3) == b"id: 2\ndata: hello\n\n"
    assert sorted(site.wait_for(CLOSED, 2)) == ["/events/", "/poll/"]


@pytest.mark.parametrize("kind", SERVERS)
def test_a_deploy_of_pages_drops_no_socket_and_no_request(kind: str, find_site: StartSite) -> None:
    site = find_site(kind)
    old = site.start_worker()
    with connect(f"{site.server.socket_url}/talk/", open_timeout=TIMEOUT) as socket:
        with _later(site, "/held/", "POST") as answer:
            site.wait_for(RUN)
            new = site.start_worker()
            stopping = threading.Thread(target=old.terminate)
            stopping.start()
            wait_for(lambda: site.get("/process/") == (200, str(new.pid).encode()), "the new pages")
            site.let_go()
            assert answer() == (200, b"done")
            stopping.join(TIMEOUT)
        socket.send("still here")
        assert socket.recv(TIMEOUT) == "told still here"
