"""How many connections a shard has, for the choice of a home."""

from __future__ import annotations

from channels_workers.layers.redis.client import Client
from channels_workers.layers.shards.home import Load
from channels_workers.layers.shards.types import ShardState


def read_load(client: Client) -> Load:
    """Return the load of the shard behind *client*; this takes two requests."""
    shard = client.shard
    own = shard.name if shard else ""
    processes, said = client.ask(
        ("HKEYS", client.key("processes")), ("HGET", client.key("shard_states"), own), quick=True
    )
    start = client.key("connections:").encode()
    counts = client.ask(*(("HLEN", start + process) for process in processes), quick=True)
    is_first = shard is not None and own == shard.names[0]
    state = ShardState.OPEN.value.encode()
    return Load(sum(counts), said == state or (is_first and said is None), len(processes))
