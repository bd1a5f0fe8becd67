"""Several Redis with servers that are members of one group, and what steps cost there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.sharded import ShardedRedisLayer
from channels_workers.layers.shards.puller import Puller
from channels_workers.layers.shards.types import Mark
from channels_workers.layers.types import (
    Finished,
    GroupSend,
    Join,
    ProcessInfo,
    new_id,
)

GROUP, PAYLOAD, CHANNEL, WORKER = "room", b"x" * 200, "work", "bench.0"

#: How many messages are committed at once, and one by one for their times of arrival.
COMMITTED, ARRIVING = 200, 100

#: A token of a puller, and how long it may pull (s).
TOKEN, CLAIMED = "1f", 600.0

#: How long an inbox waits for an entry (ms).
WAIT = 10_000

Row = dict[str, float]


class Hosts:
    """The Redis at *urls*; each has *servers* servers, which are all members of one group."""

    def __init__(self, urls: list[str], servers: int) -> None:
        self.layer: Any = RedisChannelLayer(hosts=urls, lifeline=False)
        self.shards: list[RedisChannelLayer] = list(self.layer.lanes())
        self.inboxes: list[str] = []
        for shard in self.shards:
            shard.register("bench", ProcessInfo.this("worker", 1, [CHANNEL]))
            for _ in range(servers):
                name = f"{shard.shard}-{new_id()}" if shard.shard else new_id()
                shard.register_server(name)
                shard.apply([Join(GROUP, f"{name}!member")])
            self.inboxes.append(shard.client.key(f"inbox:{name}"))
        self.home = self.shards[0]

    @property
    def lasts(self) -> list[tuple[RedisChannelLayer, str]]:
        """Each shard with the inbox of its last server."""
        return list(zip(self.shards, self.inboxes, strict=True))

    @property
    def others(self) -> list[RedisChannelLayer]:
        """All shards but the home of the messages."""
        return self.shards[1:]

    def close(self) -> None:
        """Close all connections."""
        self.layer.disconnect()

    def commit(self, count: int) -> None:
        """Commit *count* messages, each with a send to the group."""
        sends = [self.home.make_send(CHANNEL, {}) for _ in range(count)]
        self.home.apply(sends)
        held = self.home.pull([CHANNEL], WORKER, 1.0, count)
        with timed(self.home, "evalsha") as self.spent:
            for delivery in held:
                self.home.commit(Finished(delivery, [GroupSend(GROUP, PAYLOAD)]))

    def committing(self) -> float:
        """Return what a commit costs at home (us)."""
        self.commit(COMMITTED)
        return self.spent[0] / COMMITTED

    def applying(self, batch: int) -> tuple[float, float]:
        """Return what an entry costs: applied elsewhere, and read and trimmed at home (us)."""
        self.commit(COMMITTED)
        sharded: ShardedRedisLayer = self.layer
        names = [str(shard.shard) for shard in self.shards]
        source, applied, kept = names[0], 0.0, 0.0
        for shard, name in zip(self.others, names[1:], strict=True):
            sharded.shards.claim(name, TOKEN, CLAIMED)
            mark = sharded.shards.marks(name)[source]
            with timed(shard, "evalsha") as spent, timed(self.home, "xread", "evalsha") as at_home:
                while (log := sharded.shards.read_log(source, mark, batch, 0)).entries:
                    sharded.shards.apply(name, TOKEN, source, log.epoch, log.entries)
                    mark = Mark(log.epoch, log.entries[-1].seq)
                    sharded.shards.trim(source, name, mark)
            applied, kept = applied + spent[0], kept + at_home[0]
        entries = COMMITTED * len(self.others)
        return applied / entries, kept / entries

    def arriving(self) -> list[float]:
        """Return how long a message takes from its commit to the inboxes of each shard (ms)."""
        ended = threading.Event()
        pullers = [Puller(self.layer.shards, str(shard.shard)) for shard in self.others]
        for puller in pullers:
            self.layer.shards.release(puller.destination, TOKEN)
        threads = [threading.Thread(target=puller.run, args=(ended,)) for puller in pullers]
        for thread in threads:
            thread.start()
        times: list[list[float]] = [[] for _ in self.shards]
        for _ in range(ARRIVING):
            for number, took in enumerate(self._arrive()):
                times[number].append(took)
        ended.set()
        for thread in threads:
            thread.join()
        return [median(each) * 1000 for each in times]

    def _arrive(self) -> list[float]:
        ready, arrived = threading.Barrier(len(self.shards) + 1), [0.0] * len(self.shards)

        def wait(number: int) -> None:
            client: Any = self.shards[number].client.redis
            after = client.xrevrange(self.inboxes[number], count=1)[0][0]
            ready.wait()
            client.execute_command("XREAD", "BLOCK", WAIT, "STREAMS", self.inboxes[number], after)
            arrived[number] = time.perf_counter()

        threads = [threading.Thread(target=wait, args=(at,)) for at in range(len(self.shards))]
        for thread in threads:
            thread.start()
        ready.wait()
        began = time.perf_counter()
        self.home.apply([GroupSend(GROUP, PAYLOAD)])
        for thread in threads:
            thread.join()
        return [at - began for at in arrived]


@contextmanager
def timed(shard: RedisChannelLayer, *commands: str) -> Iterator[list[float]]:
    """Yield a list that gets the time of *commands* in the Redis of *shard* meanwhile (us)."""
    client: Any = shard.client.redis
    client.config_resetstat()
    spent: list[float] = []
    yield spent
    found = client.info("commandstats")
    spent.append(sum(found.get(f"cmdstat_{name}", {}).get("usec", 0) for name in commands))
