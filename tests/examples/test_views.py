"""A sync view and an async view that use the ORM, beside sockets in one server."""

import json
from inspect import iscoroutinefunction

import pytest

from chat import views
from labs.harness.processes import Process
from tests.examples.conftest import SERVERS, SharedExample


def test_one_is_sync_and_one_is_async() -> None:
    assert not iscoroutinefunction(views.room)
    assert iscoroutinefunction(views.history)


@pytest.mark.parametrize("kind", SERVERS)
def test_both_show_the_messages(
    kind: str, shared_example: SharedExample, shared_worker: Process
) -> None:
    server, room = shared_example(kind), f"views-{kind}"
    with server.join(room) as ann:
        ann.say("hello")
        said = ann.hear()
        assert "hello" in server.get(f"/{room}/")
        history = json.loads(server.get(f"/{room}/messages/"))
        assert history == {"messages": [said], "more": False}
