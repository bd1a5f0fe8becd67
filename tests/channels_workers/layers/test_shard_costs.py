"""What a message costs with one, two and four shards: requests, and entries of logs. No times."""

from collections.abc import Iterator
from typing import Any

import pytest

from channels_workers.layers.shards.puller import Puller
from channels_workers.layers.shards.types import APPLIED_AT_ONCE
from channels_workers.layers.types import GroupSend
from labs.benchmarks.sharding.hosts import GROUP, Hosts
from labs.harness.redis_server import RedisServer

MESSAGES, BATCHES = 2 * APPLIED_AT_ONCE, 2

#: The commands that processes send here; all others are sent by scripts.
SENT = ("evalsha", "xread", "get")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    """Four servers."""
    servers = [RedisServer(tmp_path_factory.mktemp(f"host-{number}")) for number in range(4)]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def urls(servers: list[RedisServer]) -> list[str]:
    """Their addresses; they are empty."""
    for server in servers:
        server.flush()
    return [server.url for server in servers]


def counted(hosts: Hosts) -> list[dict[str, int]]:
    """How often each command was called on each shard; of scripts, only by processes."""
    found = []
    for shard in hosts.shards:
        client: Any = shard.client.redis
        stats = client.info("commandstats")
        found.append({name: stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in SENT})
    return found


def settled(hosts: Hosts) -> list[Puller]:
    """Pullers of all other shards, when marks exist and Redis knows all scripts."""
    pullers = [Puller(hosts.layer.shards, str(shard.shard)) for shard in hosts.others]
    for _ in range(2):
        for puller in pullers:
            assert puller.step()
        hosts.home.apply([GroupSend(GROUP, b"x")])
    for puller in pullers:
        assert puller.step()
    for shard in hosts.shards:
        shard.client.redis.config_resetstat()
    return pullers


def lengths(hosts: Hosts) -> list[int]:
    """How many entries the inbox of a server has on each shard."""
    return [shard.client.redis.xlen(key) for shard, key in hosts.lasts]


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_requests_for_messages_to_a_group(shards: int, urls: list[str]) -> None:
    """A message is one request at home; each other shard gets one for each batch."""
    hosts = Hosts(urls[:shards], 3)
    pullers, before = settled(hosts), lengths(hosts)
    for _ in range(MESSAGES):
        hosts.home.apply([GroupSend(GROUP, b"x")])
    assert [each["evalsha"] for each in counted(hosts)] == [MESSAGES, *[0] * (shards - 1)]
    for puller in pullers:
        for _ in range(BATCHES):
            assert puller.step()
    # A claim for each step, and a request for each batch.
    assert [each["evalsha"] for each in counted(hosts)[1:]] == [2 * BATCHES] * (shards - 1)
    grown = [now - then for now, then in zip(lengths(hosts), before, strict=True)]
    assert grown == [MESSAGES, *[BATCHES] * (shards - 1)], "an entry for each batch elsewhere"
    hosts.close()
