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


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_requests_for_messages_to_a_group(shards: int, urls: list[str]) -> None:
    """A message is one request at home; each other shard gets one for each batch."""
    hosts = Hosts(urls[:shards], 3)
    try:
        pullers = [Puller(hosts.layer.shards, str(shard.shard)) for shard in hosts.others]
        for _ in range(2):  # marks exist, and Redis knows all scripts
            for puller in pullers:
                assert puller.step()
            hosts.home.apply([GroupSend(GROUP, b"x")])
        for puller in pullers:
            assert puller.step()
        for shard in hosts.shards:
            shard.client.redis.config_resetstat()
        for _ in range(MESSAGES):
            hosts.home.apply([GroupSend(GROUP, b"x")])
        home, *others = counted(hosts)
        assert home["evalsha"] == MESSAGES
        assert all(each["evalsha"] == 0 for each in others)
        inboxes = [shard.client.redis.xlen(key) for shard, key in hosts.lasts]
        assert inboxes[0] >= MESSAGES
        for number, puller in enumerate(pullers, start=1):
            for _ in range(BATCHES):
                assert puller.step()
            # A claim for each step, and a request for each batch.
            assert counted(hosts)[number]["evalsha"] == 2 * BATCHES
        for (shard, key), before in zip(hosts.lasts[1:], inboxes[1:], strict=True):
            entries = shard.client.redis.xlen(key) - before
            assert entries == BATCHES, "an entry in each inbox for each batch"
    finally:
        hosts.close()
