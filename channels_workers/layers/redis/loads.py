"""How many connections a shard has, for the choice of a home."""

from __future__ import annotations

from channels_workers.layers.redis.client import Client
from channels_workers.layers.shards.home import Load


def read_load(client: Client) -> Load:
    """Return the load of the shard behind *client*; this takes two requests."""
    processes, is_draining = client.ask(
        ("HKEYS", client.key("processes")), ("EXISTS", client.key("draining")), quick=True
    )
    start = client.key("connections:").encode()
    counts = client.ask(*(("HLEN", start + process) for process in processes), quick=True)
    return Load(sum(counts), not is_draining)
