"""The hosts of several shards: their names, and what is wrong with them."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.shard_hosts import read_shards
from channels_workers.layers.redis.sharded import ShardedRedisLayer

A, B = "redis://10.0.0.1:6379/0", "redis://10.0.0.2:6379/0"
SENTINELS = {"sentinels": [("10.0.0.1", 26379)], "master_name": "a"}


@pytest.mark.parametrize(
    ("hosts", "names"),
    [
        (None, ["0"]),
        ({}, ["0"]),
        ([A], ["0"]),
        ({"a": A}, ["a"]),
        ([A, B], ["0", "1"]),
        ({"b": B, "a": A}, ["b", "a"]),
        ([A, A.replace("/0", "/1")], ["0", "1"]),
        ([A, {"address": B, "password": "x"}, ("10.0.0.3", 6379)], ["0", "1", "2"]),
        ([SENTINELS, {**SENTINELS, "master_name": "b"}], ["0", "1"]),
        ({"a": SENTINELS, "b": "unix:///run/redis.sock"}, ["a", "b"]),
    ],
)
def test_shards_have_the_names_of_a_dict_or_their_positions(hosts: Any, names: list[str]) -> None:
    assert list(read_shards(hosts)) == names


@pytest.mark.parametrize("name", ["", "A", "a-b", "a_b", "ninechars", "a\n", 1, None, "ä"])
def test_wrong_names_are_refused(name: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="names a shard .*1 to 8 lower-case letters"):
        read_shards({name: A, "b": B})


@pytest.mark.parametrize(
    "hosts",
    [
        [A, A],
        [A, "redis://10.0.0.1:6379"],
        [A, "redis://10.0.0.1"],
        {"a": A, "b": ("10.0.0.1", 6379)},
        {"a": A, "b": {"address": "redis://user:secret@10.0.0.1", "db": 0}},
        [A, "rediss://:secret@10.0.0.1:6379/0"],
        ["unix:///run/redis.sock", {"path": "/run/redis.sock"}],
        [SENTINELS, SENTINELS],
    ],
)
def test_two_shards_cannot_be_in_one_redis(hosts: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="twice, as shard '.' and as shard") as caught:
        read_shards(hosts)
    assert "secret" not in str(caught.value)


def test_the_description_of_one_host_is_no_dict_of_shards() -> None:
    with pytest.raises(ImproperlyConfigured, match="'sentinels', which describes one Redis"):
        read_shards(SENTINELS)


def test_sentinels_are_no_shards() -> None:
    with pytest.raises(ImproperlyConfigured, match="2 entries with port 26379, that of Sentinels"):
        read_shards([("10.0.0.1", 26379), ("10.0.0.2", 26379)])


def test_each_host_has_its_own_options() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"10\.0\.0\.2.*sets 'retry'"):
        RedisChannelLayer(hosts=[A, {"address": B, "retry": 3}])


def test_one_host_is_a_layer_without_shards() -> None:
    layer: Any = RedisChannelLayer(hosts={"a": A})
    assert type(layer) is RedisChannelLayer
    assert layer.shard is None
    assert layer.client.shards == ""


def test_several_hosts_are_a_layer_of_shards() -> None:
    layer: Any = RedisChannelLayer(
        hosts={"a": A, "b": B}, prefix="site", log_entries=1_000, capacity=7
    )
    assert type(layer) is ShardedRedisLayer
    assert layer.capacity == 7
    keys = {name: each.client.shards for name, each in layer.by_name.items()}
    assert keys == {
        "a": "site:2:shards:a:b:1000:268435456:a",
        "b": "site:2:shards:b:a:1000:268435456:a",
    }


@pytest.mark.parametrize("hosts", [[A], [A, B]])
@pytest.mark.parametrize("option", ["log_entries", "log_bytes"])
@pytest.mark.parametrize("value", [0, -1, "100000", 1e6, True, None])
def test_wrong_limits_of_logs_are_refused(hosts: Any, option: str, value: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"CONFIG\['{option}'\].*whole number from"):
        RedisChannelLayer(hosts=hosts, **{option: value})
