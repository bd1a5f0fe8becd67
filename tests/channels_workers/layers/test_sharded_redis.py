"""A Redis layer of several shards meets the contract of the layers, on three Redis."""

import pytest

from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.contract import LayerContract, other, process
from tests.channels_workers.layers.history_contract import (
    HistoryContract,
    Wait,
    kept,
    make_histories_older,
)
from tests.channels_workers.layers.relay_contract import RelayContract
from tests.channels_workers.layers.request_contract import RequestContract
from tests.channels_workers.layers.shard_fixtures import redis_servers
from tests.channels_workers.layers.sharded_redis import make_layer

__all__ = ["kept", "make_layer", "other", "process", "redis_servers"]


class TestShardedRedis(LayerContract):
    """The contract."""


class TestRequests(RequestContract):
    """The contract about requests."""


class TestRelays(RelayContract):
    """The contract about stored sends."""


class TestHistory(HistoryContract):
    """The contract about the history of groups."""

    @pytest.fixture
    def wait(self, redis_servers: dict[str, RedisServer]) -> Wait:
        def wait(seconds: float) -> None:
            for server in redis_servers.values():
                make_histories_older(server, seconds)

        return wait
