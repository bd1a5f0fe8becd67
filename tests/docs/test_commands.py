"""Output of commands in the pages equals the real output."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from channels.layers import channel_layers
from django.core.management import call_command
from pytest_django import Settings

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.status import ChannelStatus, ServerStatus, Status, WorkerStatus
from channels_workers.layers.types import RECEIVE, DeadLetter, Delivery, ProcessInfo
from tests.docs.pages import page

SERVER, WORKER = "5dad1f71facde3e2", "180e1ca5c30c4f95"
REPLY = f"{SERVER}!70cd5322b0b1b5e6"
LETTER = "1795260708647-0"


@pytest.fixture
def layer(settings: Settings) -> InMemoryChannelLayer:
    backend = "channels_workers.layers.memory.InMemoryChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    found = channel_layers["default"]
    assert isinstance(found, InMemoryChannelLayer)
    return found


def shown(name: str) -> str:
    return page("how-to/recover").marked("output", name)


def output(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out)
    return out.getvalue().rstrip("\n")


def moment(second: int) -> float:
    return datetime(2026, 11, 21, 11, 31, second, tzinfo=UTC).timestamp()


def test_channelstatus(layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch) -> None:
    status = Status(
        servers=[ServerStatus(SERVER, ProcessInfo("server", "vm", 30942, moment(45)), 3, 2, 0)],
        workers=[WorkerStatus(WORKER, ProcessInfo("worker", "vm", 30981, moment(48), 4), 2)],
        channels=[
            ChannelStatus("websocket.connect", 0, 0, None, 1),
            ChannelStatus("websocket.disconnect", 0, 0, None, 1),
            ChannelStatus(RECEIVE, 0, 2, 2.7, 1),
        ],
        dead_letters=1,
    )
    monkeypatch.setattr(layer.admin, "status", lambda: status)
    assert output("channelstatus") == shown("channelstatus").rstrip("\n")


def test_deadletters(layer: InMemoryChannelLayer) -> None:
    content = {"path": "/chat/lobby/", "text": '{"handle": "ann", "message": "hello"}'}
    message = Delivery(
        *(RECEIVE, "", "", f"{REPLY}:1", layer.encode(content)),
        reply_channel=REPLY,
        order=1,
    )
    letter = DeadLetter(LETTER, "its worker died, 3 times", message)
    layer.store.dead_letters.append(letter)
    assert output("deadletters") == shown("deadletters").rstrip("\n")
    assert output("deadletters", "show", LETTER) == shown("show").rstrip("\n")
