"""Python in the pages compiles, imports existing names, and runs where no project is needed."""

import ast
import importlib
import json
import logging.config
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from channels.layers import channel_layers
from django.test import RequestFactory
from pytest_django import Settings

from channels_workers.bearer.configuration import token_settings
from channels_workers.checks.configuration import check_configuration, check_layers
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import CONNECT
from channels_workers.logs import fields
from channels_workers.message import Message
from channels_workers.routing import Router
from channels_workers.signals import worker_process_ready
from channels_workers.worker import WorkerGroup
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import Client
from tests.docs.pages import DOCS, PATHS, Block, Page, page

BLOCKS = [block for path in PATHS for block in Page(path).blocks if block.language == "python"]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_code_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


def test_imported_names_of_the_engine_exist() -> None:
    nodes = [node for block in BLOCKS for node in ast.walk(ast.parse(block.text))]
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    of_engine = [node for node in imports if str(node.module).startswith("channels_workers")]
    assert len(of_engine) > 30
    for node in of_engine:
        module = importlib.import_module(str(node.module))
        for name in node.names:
            is_there = hasattr(module, name.name) or find_spec(f"{node.module}.{name.name}")
            assert is_there, f"{name.name} is not in {node.module}"


def the_python_of(page: Page) -> list[Block]:
    return [block for block in page.blocks if block.language == "python"]


def run(block: Block, **given: Any) -> dict[str, Any]:
    """The names that the block defines. It may use those *given*."""
    names: dict[str, Any] = given
    exec(block.text, names)
    return names


def test_the_logging_of_the_page_shows_the_event() -> None:
    config = run(the_python_of(page("how-to/logs"))[0])["LOGGING"]
    configurator = logging.config.DictConfigurator(config)
    found = {}
    for name in ("text", "json"):
        formatter = configurator.configure_formatter(config["formatters"][name])
        record = logging.makeLogRecord(
            {"name": "channels_workers", "levelname": "INFO", "msg": "hello", **fields("ready")}
        )
        found[name] = formatter.format(record)
    assert found["text"] == "INFO channels_workers: hello"
    assert json.loads(found["json"])["event"] == "ready"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_the_language_of_each_block_is_known(path: Path) -> None:
    known = {"python", "console", "htmldjango", "js", "json", "ini", "mermaid", "nginx", "ts", ""}
    assert {block.language for block in Page(path).blocks} <= known


def wait_for_replies(client: Client, *replies: Any) -> None:
    wait_for(lambda: client.replies == list(replies), lambda: f"{replies}, not {client.replies}")


@contextmanager
def consumers_of(block: Block, settings: Settings) -> Iterator[InMemoryChannelLayer]:
    """The layer of workers that run what the block routes."""
    backend = "channels_workers.layers.memory.InMemoryChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    layer = channel_layers["default"]
    assert isinstance(layer, InMemoryChannelLayer)
    routing = run(block)["channel_routing"]
    workers = WorkerGroup(layer, n_threads=2, router=Router(routing))
    assert CONNECT in workers.channels
    workers.start()
    try:
        yield layer
    finally:
        workers.stop()
        assert workers.join()


@pytest.mark.parametrize("room", ["lobby", "大厅", "with a space", "line\nend", "a" * 200])
def test_the_consumers_of_the_readme_run(room: str, settings: Settings) -> None:
    with consumers_of(page("README").blocks[-1], settings) as layer:
        people = [Client(layer, f"/chat/{room}/"), Client(layer, f"/chat/{room}/")]
        stranger = Client(layer, "/chat/other/")
        for client in (*people, stranger):
            client.connect()
            wait_for_replies(client, {"accept": True})
        people[0].send("hello")
        for client in people:
            wait_for_replies(client, {"accept": True}, {"text": "hello"})
        assert stranger.replies == [{"accept": True}]


def test_the_consumers_of_the_first_page_run(settings: Settings) -> None:
    with consumers_of(the_python_of(Page(DOCS / "index.md"))[0], settings) as layer:
        people = [Client(layer, "/"), Client(layer, "/elsewhere/")]
        for client in people:
            client.connect()
            wait_for_replies(client, {"accept": True})
        people[0].send("hello")
        for client in people:
            wait_for_replies(client, {"accept": True}, {"text": "hello"})


#: Settings that no page writes into a file of the tutorial's project. Those of Channels 1.x are
#: compared with the upgrade command.
SETTINGS = [
    block
    for block in BLOCKS
    if not block.file
    and re.match(r"(CHANNEL|INSTALLED)_", block.text)
    and 'ROUTING"' not in block.text
]


@pytest.mark.parametrize("block", SETTINGS, ids=str)
def test_settings_of_the_pages_are_accepted(block: Block, settings: Settings) -> None:
    for name, value in run(block).items():
        if name.startswith("CHANNEL_"):
            setattr(settings, name, value)
    assert [*check_layers(None), *check_configuration(None)] == []
    token_settings()


def test_a_long_poll_leaves_its_place(rf: RequestFactory) -> None:
    poll = run(the_python_of(page("reference/limits"))[0], wait_for_news=lambda: "news")["poll"]
    assert poll(rf.get("/")).content == b"news"


def test_the_receiver_of_a_signal_is_connected() -> None:
    receiver = run(the_python_of(page("reference/signals"))[0])["warm_up"]
    assert worker_process_ready.disconnect(receiver)


def test_a_consumer_that_a_test_calls(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"}
    }
    (block,) = [one for one in the_python_of(page("how-to/test-consumers")) if not one.file]
    names = run(block)
    following = Message({"reply_channel": "x"}, "websocket.receive", None)
    names["count"](following)
    assert following.channel_session["seen"] == 2
