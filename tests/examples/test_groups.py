"""Functions and classes in one group, with Redis, real servers and a real worker."""

import json
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from labs.harness.processes import Process
from tests.examples.conftest import SERVERS, SharedExample, open_socket


@pytest.mark.parametrize("kind", SERVERS)
def test_echo(kind: str, shared_example: SharedExample) -> None:
    with open_socket(shared_example(kind), "/ws/echo/") as socket:
        for frame in ("hello", "grüß 漢字 🎉", b"\x00\xff"):
            socket.send(frame)
            assert socket.recv(60) == frame


@pytest.mark.parametrize("kinds", [SERVERS, SERVERS[::-1]])
def test_both_kinds_of_consumers_hear_each_other(
    kinds: tuple[str, str], shared_example: SharedExample, shared_worker: Process
) -> None:
    first, second = map(shared_example, kinds)
    room = f"both-{kinds[0]}"
    with ExitStack() as stack:
        ann = stack.enter_context(first.join(room))
        bob = stack.enter_context(open_socket(second, f"/ws/chat/{room}/"))
        eve = stack.enter_context(open_socket(second, f"/ws/async-chat/{room}/"))
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
def test_rooms_are_separate(kind: str, shared_example: SharedExample) -> None:
    server = shared_example(kind)
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
    kind: str, shared_example: SharedExample, shared_worker: Process
) -> None:
    server = shared_example(kind)
    with open_socket(server, "/ws/echo/"):
        pass
    for path in ("/ws/echo/", "/ws/chat/lobby/", "/ws/async-chat/lobby/"):
        for origin in (None, "https://elsewhere.example.com"):
            with pytest.raises(InvalidStatus, match="403"):
                open_socket(server, path, origin)
    for path in ("/ws/nothing/", "/ws/chat/caf%C3%A9/", "/nothing/"):
        with pytest.raises(InvalidStatus, match="403"):
            open_socket(server, path)
