"""The fixtures of the tests of shards in Redis."""

from collections.abc import Iterator
from typing import Any

import pytest

from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.shard_site import NAMES, ShardSite


@pytest.fixture(scope="module")
def redis_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RedisServer]]:
    """A Redis server for each shard."""
    found = {name: RedisServer(tmp_path_factory.mktemp(f"shard-{name}")) for name in NAMES}
    yield found
    for server in found.values():
        server.stop()


@pytest.fixture
def make_site(redis_servers: dict[str, RedisServer]) -> Iterator[Any]:
    """`make_site("a", "b", entries=100)` returns empty shards with these names."""
    made: list[ShardSite] = []

    def make(*names: str, **limits: int) -> ShardSite:
        for server in redis_servers.values():
            server.start()
            server.flush()
        made.append(ShardSite({name: redis_servers[name] for name in names or NAMES}, **limits))
        return made[-1]

    yield make
    for site in made:
        site.disconnect()


@pytest.fixture
def site(make_site: Any) -> ShardSite:
    """Three empty shards."""
    found: ShardSite = make_site()
    return found
