"""Logs of real processes: one JSON line per event, without message texts or secrets."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb, StartWorker

TEXT = "Rhabarberbarbara"
PASSWORD = secrets.token_urlsafe(20)
SECRET_KEY = secrets.token_urlsafe(50)
REQUEST_ID = "01234567-89ab-cdef"
SECRETS = (TEXT, PASSWORD, SECRET_KEY)

Record = dict[str, Any]


@pytest.fixture(scope="module")
def guarded_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--requirepass", PASSWORD)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def production(guarded_redis: RedisServer) -> dict[str, str]:
    """Production settings without TLS, and with everything that could leak into the log."""
    return {
        "DEBUG": "0",
        "HTTPS": "0",
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECRET_KEY": SECRET_KEY,
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "DEBUG",
        "REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:{guarded_redis.port}/0",
        "DJANGO_SETTINGS_MODULE": "tests.processes.loud",
    }


def records(process: Process) -> list[Record]:
    """The log of a process as objects. AssertionError if a line contains a secret."""
    for secret in SECRETS:
        assert secret not in process.output, process.describe()
    return [json.loads(line) for line in process.output.splitlines()]


def wait_for_event(process: Process, event: str, **fields: Any) -> Record:
    """The first record of an event with these fields."""

    def found() -> Record | None:
        wanted = {"event": event, **fields}.items()
        return next((each for each in records(process) if wanted <= each.items()), None)

    record = wait_for(found, lambda: f"{event} {fields}. {process.describe()}")
    assert record is not None
    return record


def put_unreadable(url: str) -> None:
    """Queue a message that cannot be decoded."""
    with redis.from_url(url) as client:
        [stream] = client.keys("chat:*:channel:websocket.receive") or [b""]
        client.xadd(stream, {"id": "x!1:0", "payload": TEXT, "deaths": TEXT})


@pytest.mark.parametrize("program", ["daphne", "uvicorn"])
def test_each_event_has_a_line_without_message_texts(
    program: str, production: dict[str, str], start_web: StartWeb, start_worker: StartWorker
) -> None:
    web = start_web(program, env=production)
    worker = start_worker(env=production, wait=False)
    started = wait_for_event(worker, "worker_starts")
    assert wait_for_event(web.process, "server_starts")["level"] == "INFO"
    url = f"{web.socket_url}/chat/lobby/?token={TEXT}"
    sent = {"X-Request-ID": REQUEST_ID}
    with connect(url, open_timeout=60, additional_headers=sent) as socket:
        socket.send(TEXT)
        failed = wait_for_event(worker, "consumer_failed", channel="websocket.receive")
        assert failed["request_id"] == REQUEST_ID
        assert failed["consumer"] == "tests.processes.loud.fail"
        assert failed["message_id"] == f"{failed['connection']}:1"
        assert failed["path"] == "/chat/lobby/"
        assert "builtins.RuntimeError (its text is not logged)" in failed["error"]
        assert "in fail" in failed["error"]
        of_project = next(each for each in records(worker) if each["logger"] == "a.project")
        assert of_project["connection"] == failed["connection"]
        assert of_project["message_id"] == f"{failed['connection']}:0"
        assert of_project["request_id"] == REQUEST_ID
        with pytest.raises(ConnectionClosed, match="4009"):  # noqa: PT012
            socket.send(TEXT * 20_000)
            socket.recv(60)
    closed = wait_for_event(web.process, "socket_closed", code=4009)
    assert closed["connection"] == failed["connection"]
    assert closed["request_id"] == REQUEST_ID
    if program == "daphne":  # the rest concerns the worker alone
        put_unreadable(production["REDIS_URL"])
        unreadable = wait_for_event(worker, "unreadable")
        assert (unreadable["level"], unreadable["channel"]) == ("ERROR", "websocket.receive")
    for process in (worker, web.process):
        process.stop()
    assert wait_for_event(worker, "worker_stopped")["process_id"] == started["process_id"]
    assert all(each["message"] and each["time"] for each in records(worker))
    assert not any("HTTP/2" in each["message"] for each in records(web.process))


def test_a_password_that_redis_refuses_is_not_logged(
    production: dict[str, str],
    guarded_redis: RedisServer,
    start_web: StartWeb,
    start_worker: StartWorker,
) -> None:
    wrong = {"REDIS_URL": f"redis://ann:{TEXT}@127.0.0.1:{guarded_redis.port}/0"}
    web, worker = (
        start_web(env=production | wrong),
        start_worker(env=production | wrong, wait=False),
    )
    lost = wait_for_event(web.process, "layer_lost")
    assert f"redis://***@127.0.0.1:{guarded_redis.port}/0" in lost["message"]
    assert worker.wait() == 1
    line = worker.output.splitlines()[-1]
    assert "Traceback" not in worker.output
    assert line.startswith("CommandError: channels_workers.E016: ")
    assert f"redis://***@127.0.0.1:{guarded_redis.port}/0" in line
    assert not any(secret in line for secret in SECRETS)


def test_a_database_outage_does_not_log_the_password(
    production: dict[str, str], start_process: Processes
) -> None:
    url = f"postgres://ann:{PASSWORD}@127.0.0.1:{free_port()}/chat"
    command = ["python", "manage.py", "migrate"]
    process = start_process(command, env=production | {"DATABASE_URL": url})
    assert process.wait() != 0
    assert "OperationalError" in process.output
    assert PASSWORD not in process.output


def test_without_json_lines_are_plain_text(
    production: dict[str, str], start_worker: StartWorker
) -> None:
    worker = start_worker(env=production | {"LOG_FORMAT": "text"})
    assert r"INFO channels_workers.management.commands.runworker: Worker" in worker.output
