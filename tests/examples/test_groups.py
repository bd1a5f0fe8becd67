"""Functions and classes in one group, with Redis, real servers and a real worker."""

import json
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from tests.conftest import StartWorker
from tests.examples.conftest import SERVERS, StartExample, open_socket


@pytest.mark.parametrize("kind", SERVERS)
def test_echo(kind: str, start_example: StartExample) -> None:
    with open_socket(start_example(kind), "/ws/echo/") as socket:
        for frame in ("hello", "grüß 漢字 🎉", b"\x00\xff"):
            socket.send(frame)
            assert socket.recv(60) == frame


@pytest.mark.parametrize("kind", SERVERS)
def test_both_kinds_of_consumers_hear_each_other(
    kind: str, start_example: StartExample, start_worker: StartWorker
) -> None:
    first, second = start_example(kind), start_example(kind)
    start_worker()
    with ExitStack() as stack:
        ann = stack.enter_context(first.join("lobby"))
        bob = stack.enter_context(open_socket(second, "/ws/chat/lobby/"))
        eve = stack.enter_context(open_socket(second, "/ws/async-chat/lobby/"))
        ann.say("from a function", handle="ann")
        said = ann.hear()
        assert said["message"] == "from a function"
        assert hear(bob) == hear(eve) == said
        for speaker in (bob, eve):
            message = {"handle": "class", "message": "from a class"}
            speaker.send(json.dumps(message))
            assert hear(bob) == hear(eve) == ann.hear() == message


def hear(socket: ClientConnection) -> Any:
    """The next message. Frames with a type, such as presence, are skipped."""
    while "type" in (frame := json.loads(socket.recv(60))):
        pass
    return frame


@pytest.mark.parametrize("kind", SERVERS)
def test_rooms_are_separate(kind: str, start_example: StartExample) -> None:
    server = start_example(kind)
    with (
        open_socket(server, "/ws/chat/lobby/") as ann,
        open_socket(server, "/ws/async-chat/other/") as bob,
    ):
        ann.send("in the lobby")
        assert ann.recv(60) == "in the lobby"
        bob.send("elsewhere")
        assert bob.recv(60) == "elsewhere"


@pytest.mark.parametrize("kind", SERVERS)
def test_refused_handshakes(
    kind: str, start_example: StartExample, start_worker: StartWorker
) -> None:
    server = start_example(kind)
    start_worker()
    with open_socket(server, "/ws/echo/"):
        pass
    for path in ("/ws/echo/", "/ws/chat/lobby/", "/ws/async-chat/lobby/"):
        for origin in (None, "https://elsewhere.example.com"):
            with pytest.raises(InvalidStatus, match="403"):
                open_socket(server, path, origin)
    for path in ("/ws/nothing/", "/ws/chat/caf%C3%A9/", "/nothing/"):
        with pytest.raises(InvalidStatus, match="403"):
            open_socket(server, path)
