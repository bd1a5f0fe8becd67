"""``manage.py shards``, with a real Redis for each shard."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from channels.layers import channel_layers
from django.core.management import call_command
from django.core.management.base import CommandError
from prometheus_client import CollectorRegistry
from pytest_django import Settings

from channels_workers.admin.look import look
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.loads import read_load
from channels_workers.layers.shards.states import Opener
from channels_workers.layers.shards.types import ShardState
from channels_workers.layers.types import ProcessInfo
from channels_workers.metrics.site import Site
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.shard_fixtures import redis_servers, servers

__all__ = ["redis_servers", "servers"]

NAMES = ("a", "b", "c")


@pytest.fixture
def layer(settings: Settings, servers: dict[str, RedisServer]) -> Iterator[Any]:
    """The default layer, with three empty shards and a worker that knows them."""
    hosts = {name: server.url for name, server in servers.items()}
    backend = "channels_workers.layers.redis.RedisChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": hosts}}}
    found: Any = channel_layers["default"]
    for shard in found.lanes():
        shard.register("worker", ProcessInfo.this("worker", 1, ("work",)))
    yield found
    found.disconnect()


def shards(*arguments: str) -> str:
    out = StringIO()
    call_command("shards", *arguments, stdout=out, stderr=out)
    return out.getvalue().rstrip("\n")


def states() -> dict[str, str]:
    return {report["name"]: report["state"] for report in json.loads(shards("--json"))}


def is_open(layer: Any, name: str) -> bool:
    return read_load(layer.layers[name].client).is_open


def test_new_shards_open_once_all_know_them(layer: Any) -> None:
    assert states() == {"a": "open", "b": "new", "c": "new"}
    assert [is_open(layer, name) for name in NAMES] == [True, False, False]
    assert shards("add").splitlines() == [
        "Shard a is open",
        "Shard b is open to new sockets now",
        "Shard c is open to new sockets now",
    ]
    assert states() == dict.fromkeys(NAMES, "open")
    assert all(is_open(layer, name) for name in NAMES)


def test_a_process_that_does_not_know_a_shard(
    layer: Any, redis_servers: dict[str, RedisServer], caplog: pytest.LogCaptureFixture
) -> None:
    alone = RedisChannelLayer(hosts=[redis_servers["a"].url])
    alone.register("old", ProcessInfo.this("server"))
    with pytest.raises(CommandError, match=r"do not know shard b: old \(\S+:\d+\)\. Give them"):
        shards("add")
    opener = Opener(layer.shards, "b")
    opener.look()
    assert states()["b"] == "new"
    assert not caplog.records
    layer.shards.note_state("b", "b", ShardState.OPEN)
    for _ in range(2):
        opener.look()
    (record,) = caplog.records
    assert record.getMessage().startswith("Process old (")
    assert "unknown to old" in shards()
    alone.retire("old", (), ())
    alone.disconnect()
    assert "unknown" not in shards()


def test_a_process_that_has_another_first_shard(layer: Any) -> None:
    shard = layer.by_name["b"]
    shard.shard_names = ("b", "a", "c")
    shard.register("other", ProcessInfo.this("server"))
    Opener(layer.shards, "c").look()
    assert states()["c"] == "new"
    with pytest.raises(CommandError, match="other .* the present Redis first"):
        shards("add")


def test_workers_open_a_shard_by_themselves(layer: Any) -> None:
    Opener(layer.shards, "c").look()
    assert states() == {"a": "open", "b": "new", "c": "open"}


def test_draining(layer: Any, redis_servers: dict[str, RedisServer]) -> None:
    shards("add")
    assert shards("drain", "b") == "Shard b is draining now"
    assert not is_open(layer, "b")
    assert "nothing is left: it can be removed" in shards().splitlines()[1]
    layer.by_name["b"].apply([layer.make_send("work", {})])
    assert "1 messages" in shards().splitlines()[1]
    assert "nothing is left" not in shards()
    redis_servers["b"].flush()
    assert states()["b"] == "draining", "the others remember it"
    assert shards("open", "b") == "Shard b is open now"
    assert is_open(layer, "b")


def test_a_shard_that_is_away(layer: Any, redis_servers: dict[str, RedisServer]) -> None:
    shards("add")
    redis_servers["c"].stop()
    assert "c  " in shards()
    assert "away: Redis at" in shards().splitlines()[2]
    assert "Not told: c. If b loses its data, run this again." in shards("drain", "b")
    with pytest.raises(CommandError, match="Shard c does not answer"):
        shards("add")
    with pytest.raises(CommandError, match="does not answer"):
        shards("drain", "c")
    out = StringIO()
    call_command("channelstatus", stdout=out)
    assert "3 shards" in out.getvalue()


def test_a_frozen_shard_holds_nobody_up(layer: Any, redis_servers: dict[str, RedisServer]) -> None:
    """The status is that of the others, and metrics say which one does not answer."""
    shards("add")
    process = redis_servers["b"].process
    process.freeze()
    try:
        assert layer.admin.status().workers
        assert layer.admin.delayed() == layer.admin.dead_letters() == []
        state = look("default")
        assert [(each["name"], each["away"]) for each in state["shards"]] == [
            ("a", False),
            ("b", True),
            ("c", False),
        ]
        assert {"kind": "shards_away", "count": 1, "what": "b"} in state["problems"]
        registry = CollectorRegistry()
        registry.register(Site(lambda: layer))
        found = {
            sample.labels["shard"]: sample.value
            for metric in registry.collect()
            for sample in metric.samples
            if sample.name == "channels_workers_shard_available"
        }
        assert found == {"a": 1, "b": 0, "c": 1}
    finally:
        process.resume()


def test_the_last_open_shard_is_not_drained(layer: Any) -> None:
    with pytest.raises(CommandError, match="No other shard is open, so a cannot be drained"):
        shards("drain", "a")


@pytest.mark.parametrize("name", [(), ("d",)])
def test_an_unknown_shard(name: tuple[str, ...], layer: Any) -> None:
    with pytest.raises(CommandError, match="Name one of the shards a, b, c"):
        shards("drain", *name)


def test_a_layer_with_one_redis(settings: Settings) -> None:
    backend = "channels_workers.layers.memory.InMemoryChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    with pytest.raises(CommandError, match="The layer default has one Redis. To add one"):
        shards()


def give_up(layer: Any, shard: str, entry: str) -> None:
    """Write a dead letter of the channel "work" with the id *entry* on *shard*."""
    payload = layer.make_send("work", {"on": shard}).payload
    values = {"channel": "work", "reason": "why", "id": f"{shard}{entry}", "payload": payload}
    client = layer.by_name[shard].client
    client.redis.xadd(client.key("dead_letters"), values, id=entry)


def letters(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("deadletters", *arguments, stdout=out, stderr=out)
    return out.getvalue().splitlines()


def waiting(layer: Any) -> list[int]:
    counts = [shard.admin.status().channels for shard in layer.lanes()]
    return [sum(each.waiting for each in channels) for channels in counts]


def test_dead_letters_of_two_shards_with_one_id(layer: Any) -> None:
    for shard, entry in [("b", "9-0"), ("a", "9-0"), ("c", "9-0"), ("b", "10-0")]:
        give_up(layer, shard, entry)
    ids = ["a:9-0", "b:9-0", "c:9-0", "b:10-0"]
    found = layer.admin.dead_letters()
    assert [each.id for each in found] == ids
    for number, name in enumerate(ids):
        assert layer.admin.dead_letter(name) == found[number]
        assert layer.content(found[number].message)["on"] == name[0]
        assert layer.admin.dead_letters(before=name) == found[:number], "pages leave none out"
        assert layer.admin.dead_letters(1, name) == found[max(0, number - 1) : number]
    assert letters("drop", "b:9-0") == ["b:9-0 is dropped"]
    assert letters("retry", "c:9-0") == ["c:9-0 is sent again"]
    assert waiting(layer) == [0, 0, 1]
    assert layer.admin.drop("9-0"), "an id of the time with one Redis is one of the first shard"
    assert [each.id for each in layer.admin.dead_letters()] == ["b:10-0"]


@pytest.mark.parametrize("letter", ["d:1-0", ":1-0", "a:", "b:nonsense"])
def test_what_is_no_id_of_a_dead_letter(letter: str, layer: Any) -> None:
    assert layer.admin.dead_letter(letter) is None
    assert not layer.admin.retry(letter)
    assert not layer.admin.drop(letter)
    with pytest.raises(ValueError, match="is no id of a dead letter"):
        layer.admin.dead_letters(before=letter)


def test_what_a_shard_holds_that_is_away(layer: Any, redis_servers: dict[str, RedisServer]) -> None:
    """It is not said to be gone."""
    give_up(layer, "a", "9-0")
    give_up(layer, "b", "9-0")
    message = layer.make_send_later("work", {}, 60)
    layer.by_name["a"].apply([message])
    redis_servers["b"].stop()
    assert letters()[-2:] == ["1 dead letters", "Left out, as these shards do not answer: b"]
    for act in (layer.admin.dead_letter, layer.admin.drop, layer.admin.retry):
        with pytest.raises(LayerUnavailable):
            act("b:9-0")
    assert layer.admin.cancel(message.id)
    with pytest.raises(LayerUnavailable, match="these do not answer: b"):
        layer.admin.cancel(message.id)
