"""The scripts for several shards meet the contract of kept connections, on three Redis."""

from tests.channels_workers.layers.kept_contract import (
    KeptContract,
    _resume_time,
    briefly,
    other,
    process,
)
from tests.channels_workers.layers.shard_fixtures import redis_servers
from tests.channels_workers.layers.sharded_redis import make_layer

__all__ = ["_resume_time", "briefly", "make_layer", "other", "process", "redis_servers"]


class TestKept(KeptContract):
    """The contract."""
