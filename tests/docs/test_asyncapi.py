"""The code of the pages about types runs, and clients get what it says."""

import json
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.routing import route
from channels_workers.test import WSClient
from tests.channels_workers.asyncapi.sites import VALIDATOR
from tests.docs.pages import page

TYPES, PAGE = page("how-to/typed-messages"), page("how-to/asyncapi")

pytestmark = pytest.mark.django_db


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The modules of the pages."""
    package = ModuleType("board")
    monkeypatch.setitem(sys.modules, "board", package)
    found = {}
    for block in [*TYPES.blocks, *PAGE.blocks]:
        if block.file:
            name = Path(block.file).stem
            module = found[name] = ModuleType(f"board.{name}")
            monkeypatch.setitem(sys.modules, module.__name__, module)
            monkeypatch.setattr(package, name, module, raising=False)
            exec(compile(block.text, block.file, "exec"), vars(module))
    return found


@pytest.fixture
def routed(board: dict[str, ModuleType], settings: Settings) -> Any:
    settings.CHANNEL_ROUTING = board["routing"].channel_routing
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": f"{InMemoryChannelLayer.__module__}.InMemoryChannelLayer"}
    }
    return settings.CHANNEL_ROUTING


def test_clients_get_what_the_page_says(routed: Any, board: dict[str, ModuleType]) -> None:
    moved = []
    board["consumers"].move = lambda *arguments: moved.append(arguments)
    client = WSClient()
    client.send_and_consume("websocket.connect", path="/board/tea/")
    for frame in (
        {"type": "say", "text": "hi"},
        {"type": "move", "note": 1, "to": [2, 3]},
        {"type": "say", "txt": "hi"},
    ):
        client.send_and_consume("websocket.receive", text=frame, path="/board/tea/")
    assert moved == [(1, 2, 3)]
    assert client.receive() == {"text": "hi", "type": "said"}
    [error] = [block.text for block in TYPES.blocks if block.language == "json"]
    assert client.receive() == json.loads(error)


def test_the_commands_write_and_compare(routed: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "frontend").mkdir()
    lines = [
        line.removeprefix("$ python manage.py asyncapi ")
        for block in PAGE.blocks
        if block.language == "console"
        for line in block.text.splitlines()
    ]
    assert len(lines) == 3
    for line in lines:
        call_command("asyncapi", *line.split(), stdout=StringIO(), stderr=StringIO())
    found = json.loads(Path("asyncapi.json").read_text())
    VALIDATOR.validate(found)
    assert list(found["channels"]) == ["board_name"]
    types = Path("frontend/board.ts").read_text()
    [use] = [block.text for block in PAGE.blocks if block.language == "ts"]
    for name in ("BoardNameFromServer", "BoardNameToServer"):
        assert name in use
        assert f"export type {name} = " in types
    Path("asyncapi.json").write_text("{}")
    with pytest.raises(CommandError):
        call_command("asyncapi", *lines[2].split(), stderr=StringIO())


def test_another_answer(routed: Any, board: dict[str, ModuleType], settings: Settings) -> None:
    settings.CHANNEL_ROUTING = [
        route("websocket.receive", board["answers"].ws_receive, path="^/(?P<name>.*)$")
    ]
    client = WSClient()
    for text, answer in (('{"text": "hi"}', "hi"), ('{"text": ""}', "String should have at least")):
        client.send_and_consume("websocket.receive", {"text": text}, path="/tea")
        assert str(client.receive(json=False)).startswith(answer)


def test_an_own_reader_is_declared(board: dict[str, ModuleType], settings: Settings) -> None:
    settings.CHANNEL_ROUTING = [route("websocket.receive", board["own"].ws_receive)]
    stdout = StringIO()
    call_command("asyncapi", stdout=stdout)
    found = json.loads(stdout.getvalue())
    assert [each["address"] for each in found["channels"].values()] == ["/own/{name}/"]
