"""Sockets whose messages are types, with real servers and workers, and their document."""

import json
import sys
from typing import Any

import jsonschema
import pytest
from websockets.sync.client import ClientConnection, connect

from labs.harness.commands import run
from labs.harness.processes import Process
from labs.harness.project import ROOT
from labs.harness.waiting import wait_for
from tests.channels_workers.asyncapi.sites import VALIDATOR
from tests.conftest import Shared

TYPED = {"DJANGO_SETTINGS_MODULE": "tests.processes.typed"}

#: What hostile clients send.
HOSTILE = [
    *("", "{", "null", "[]", '"say"', "\0", "NaN", "{}", '{"type": {}}', '{"type": "sing"}'),
    *('{"type": "say", "text": 5}', '{"type": "say", "text": "\\ud800"}'),
    *(f"{'[' * depth}{']' * depth}" for depth in (300, 100_000)),
    '{"type": "say", "text": "hi", "' + "k" * 100_000 + '": 1}',
    json.dumps({"type": "add", "numbers": ["1"] * 30_000}),
    json.dumps({"type": "add", "numbers": [[]] * 500}),
    '{"type": "add", "numbers": [' + "9" * 5_000 + "]}",
    '{"type": "add", "numbers": [1e999]}',
]


@pytest.fixture(scope="module")
def worker(shared: Shared) -> Process:
    return shared.start_worker(env=TYPED)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def address(request: pytest.FixtureRequest, shared: Shared, worker: Process) -> str:
    return shared.start_web(request.param, env=TYPED).socket_url


@pytest.fixture(scope="module")
def document(shared: Shared) -> dict[str, Any]:
    """The document of the routing, by the command."""
    command = (sys.executable, "manage.py", "asyncapi")
    found = json.loads(run(*command, cwd=ROOT, env={**shared.environment, **TYPED}))
    VALIDATOR.validate(found)
    return found


def is_described(frame: Any, path: str, document: dict[str, Any]) -> bool:
    """Whether the document says that sockets on *path* get this frame."""
    names = {
        message["$ref"].rpartition("/")[2]
        for operation in document["operations"].values()
        if operation["action"] == "send" and operation["channel"]["$ref"].endswith(f"/{path}")
        for message in operation["messages"]
    }
    components = document["components"]
    payloads = [components["messages"][name]["payload"] for name in names]
    schema = {"anyOf": payloads, "components": components}
    return jsonschema.Draft7Validator(schema).is_valid(frame)


def ask(socket: ClientConnection, text: str) -> dict[str, Any]:
    socket.send(text)
    found: dict[str, Any] = json.loads(socket.recv(timeout=30))
    return found


@pytest.mark.parametrize("path", ["function", "class"])
def test_frames_are_read_or_answered_with_errors(
    path: str, address: str, document: dict[str, Any]
) -> None:
    with connect(f"{address}/{path}/", open_timeout=60, ping_interval=None) as socket:
        for text in HOSTILE:
            error = ask(socket, text)
            assert error["code"] == "invalid", text[:50]
            assert len(json.dumps(error)) < 4_096
            assert is_described(error, path, document), error
            said = ask(socket, '{"type": "say", "text": "abc"}')
            assert said == {"type": "said", "text": "cba"}
            assert is_described(said, path, document)
        assert ask(socket, '{"type": "add", "numbers": [1, 2]}') == {"type": "sum", "sum": 3}


def test_frames_keep_their_order(address: str) -> None:
    with connect(f"{address}/function/", open_timeout=60, ping_interval=None) as socket:
        for number in range(100):
            frame = {"type": "add", "numbers": [number, "x"] if number % 2 else [number]}
            socket.send(json.dumps(frame))
        for number in range(100):
            answer = json.loads(socket.recv(timeout=30))
            if number % 2:
                assert answer["fields"][0]["field"] == "numbers[1]"
            else:
                assert answer["sum"] == number


def test_the_worker_logs_it_in_limits(address: str, worker: Process) -> None:
    with connect(f"{address}/function/", open_timeout=60, ping_interval=None) as socket:
        for _ in range(50):
            ask(socket, "{}")
    left_out = "more like this one within a minute are left out"
    wait_for(lambda: left_out in worker.output, "the line that says so")
    lines = [line for line in worker.output.splitlines() if "is not of its type: " in line]
    assert len(lines) <= 5 * 20  # of some 250 frames in this module, a minute each
    assert all(len(line) < 600 for line in lines)
