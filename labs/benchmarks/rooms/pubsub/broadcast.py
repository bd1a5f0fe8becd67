"""Publish/subscribe in the shape of the package broadcaster: a queue for each subscriber.

broadcaster 0.3.1 itself receives nothing with redis-py 8.1: its listener ends while the first
SUBSCRIBE is under way, and waits for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

#: A channel that stays subscribed, because a connection without any ends.
NOBODY = "nobody"


class Broadcast:
    """One connection that listens for all subscribers, and others that publish."""

    def __init__(self, url: str) -> None:
        # redis-py 8 ends a subscription that was silent for five seconds, unless this is off.
        self._redis = Redis.from_url(url, socket_timeout=None, decode_responses=True)
        self._pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
        self._subscribers: dict[str, set[asyncio.Queue[str]]] = {}

    async def connect(self) -> None:
        """Begin to listen."""
        await self._pubsub.subscribe(NOBODY)
        self._listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for message in self._pubsub.listen():
            for queue in self._subscribers.get(message["channel"], ()):
                queue.put_nowait(message["data"])

    async def publish(self, channel: str, text: str) -> None:
        """Send *text* to all subscribers of *channel*."""
        await self._redis.publish(channel, text)

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[asyncio.Queue[str]]:
        """Return a queue of the texts that *channel* gets during the block."""
        queue = asyncio.Queue[str]()
        subscribers = self._subscribers.setdefault(channel, set())
        subscribers.add(queue)
        try:
            if len(subscribers) == 1:
                await self._pubsub.subscribe(channel)
            yield queue
        finally:
            subscribers.remove(queue)
            if not subscribers:
                del self._subscribers[channel]
                await self._pubsub.unsubscribe(channel)
