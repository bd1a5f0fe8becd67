"""The fixtures of the tests of shards in Redis."""

from collections.abc import Iterator
from typing import Any

import pytest

from channels_workers.layers.redis import permissions
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
def servers(redis_servers: dict[str, RedisServer]) -> Iterator[dict[str, RedisServer]]:
    """The same, running and empty."""
    for server in redis_servers.values():
        server.start()
        server.flush()
    yield redis_servers
    for server in redis_servers.values():
        server.start()


@pytest.fixture
def make_site(redis_servers: dict[str, RedisServer]) -> Iterator[Any]:
    """`make_site("a", "b", entries=100)` returns empty shards with these names.

    With `user="ann"` they are used with only the documented rights.
    """
    made: list[ShardSite] = []

    def make(*names: str, user: str = "", **limits: int) -> ShardSite:
        for server in redis_servers.values():
            server.start()
            server.flush()
            if user:
                restrict(server, user)
        found = {name: redis_servers[name] for name in names or NAMES}
        made.append(ShardSite(found, user, **limits))
        return made[-1]

    yield make
    for site in made:
        site.disconnect()


def restrict(server: RedisServer, user: str) -> None:
    """Give a user the documented rights, and no others."""
    rules = permissions.rules("channels").split()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", user, "reset", "on", ">password", *rules)  # type: ignore[no-untyped-call]
        client.execute_command("ACL", "LOG", "RESET")  # type: ignore[no-untyped-call]


@pytest.fixture
def site(make_site: Any) -> ShardSite:
    """Three empty shards."""
    found: ShardSite = make_site()
    return found
