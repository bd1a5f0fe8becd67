"""Rooms that once had members: nothing is left of them, and the table."""

import asyncio

from labs.benchmarks.emptying.__main__ import as_text, measure
from labs.harness.redis_server import RedisServer

LEFT = ["keys", "KiB", "in the server"]
STEPS = ["publish", "pull", "join", "commit", "leave", "heartbeat", "clean up, a connection"]


def test_nothing_is_left_of_empty_rooms(redis_server: RedisServer) -> None:
    found = asyncio.run(measure(redis_server.url, (10, 1_010), 3))
    assert list(found) == [10, 1_010]
    for row in found.values():
        assert list(row) == [*LEFT, *STEPS]
        assert row["in the server"] == 0
        assert all(row[step] >= 0 for step in STEPS)
    assert found[10]["keys"] == found[1_010]["keys"]


def test_the_report() -> None:
    text = as_text({1_000: dict.fromkeys((*LEFT, *STEPS), 12.0)}, {"commit": "abc"})
    assert f"| 1,000 |{' 12.0 |' * 10}" in text
