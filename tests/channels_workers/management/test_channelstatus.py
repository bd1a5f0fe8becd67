import json
import re
import time
from datetime import timedelta
from io import StringIO

import django
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

import channels_workers
from channels_workers.channel import Channel
from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.memory.store import KeptData
from channels_workers.layers.types import ProcessInfo, Running
from channels_workers.models import StoredSend
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
        "w", ProcessInfo("worker", "host", 42, 0.0, 4, ("websocket.connect",), (), "0.0.1")
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
    releases = f"0.0.1, {channels_workers.__version__}"
    assert lines[4] == f"These processes have several releases: {releases}"
    text = "\n".join(lines)
    age = r"the oldest for \d+\.\d s"
    assert re.search(rf"^  websocket\.connect  0 waiting, 1 in flight, {age}$", text, re.MULTILINE)
    assert re.search(
        rf"^  tasks  1 waiting, 0 in flight, {age}, no live worker listens$", text, re.M
    )
    assert lines[-1] == "0 dead letters"


def test_the_status_as_json(client: Client) -> None:
    status = json.loads(run("--json"))
    assert status["workers"][0]["about"]["pid"] == 42
    assert status["servers"][0]["connections"] == 1
    [tasks] = [each for each in status["channels"] if each["name"] == "tasks"]
    assert 0 <= tasks.pop("oldest") < 60
    assert tasks == {"name": "tasks", "waiting": 1, "in_flight": 0, "workers": 0}
    assert status["format"] == FORMAT_VERSION
    about = status["servers"][0]["about"]
    assert about["release"] == channels_workers.__version__
    assert f"Django {django.__version__}" in about["versions"]


def test_what_runs_for_long_is_shown(client: Client) -> None:
    since = round(time.time() - 90, 3)
    run_of = Running(3, "board.consumers.work", since, "websocket.connect", "s!1:0", "s!1")
    about = ProcessInfo("worker", "host", 42, 0.0, 4, ("websocket.connect",), running=(run_of,))
    client.layer.describe("w", about)
    client.layer.describe("unknown", about)
    lines = run().splitlines()
    assert lines[3].startswith("  w  host:42 since 1970-01-01 00:00:00 UTC  1 of 4")
    assert re.fullmatch(
        r"    thread 3: board.consumers.work for 9\d s on websocket.connect s!1:0", lines[4]
    )
    assert "unknown" in lines[5]
    [worker] = json.loads(run("--json"))["workers"]
    assert worker["about"]["running"] == [run_of._asdict()]


def test_the_status_counts_delayed_messages(memory_layer: InMemoryChannelLayer) -> None:
    assert "delayed" not in run()
    memory_layer.store.clock = lambda: 1_000_000.0
    for delay in (90, 60):
        Channel("tasks").send({}, delay=delay)
    assert "2 delayed messages, the next due 1970-01-12 13:47:40 UTC" in run().splitlines()
    status = json.loads(run("--json"))
    assert (status["delayed"], status["next_due"]) == (2, 1_000_060.0)


def test_the_status_counts_parked_connections(memory_layer: InMemoryChannelLayer) -> None:
    assert "come back" not in run()
    memory_layer.store.kept["s!kept.60.1"] = KeptData(parked=1006, due=1.0)
    assert "1 connections wait for their clients to come back" in run().splitlines()
    assert json.loads(run("--json"))["parked"] == 1


def test_delayed_messages_are_listed_and_cancelled(memory_layer: InMemoryChannelLayer) -> None:
    assert run("--delayed") == "0 delayed messages\n"
    memory_layer.store.clock = lambda: 1_000_000.0
    first, second = (str(Channel("tasks").send({}, delay=delay)) for delay in (60, 90))
    assert run("--delayed").splitlines() == [
        f"{first}  tasks  due 1970-01-12 13:47:40 UTC  1 bytes",
        f"{second}  tasks  due 1970-01-12 13:48:10 UTC  1 bytes",
        "2 delayed messages",
    ]
    assert json.loads(run("--delayed", "--json"))[0] == {
        "id": first,
        "channel": "tasks",
        "due": 1_000_060.0,
    }
    assert run("--cancel", first) == f"{first} is cancelled\n"
    assert [each.id for each in memory_layer.admin.delayed()] == [second]
    with pytest.raises(CommandError, match=f"There is no delayed message {first}"):
        run("--cancel", first)


@pytest.mark.django_db(transaction=True)
def test_stored_sends_are_counted(memory_layer: InMemoryChannelLayer, settings: Settings) -> None:
    assert "stored" not in run()
    settings.CHANNEL_WORKERS = {"RELAY": ["default"]}
    assert run().splitlines()[-1] == "0 stored sends wait in 'default'"
    for _ in range(2):
        Channel("tasks").send({}, in_transaction="default")
    StoredSend.objects.create(layer="other", channel="tasks", effects=b"")
    StoredSend.objects.update(at=timezone.now() - timedelta(seconds=90))
    line = r"2 stored sends wait in 'default', the oldest for 9\d\.\d s"
    assert re.fullmatch(line, run().splitlines()[-1])
    [stored] = json.loads(run("--json"))["stored_sends"]
    assert (stored["database"], stored["waiting"], stored["error"]) == ("default", 2, "")
    assert 90 <= stored["oldest"] < 100


@pytest.mark.django_db
def test_a_database_that_cannot_count_stored_sends(
    memory_layer: InMemoryChannelLayer, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"RELAY": ["nowhere"]}
    assert run().splitlines()[-1].startswith("The stored sends in 'nowhere' cannot be counted: ")
    [stored] = json.loads(run("--json"))["stored_sends"]
    assert stored["waiting"] is None
    assert "nowhere" in stored["error"]


def test_a_layer_that_does_not_answer(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
            "CONFIG": {"hosts": [f"redis://127.0.0.1:{free_port()}/0"]},
        }
    }
    with pytest.raises(CommandError, match="does not answer"):
        run()
    with pytest.raises(CommandError, match="does not answer"):
        run("--cancel", "x")
