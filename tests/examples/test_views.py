"""A sync view and an async view that use the ORM, beside sockets in one server."""

import json
from inspect import iscoroutinefunction

import pytest

from chat import views
from tests.conftest import StartWorker
from tests.examples.conftest import SERVERS, StartExample


def test_one_is_sync_and_one_is_async() -> None:
    assert not iscoroutinefunction(views.room)
    assert iscoroutinefunction(views.history)


@pytest.mark.parametrize("kind", SERVERS)
def test_both_show_the_messages(
    kind: str, start_example: StartExample, start_worker: StartWorker
) -> None:
    server = start_example(kind)
    start_worker()
    with server.join("lobby") as ann:
        ann.say("hello")
        said = ann.hear()
        assert "hello" in server.get("/lobby/")
        history = json.loads(server.get("/lobby/messages/"))
        assert history == {"messages": [said], "more": False}
