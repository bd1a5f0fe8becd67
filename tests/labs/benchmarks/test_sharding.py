"""What shards cost: the figures, and the table."""

from labs.benchmarks.sharding.__main__ import BATCHES, as_text, measure
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.shard_fixtures import redis_servers, servers

__all__ = ["redis_servers", "servers"]

STEPS, ARRIVALS = ("apply", "read and trim"), ["home ms", "elsewhere ms"]


def test_the_figures(servers: dict[str, RedisServer]) -> None:
    urls = [server.url for server in servers.values()]
    alone, both = measure(urls[:1], 1, 1), measure(urls[:2], 2, 1)
    assert list(alone) == ["commit us"]
    steps = [f"{what} us, {batch} at once" for batch in BATCHES for what in STEPS]
    assert list(both) == ["commit us", *steps, *ARRIVALS]
    assert all(value > 0 for value in both.values())


def test_the_report() -> None:
    text = as_text({(1, 3): {"commit us": 12.0}, (2, 3): {"commit us": 13.0, "home ms": 0.5}}, {})
    assert "| 1 | 3 | 12.0 |  |" in text
    assert "| 2 | 3 | 13.0 | 0.50 |" in text
