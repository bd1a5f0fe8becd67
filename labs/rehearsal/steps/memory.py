"""The memory of Redis for sockets, rooms and queued messages."""

from __future__ import annotations

import asyncio

import redis

from labs.harness.waiting import wait_for
from labs.rehearsal.crowd import crowd, hear, say
from labs.rehearsal.stage import Stage
from labs.rehearsal.step import Step

#: How many sockets, and characters of a queued message.
SOCKETS, CHARACTERS = 300, 200

#: How often, and for how long, memory is sampled (s).
PAUSE, LOOKS = 0.1, 25


class Memory(Step):
    """The budget of 25 MB, from measurements with and without sockets."""

    name = "memory"
    description = f"memory of Redis with {SOCKETS} sockets, in one room and in as many"

    def play(self, stage: Stage) -> None:
        """Compare the samples."""
        with stage.site.key_value.client() as client:
            asyncio.run(self.measure(stage, client))

    async def measure(self, stage: Stage, client: redis.Redis) -> None:
        """Open sockets, queue messages, close."""
        router = stage.site.router
        base = await used(client)
        async with crowd(router, ["memory"] * SOCKETS):
            together = await used(client) - base
        await asyncio.to_thread(wait_until_empty, client)
        base = await used(client)
        async with crowd(router, [f"memory-{number}" for number in range(SOCKETS)]) as sockets:
            apart = await used(client) - base
            await asyncio.to_thread(stage.worker_app.scale, "worker", 0)
            before = await used(client)
            text = "x" * CHARACTERS
            await say(sockets, text)
            await asyncio.to_thread(wait_for, lambda: waiting(client) == SOCKETS, "messages", 300)
            waits = await used(client) - before
            await asyncio.to_thread(stage.worker_app.scale, "worker", 1)
            await hear(sockets, text)
        stage.note(f"{base / 2**20:.2f} MiB without sockets")
        stage.note(f"{together / SOCKETS:.0f} bytes for a socket in a room with others")
        stage.note(f"{apart / SOCKETS:.0f} bytes for a socket with a room of its own")
        stage.note(
            f"{waits / SOCKETS:.0f} bytes for a message of {CHARACTERS} characters in the queue"
        )
        stage.note(f"all {SOCKETS} were answered once there was a worker again")
        for what, found in {"a socket": together, "a room": apart, "a message": waits}.items():
            stage.expect(found > 0, f"{what} a growth of memory, but it was {found} bytes")


async def used(client: redis.Redis) -> int:
    """Return the minimum within some seconds, which leaves out temporary memory."""
    least = []
    for _ in range(LOOKS):
        least.append(int(client.info("memory")["used_memory"]))
        await asyncio.sleep(PAUSE)
    return min(least)


def waiting(client: redis.Redis) -> int:
    """Return how many messages of sockets are queued for workers."""
    return sum(int(client.xlen(key)) for key in client.keys("*:channel:websocket.receive"))


def wait_until_empty(client: redis.Redis) -> None:
    """Wait until the closed sockets have left nothing behind."""
    wait_for(lambda: not client.keys("*:session:*"), "the end of all sessions", 300)
