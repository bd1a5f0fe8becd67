"""The page of the protocol: each of its frames is sent to a real engine, and comes from it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.envelope import frames, nonces, strict_json
from channels_workers.envelope.refused import TEXTS
from channels_workers.registry import get_channel_layer
from channels_workers.routing import Router
from labs.harness.redis_server import RedisServer
from tests.channels_workers.envelope.conftest import Site
from tests.docs.pages import code, first_codes, page

PAGE = page("reference/protocol")

EXCHANGES = re.findall(r"<!-- exchange: ([\w-]+) -->\n```\n(.*?)^```$", PAGE.text, re.M | re.S)

HISTORY = {"board-*": {}}


@pytest.fixture(params=["memory", "redis"])
def site(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Site]:
    config: dict[str, Any] = {"history": HISTORY}
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        config["hosts"] = [server.url]
    name = {"memory": "memory.InMemoryChannelLayer", "redis": "redis.RedisChannelLayer"}
    backend = f"channels_workers.layers.{name[request.param]}"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}
    made = Site(get_channel_layer())
    yield made
    made.stop()


def consumer() -> Any:
    """The consumer of the page."""
    [block] = [each for each in PAGE.blocks if each.file == "board/protocol.py"]
    names: dict[str, Any] = {}
    exec(block.text, names)
    routing = names["channel_routing"]
    assert Router(routing)
    return names["BoardConsumer"]


class Positions:
    """The positions of the page, and those of the engine in their place."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def sent(self, frame: str) -> str:
        for written, real in self._real.items():
            frame = frame.replace(f'"{written}"', f'"{real}"')
        return frame

    def learn(self, written: dict[str, Any], real: dict[str, Any]) -> None:
        if "at" in written and written["at"] not in self._real:
            assert written["at"].split(":")[1] == real["at"].split(":")[1]
            self._real[written["at"]] = real["at"]


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "text"), EXCHANGES, ids=[name for name, _ in EXCHANGES])
def test_the_frames_of_the_page(name: str, text: str, site: Site) -> None:
    socket, positions = site.connect(consumer(), path="/board/"), Positions()
    socket.contents()
    got: list[dict[str, Any]] = []
    for line in text.splitlines():
        side, frame = line.split(" ", 1)
        if side == "C":
            assert got == [], f"The page lacks what comes before {line}"
            got = socket.ask(positions.sent(frame))
        else:
            assert side == "S", line
            real = got.pop(0)
            positions.learn(json.loads(frame), real)
            assert real == json.loads(positions.sent(frame))
            assert list(real) == list(json.loads(frame)), "the order of the keys"
    assert got == []


def test_there_are_examples_of_all_types() -> None:
    rows = PAGE.table("frames")
    written = {
        json.loads(line[2:]).get("type")
        for _, text in EXCHANGES
        for line in text.splitlines()
        if '"a": 1' not in line
    }
    assert written == {None, *first_codes(rows)}
    of_clients = {code(row[0])[0] for row in rows if row[1] in ("client", "both")}
    assert of_clients == set(frames._READERS)


def test_the_codes_of_the_page() -> None:
    assert first_codes(PAGE.table("codes")) == list(TEXTS)


def test_the_numbers_of_the_page() -> None:
    assert f"1 to {frames.LONGEST_NAME} characters" in PAGE.text
    assert f"the latest {nonces.REMEMBERED} nonces" in PAGE.text
    assert f"more than {strict_json.DEPTH} levels" in PAGE.text
    limits = page("reference/limits").text
    assert f"fixed: {strict_json.DEPTH} levels, 64 bits, {frames.LONGEST_NAME} characters" in limits
    assert f"fixed: the latest {nonces.REMEMBERED}" in limits
