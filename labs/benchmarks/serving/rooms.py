"""All rooms that can be served."""

from __future__ import annotations

from labs.benchmarks.serving.node import find_node
from labs.benchmarks.serving.room import Room
from labs.genuine.comparison.engine import GENUINE
from labs.harness.project import ROOT
from labs.harness.registry import choose

OURS = {"BACKEND": "channels_workers.layers.redis.RedisChannelLayer", "CONFIG": {}}
CORE = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {}}
PUBSUB = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {}}
#: With the default capacity of 100, a room of 1,000 loses a part of each broadcast.
OF_2017 = {"BACKEND": "asgi_redis.RedisChannelLayer", "CONFIG": {"capacity": 100_000}}


def _with_rows(name: str, way: str, describes: str) -> Room:
    """Return a room that stores each message in this *way* of ``rooms.rows.routing``."""
    return Room(
        name=name,
        describes=describes,
        application="labs.benchmarks.rooms.workers.asgi:application",
        settings="labs.benchmarks.rooms.rows.settings",
        layer=OURS,
        has_workers=True,
        has_rows=True,
        variables={"ROWS": way},
    )


#: The environment of the other packages in Python, and the folder of those in JavaScript.
PEERS = ROOT / "labs" / "benchmarks" / "peers" / ".venv" / "bin" / "python"
WS = ROOT / "labs" / "benchmarks" / "rooms" / "ws"

ROOMS = (
    Room(
        name="bare",
        describes="plain ASGI, one process, no layer: the limit of its server",
        application="labs.benchmarks.rooms.bare.asgi:application",
    ),
    Room(
        name="channels_workers",
        describes="function consumers, channel session, routing, no database",
        application="labs.benchmarks.rooms.workers.asgi:application",
        settings="labs.benchmarks.rooms.workers.settings",
        layer=OURS,
        has_workers=True,
    ),
    Room(
        name="channels_workers-metrics",
        describes="the same, and each process serves metrics",
        application="labs.benchmarks.rooms.workers.asgi:application",
        settings="labs.benchmarks.rooms.workers.metrics_settings",
        layer=OURS,
        has_workers=True,
    ),
    Room(
        name="channels_workers-waiting",
        describes="the same, with a consumer that waits 2 ms, as for a database",
        application="labs.benchmarks.rooms.workers.asgi:application",
        settings="labs.benchmarks.rooms.workers.waiting_settings",
        layer=OURS,
        has_workers=True,
    ),
    Room(
        name="channels_workers-computing",
        describes="the same, with a consumer that computes for 0.5 ms",
        application="labs.benchmarks.rooms.workers.asgi:application",
        settings="labs.benchmarks.rooms.workers.computing_settings",
        layer=OURS,
        has_workers=True,
    ),
    Room(
        name="channels_workers-soak",
        describes="the same, with what visitors of the soak ask for",
        application="labs.benchmarks.rooms.workers.asgi:application",
        settings="labs.benchmarks.rooms.soak.settings",
        layer=OURS,
        has_workers=True,
    ),
    Room(
        name="channels4-core",
        describes="Channels 4 with the core layer of channels-redis",
        application="labs.benchmarks.rooms.channels4.asgi:application",
        settings="labs.benchmarks.rooms.channels4.settings",
        layer=CORE,
    ),
    Room(
        name="channels4-pubsub",
        describes="Channels 4 with the pub/sub layer of channels-redis",
        application="labs.benchmarks.rooms.channels4.asgi:application",
        settings="labs.benchmarks.rooms.channels4.settings",
        layer=PUBSUB,
    ),
    Room(
        name="channels1",
        describes="Channels 1.1.8, asgi-redis and Daphne 1.4, channel session in Redis",
        application="labs.benchmarks.rooms.channels1.asgi:channel_layer",
        settings="labs.benchmarks.rooms.channels1.settings",
        layer=OF_2017,
        has_workers=True,
        python=GENUINE.python,
        servers=("daphne",),
        daphne_options=(),
    ),
    Room(
        name="socketio",
        describes="python-socketio with its Redis manager; its sockets speak Socket.IO",
        application="labs.benchmarks.rooms.socketio.asgi:application",
        uses_redis=True,
        protocol="socketio",
        python=PEERS,
        servers=("uvicorn",),
    ),
    Room(
        name="pubsub",
        describes="plain ASGI with publish/subscribe of Redis, as broadcaster does it",
        application="labs.benchmarks.rooms.pubsub.asgi:application",
        uses_redis=True,
        servers=("uvicorn",),
    ),
    Room(
        name="ws",
        describes="Node.js with ws and publish/subscribe of Redis",
        application=str(WS / "room.js"),
        uses_redis=True,
        python=find_node(),
        needs=WS / "node_modules",
        servers=("node",),
    ),
    Room(
        name="pages",
        describes="no room: a page of 1 KiB by a sync view, in the interface server",
        application="labs.benchmarks.rooms.workers.asgi:application",
        settings="labs.benchmarks.rooms.pages.settings",
        layer=OURS,
        has_workers=True,
    ),
    Room(
        name="pages-workers",
        describes="the same page by workers",
        application="labs.benchmarks.rooms.workers.asgi:application",
        settings="labs.benchmarks.rooms.pages.workers_settings",
        layer=OURS,
        has_workers=True,
    ),
    _with_rows("rows", "plain", "channels_workers with an INSERT of each message"),
    _with_rows("rows-atomic", "atomic", "the same in transaction.atomic()"),
    _with_rows("rows-once", "exactly_once", "the same with @once"),
    _with_rows("rows-async", "plain_async", "the same as rows in a coroutine"),
    _with_rows("rows-async-once", "exactly_once_async", "the same in a coroutine with @once"),
    Room(
        name="chat",
        describes="the chat: function consumers that write each message to SQLite (WAL)",
        application="chat_project.asgi:application",
        settings="chat_project.settings",
        layer=OURS,
        has_workers=True,
        has_pages=True,
    ),
    Room(
        name="channels4-chat",
        describes="Channels 4 with the core layer, and the database write of the chat",
        application="labs.benchmarks.rooms.channels4_chat.asgi:application",
        settings="labs.benchmarks.rooms.channels4_chat.settings",
        layer=CORE,
        has_pages=True,
    ),
)


def find_room(name: str) -> Room:
    """Return the room of this name. ValueError with all names if there is none."""
    (room,) = choose(ROOMS, [name], "the name of a room")
    return room
