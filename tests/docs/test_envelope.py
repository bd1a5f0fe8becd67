"""The consumers of the page about envelopes, in a real project with real processes."""

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from labs.harness.processes import Processes
from labs.harness.redis_server import RedisServer
from tests.docs.pages import page
from tests.docs.test_tutorial import Project, opened

BLOCKS = {block.file: block for block in page("how-to/envelope").blocks if block.file}


@pytest.fixture
def project(tmp_path: Path, start_process: Processes, redis_server: RedisServer) -> Project:
    made = Project(tmp_path / "project", start_process, redis_server)
    made.start()
    for block in BLOCKS.values():
        made.write(block)
    return made


def route(project: Project, module: str) -> None:
    with (project.folder / "mysite" / "settings.py").open("a") as file:
        file.write(f'CHANNEL_ROUTING = "{module}.channel_routing"\n')


def frames(socket: ClientConnection, number: int) -> list[dict[str, Any]]:
    return [json.loads(socket.recv(60)) for _ in range(number)]


def ask(socket: ClientConnection, *, answers: int = 1, **frame: Any) -> list[dict[str, Any]]:
    socket.send(json.dumps(frame))
    return frames(socket, answers)


def test_the_class_of_the_page(project: Project) -> None:
    route(project, "board.envelopes")
    project.make_tables()
    project.log_in_ann()
    server = project.serve()
    with (
        opened(server, "/notes/", session_key=project.key) as ann,
        opened(server, "/notes/") as nobody,
    ):
        for group, real in (("today", "notes-today"), ("else", "notes-else")):
            [joined] = ask(ann, type="join", id=1, group=group)
            assert (joined["type"], joined["name"]) == ("joined", real)
        assert ask(nobody, type="join", id=1, group="today")[0]["code"] == "denied"
        tea = {"stream": "note", "payload": {"text": "tea"}}
        assert ask(nobody, **tea)[0]["message"] == "Log in first."
        answers = ask(ann, **tea, nonce="n", answers=2)
        assert sorted(each["type"] for each in answers) == ["ack", "message"]
        [message] = [each for each in answers if each["type"] == "message"]
        assert message["payload"] == {"id": 1, "text": "tea"}
        assert ask(ann, **tea, nonce="n") == [{"type": "ack", "nonce": "n"}]
        wrong = {**tea, "payload": {"text": 1}}
        assert ask(ann, **wrong)[0]["fields"][0]["field"] == "text"
        with opened(server, "/notes/", session_key=project.key) as again:
            assert ask(again, **tea, nonce="n") == [{"type": "ack", "nonce": "n"}]
        [recent] = ask(ann, type="request", id=2, stream="recent", payload=None)
        assert recent["payload"] == [{"id": 1, "text": "tea"}]


def test_the_function_of_the_page(project: Project) -> None:
    route(project, "board.enveloped")
    project.make_tables()
    server = project.serve()
    with opened(server, "/enveloped/") as socket:
        [reply] = ask(socket, type="request", id=1, stream="a", payload=[1])
        assert reply["payload"] == {"stream": "a", "payload": [1]}
        assert ask(socket, type="join", id=2, group="today")[0]["type"] == "joined"
        assert ask(socket, type="join", id=3, group="other")[0]["code"] == "denied"
