import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.layers.types import ProcessInfo
from labs.harness.ports import free_port
from tests.channels_workers.clients import Client


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("channelstatus", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def client(client_socket: Client) -> Client:
    """A connection with its handshake in flight, beside a queued message."""
    client_socket.layer.register(
        "w", ProcessInfo("worker", "host", 42, 0.0, 4, ("websocket.connect",))
    )
    client_socket.connect()
    client_socket.layer.pull(["websocket.connect"], "w.0", 0)
    Channel("tasks").send({})
    return client_socket


def test_the_status_as_plain_text(client: Client) -> None:
    lines = run().splitlines()
    assert lines[0] == "1 interface servers"
    assert lines[1].endswith("1 connections, 0 groups, inbox 0")
    assert lines[2] == "1 workers"
    assert lines[3] == "  w  host:42 since 1970-01-01 00:00:00 UTC  1 of 4 threads busy"
    assert "  tasks  1 waiting, 0 in flight" in lines
    assert lines[-1] == "0 dead letters"


def test_the_status_as_json(client: Client) -> None:
    status = json.loads(run("--json"))
    assert status["workers"][0]["about"]["pid"] == 42
    assert status["servers"][0]["connections"] == 1
    assert {"name": "tasks", "waiting": 1, "in_flight": 0, "oldest": None} in status["channels"]


def test_a_layer_that_does_not_answer(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
            "CONFIG": {"hosts": [f"redis://127.0.0.1:{free_port()}/0"]},
        }
    }
    with pytest.raises(CommandError, match="does not answer"):
        run()
