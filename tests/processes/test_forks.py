"""Consumers that fork: messages of the child are sent, and the worker is unaffected."""

import pytest
from websockets.sync.client import connect

from labs.harness.processes import Process
from labs.harness.server import Server
from tests.conftest import StartWeb, StartWorker

FORKING = {"DJANGO_SETTINGS_MODULE": "tests.processes.forking"}


@pytest.fixture
def worker(start_worker: StartWorker) -> Process:
    return start_worker(env=FORKING)


@pytest.fixture
def web(start_web: StartWeb, worker: Process) -> Server:
    return start_web(env=FORKING)


def answers(web: Server, text: str, count: int) -> list[str | bytes]:
    """The replies to *text*, and to a second message that shows that all still work."""
    with connect(f"{web.socket_url}/room/", open_timeout=60) as socket:
        socket.send(text)
        found = [socket.recv(60) for _ in range(count)]
        socket.send("still here?")
        assert socket.recv(60) == "still here?"
    return found


def test_messages_of_a_forked_child_are_sent(web: Server) -> None:
    found = answers(web, "send", 3)
    assert found == ["from the child", "from the child at once", "ended with 0"]


def test_terminating_a_forked_child_does_not_stop_its_worker(web: Server, worker: Process) -> None:
    assert answers(web, "end", 1) == ["ended with -15"]
    assert worker.is_running
    assert worker.terminate() == 0
    assert "Worker stopped" in worker.output


def test_a_forked_child_that_returns_from_its_consumer_exits(web: Server, worker: Process) -> None:
    assert answers(web, "return", 2) == ["from both", "ended with 1"]
    worker.wait_for_line(r"forked, and its child returned, .* os\._exit\(\)")
