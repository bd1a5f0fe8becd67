"""The Procfile's commands as an operator runs them: two web servers, two workers, one Redis.

Redis has a port of its own, given by REDIS_URL.
"""

import re
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from channels_workers.interface.close_codes import SERVER_STOPS
from labs.harness.ports import free_port, is_listening
from labs.harness.processes import Process, Processes
from labs.harness.procfile import shell_command
from labs.harness.redis_server import RedisServer
from labs.harness.server import Person, Server
from labs.harness.waiting import wait_for
from tests.conftest import Shared, StartWeb, StartWorker
from tests.docs.pages import page

FRAMES = 800
SERVERS = ("daphne", "uvicorn")


def assert_they_talk(ann: Person, bob: Person, label: str = "") -> None:
    """Check that both hear what each of them says."""
    for speaker, handle in ((ann, "ann"), (bob, "bob")):
        text = f"hello from {handle} {label}".strip()
        speaker.say(text, handle=handle)
        for listener in (ann, bob):
            frame = listener.hear()
            assert (frame["handle"], frame["message"]) == (handle, text)
            assert frame["id"]
            assert frame["timestamp"]


def hear_many(person: Person, number: int) -> list[dict[str, Any]]:
    return [person.hear(timeout=60) for _ in range(number)]


@pytest.fixture(scope="module")
def servers(shared: Shared) -> dict[str, list[Server]]:
    """Two servers of each kind, with two workers."""
    shared.start_worker()
    shared.start_worker()
    return {kind: [shared.start_web(kind), shared.start_web(kind)] for kind in SERVERS}


@pytest.mark.parametrize("kind", SERVERS)
def test_people_on_different_servers_talk(kind: str, servers: dict[str, list[Server]]) -> None:
    first, second = servers[kind]
    with first.join(kind) as ann, second.join(kind) as bob, first.join("other") as eve:
        assert_they_talk(ann, bob)
        eve.say("alone", handle="eve")
        assert eve.hear()["message"] == "alone"


def test_people_on_servers_of_two_kinds_talk(servers: dict[str, list[Server]]) -> None:
    daphne, uvicorn = (servers[kind][0] for kind in SERVERS)
    with daphne.join("both-kinds") as ann, uvicorn.join("both-kinds") as bob:
        assert_they_talk(ann, bob)


@pytest.mark.parametrize("kind", SERVERS)
def test_frames_stay_complete_and_ordered_while_workers_come_and_go(
    kind: str, start_web: StartWeb, start_worker: StartWorker
) -> None:
    first, second = start_web(kind), start_web(kind)
    leaving, staying = start_worker(), start_worker()
    joining = start_worker(wait=False)
    with (
        first.join("lobby") as ann,
        second.join("lobby") as bob,
        ThreadPoolExecutor() as pool,
    ):
        heard = [pool.submit(hear_many, person, FRAMES) for person in (ann, bob)]
        for number in range(FRAMES):
            ann.say(f"frame {number}")
        wait_until_some_heard(bob, FRAMES // 20, heard)
        assert leaving.terminate() == 0
        assert len(bob.seen) < FRAMES, "The worker left too late to show anything"
        for future in heard:
            frames = future.result(timeout=90)
            assert [frame["message"] for frame in frames] == [f"frame {n}" for n in range(FRAMES)]
        assert staying.terminate() == 0
        assert joining.is_running
        assert_they_talk(ann, bob, "through the worker that joined")


def wait_until_some_heard(person: Person, number: int, heard: list[Future[Any]]) -> None:
    """Wait until a person has heard *count* frames. Returns at once if a listener failed."""
    wait_for(
        lambda: len(person.seen) >= number or any(future.done() for future in heard),
        lambda: f"{number} frames, of which {len(person.seen)} came",
        timeout=60,
    )


def test_everybody_hears_all_messages_in_each_speakers_order(
    servers: dict[str, list[Server]],
) -> None:
    both = [servers[kind][0] for kind in SERVERS]
    number, each = 8, 25
    with ExitStack() as stack, ThreadPoolExecutor(number) as pool:
        people = [stack.enter_context(both[n % 2].join("everybody")) for n in range(number)]
        heard = [pool.submit(hear_many, person, number * each) for person in people]
        for count in range(each):
            for n, person in enumerate(people):
                person.say(str(count), handle=f"person{n}")
        for future in heard:
            frames = future.result(timeout=90)
            for n in range(number):
                said = [f["message"] for f in frames if f["handle"] == f"person{n}"]
                assert said == [str(count) for count in range(each)]


def test_a_stopping_web_server_disconnects_only_its_own_clients(
    start_web: StartWeb, start_worker: StartWorker
) -> None:
    first, second = start_web(), start_web()
    start_worker()
    with first.join("lobby") as ann, second.join("lobby") as bob:
        assert_they_talk(ann, bob)
        first.process.terminate()
        with pytest.raises(ConnectionClosed):
            ann.hear()
        bob.say("still here")
        assert bob.hear()["message"] == "still here"


def test_an_interrupted_worker_finishes_its_messages(
    start_web: StartWeb, start_worker: StartWorker
) -> None:
    server = start_web()
    worker = start_worker()
    with server.join("lobby") as ann:
        ann.say("before")
        assert ann.hear()["message"] == "before"
        worker.signal(signal.SIGINT)
        assert worker.wait() == 0
        ann.say("while nobody works")
        start_worker()
        assert ann.hear()["message"] == "while nobody works"


@pytest.mark.parametrize(
    ("given", "others_reach_it"), [("", True), ("0.0.0.0", True), ("127.0.0.1", False)]
)
def test_web_listens_on_the_configured_address(
    given: str, others_reach_it: bool, start_web: StartWeb
) -> None:
    """Another loopback address stands for the machine's address in its network."""
    server = start_web(env={"BIND": given})
    assert "<title>" in server.get("/")
    assert is_listening(server.port, "127.0.0.2") is others_reach_it


def start_honcho(start_process: Processes, env: dict[str, str]) -> Server:
    """Start the chat with honcho, which runs Procfiles."""
    port = free_port()
    command = ["honcho", "start", "--port", str(port), "web", "worker"]
    honcho = start_process(command, name="honcho", env=env)
    return Server(port, honcho.wait_until_listening(port))


def test_honcho_starts_the_procfile(
    start_process: Processes, chat_environment: dict[str, str]
) -> None:
    server = start_honcho(start_process, chat_environment)
    with server.join("lobby") as ann, server.join("lobby") as bob:
        assert_they_talk(ann, bob)


def test_honcho_gives_web_time_to_close_its_sockets(
    start_process: Processes, chat_environment: dict[str, str]
) -> None:
    """Uses the .env of docs/how-to/deploy.md, because honcho kills processes that take longer."""
    (line,) = re.findall(r"printf '%s\\n' (.+) > \.env", page("how-to/deploy").text)
    written = dict(pair.split("=", 1) for pair in line.split())
    env = {**chat_environment, "BIND": written["BIND"], "DRAIN_TIME": written["DRAIN_TIME"]}
    server = start_honcho(start_process, env)
    honcho = server.process
    with server.join("lobby") as ann, server.join("lobby") as bob:
        assert_they_talk(ann, bob)
        honcho.signal(signal.SIGTERM)
        for person in (ann, bob):
            with pytest.raises(ConnectionClosed) as closed:
                person.hear()
            assert closed.value.rcvd
            assert closed.value.rcvd.code == SERVER_STOPS
        honcho.wait()
    assert "SIGTERM" in honcho.output
    assert "SIGKILL" not in honcho.output


# Redis is down, or not what was expected


def assert_says_and_goes_on(process: Process, *parts: str) -> None:
    """Check that it logs the problem with the address, and keeps running."""
    pattern = "(?i)" + "".join(f"(?=.*{part})" for part in ("redis", *parts))
    process.wait_for_line(pattern)
    assert process.is_running


def test_redis_may_start_last(
    redis_server: RedisServer, start_web: StartWeb, start_worker: StartWorker
) -> None:
    redis_server.stop()
    first, second = start_web("daphne"), start_web("uvicorn")
    worker = start_worker(wait=False)
    address = f"127.0.0.1:{redis_server.port}"
    assert_says_and_goes_on(worker, address)
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        entering = [
            pool.submit(stack.enter_context, server.join("lobby")) for server in (first, second)
        ]
        for server in (first, second):
            assert_says_and_goes_on(server.process, address)
        redis_server.start()
        ann, bob = (future.result() for future in entering)
        assert_they_talk(ann, bob)


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost:6379", "redis//:hunter2@x"])
def test_an_invalid_redis_url_is_refused(
    url: str, start_process: Processes, chat_environment: dict[str, str]
) -> None:
    env = {**chat_environment, "PORT": str(free_port()), "REDIS_URL": url}
    for process_type in ("web", "worker"):
        process = start_process(shell_command(process_type), name=process_type, env=env)
        assert process.wait() != 0
        assert "REDIS_URL must be a redis://, rediss:// or unix:// URL" in process.output
        assert "hunter2" not in process.output


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://no-such-host.invalid:6379/0", "no-such-host.invalid"),
        ("redis://127.0.0.1:1/0", "127.0.0.1:1"),
    ],
)
def test_an_unreachable_redis_url_is_logged(
    url: str, address: str, start_web: StartWeb, start_worker: StartWorker
) -> None:
    env = {"REDIS_URL": url, "HANDSHAKE_TIMEOUT": "2"}
    server = start_web(env=env)
    worker = start_worker(env=env, wait=False)
    with pytest.raises(InvalidStatus, match="403"), server.join("lobby"):
        pass
    for process in (server.process, worker):
        assert_says_and_goes_on(process, address)
    assert "<title>" in server.get("/"), "Pages need no Redis"


def test_a_refused_redis_password_is_logged(
    redis_server: RedisServer, start_web: StartWeb, start_worker: StartWorker
) -> None:
    url = f"redis://:very-secret@127.0.0.1:{redis_server.port}/0"
    env = {"REDIS_URL": url, "HANDSHAKE_TIMEOUT": "2"}
    server = start_web(env=env)
    worker = start_worker(env=env, wait=False)
    with pytest.raises(InvalidStatus, match="403"), server.join("lobby"):
        pass
    for process in (server.process, worker):
        process.wait_for_line(r"(?i)(?=.*redis)(?=.*(auth|password))")
        assert "very-secret" not in process.output
