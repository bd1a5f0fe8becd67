"""Python in the pages compiles and imports what exists; the README's runs."""

import ast
import importlib
import logging.config
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import CONNECT
from channels_workers.logs import fields
from channels_workers.routing import Router
from channels_workers.worker import WorkerGroup
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import Client
from tests.docs.pages import PATHS, Block, Page, page

BLOCKS = [block for path in PATHS for block in Page(path).blocks if block.language == "python"]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_it_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


def test_what_they_import_of_the_engine_is_there() -> None:
    nodes = [node for block in BLOCKS for node in ast.walk(ast.parse(block.text))]
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    of_engine = [node for node in imports if str(node.module).startswith("channels_workers")]
    assert len(of_engine) > 30
    for node in of_engine:
        module = importlib.import_module(str(node.module))
        for name in node.names:
            assert hasattr(module, name.name), f"{name.name} is not in {node.module}"


def test_the_format_of_logs_shows_the_event() -> None:
    names: dict[str, Any] = {}
    blocks = page("reference/log-events").blocks
    exec(next(one.text for one in blocks if one.language == "python"), names)
    configurator = logging.config.DictConfigurator(names["LOGGING"])
    formatter = configurator.configure_formatter(names["LOGGING"]["formatters"]["events"])
    record = logging.makeLogRecord(
        {"name": "channels_workers", "levelname": "INFO", "msg": "hello", **fields("ready")}
    )
    assert formatter.format(record) == "INFO channels_workers ready: hello"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_the_language_of_each_block_is_known(path: Path) -> None:
    known = {"python", "console", "js", "json", "ini", "mermaid", "nginx", ""}
    assert {block.language for block in Page(path).blocks} <= known


def wait_for_replies(client: Client, *replies: Any) -> None:
    wait_for(lambda: client.replies == list(replies), lambda: f"{replies}, not {client.replies}")


@pytest.mark.parametrize("room", ["lobby", "大厅", "with a space", "line\nend", "a" * 200])
def test_the_consumers_of_the_readme_run(room: str, settings: Settings) -> None:
    backend = "channels_workers.layers.memory.InMemoryChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    from channels.layers import channel_layers

    layer = channel_layers["default"]
    assert isinstance(layer, InMemoryChannelLayer)
    names: dict[str, Any] = {}
    exec(page("README").blocks[-1].text, names)
    workers = WorkerGroup(layer, n_threads=2, router=Router(names["channel_routing"]))
    assert CONNECT in workers.channels
    workers.start()
    try:
        people = [Client(layer, f"/chat/{room}/"), Client(layer, f"/chat/{room}/")]
        stranger = Client(layer, "/chat/other/")
        for client in (*people, stranger):
            client.connect()
            wait_for_replies(client, {"accept": True})
        people[0].send("hello")
        for client in people:
            wait_for_replies(client, {"accept": True}, {"text": "hello"})
        assert stranger.replies == [{"accept": True}]
    finally:
        workers.stop()
        assert workers.join()
