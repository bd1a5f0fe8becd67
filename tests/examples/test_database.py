"""Consumers of Channels 4 that use the ORM and the user, and the threads of their queries."""

import json
from typing import Any

import pytest

from labs.harness.processes import Process
from labs.harness.server import Server
from tests.examples.conftest import SERVERS, RunShell, SharedExample, StartExample, open_socket

each_server = pytest.mark.parametrize("kind", SERVERS)

#: Threads keep their connections. The variable bounds the former, so it bounds the latter.
THREE = {"ASGI_THREADS": "3", "DATABASE_CONN_MAX_AGE": "600"}

LOG_IN = """
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.get_or_create(username="account")[0])
print(f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}")
"""


def answer(server: Server, path: str, *frames: object, cookie: str = "") -> Any:
    """The first frame that a socket gets after it has sent these."""
    with open_socket(server, path, cookie=cookie) as socket:
        for frame in frames:
            socket.send(json.dumps(frame))
        return json.loads(socket.recv(60))


@each_server
def test_the_orm_by_a_call_and_by_a_decorator(
    kind: str, shared_example: SharedExample, shared_worker: Process
) -> None:
    server, room = shared_example(kind), f"orm-{kind}"
    assert answer(server, f"/ws/history/{room}/", {}) == {"count": 0, "last": None}
    with server.join(room) as ann:
        for text in ("hello", "again"):
            ann.say(text)
            ann.hear_message(text)
    assert answer(server, f"/ws/history/{room}/", {}) == {"count": 2, "last": "again"}
    assert answer(server, "/ws/history/other/", {}) == {"count": 0, "last": None}


@each_server
def test_the_user_of_the_session(
    kind: str, shared_example: SharedExample, run_shell: RunShell
) -> None:
    cookie = run_shell(LOG_IN).output
    server = shared_example(kind)
    assert answer(server, "/ws/user/", cookie=cookie) == {"user": "account"}
    assert answer(server, "/ws/user/", cookie=cookie + "x") == {"user": None}
    assert answer(server, "/ws/user/") == {"user": None}


def count(server: Server, way: str, calls: int, together: int) -> dict[str, int]:
    """The threads and the connections of calls of which so many must run at the same time."""
    found: dict[str, int] = answer(server, f"/{way}/", [calls, together])
    return found


@each_server
def test_queries_share_one_thread_and_one_connection(
    kind: str, start_example: StartExample
) -> None:
    server = start_example(kind, "tests.examples.threads", THREE)
    assert count(server, "sensitive", 12, 1) == {"threads": 1, "connections": 1}
    for _ in range(3):
        assert count(server, "class", 1, 1) == {"threads": 1, "connections": 1}


@pytest.mark.parametrize(
    ("kind", "way"), [("daphne", "default"), ("daphne", "pool"), ("uvicorn", "pool")]
)
def test_a_variable_bounds_threads_and_connections(
    kind: str, way: str, start_example: StartExample
) -> None:
    server = start_example(kind, "tests.examples.threads", THREE)
    assert count(server, way, 12, 3) == {"threads": 3, "connections": 3}


def test_uvicorn_does_not_read_the_variable(start_example: StartExample) -> None:
    server = start_example("uvicorn", "tests.examples.threads", THREE)
    assert count(server, "default", 4, 4) == {"threads": 4, "connections": 4}
