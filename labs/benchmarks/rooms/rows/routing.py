"""The routes of the room, by the name of the way that it writes."""

from channels_workers import route
from channels_workers.routing import Route
from labs.benchmarks.rooms.rows import consumers
from labs.benchmarks.rooms.workers import routing


def _routes(name: str) -> list[Route]:
    consumer = getattr(consumers, name)
    return [route("websocket.receive", consumer), *routing.channel_routing]


#: The ways to write, each with its routes: ``routes["plain"]``.
WAYS = ("plain", "atomic", "exactly_once", "plain_async", "exactly_once_async")

plain, atomic, exactly_once, plain_async, exactly_once_async = map(_routes, WAYS)
