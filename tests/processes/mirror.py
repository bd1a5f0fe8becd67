"""Settings and consumers of a socket that echoes each frame, on any path.

Frames to /group/ are echoed to all its sockets, but for those that begin with "own".

When a socket disconnects, its path and code are appended to the Redis list `ended`. The list `run`
gets the path of each frame that a consumer ran. Consumers of /stuck/ wait for an entry in the list
`go`. The variable `LIMITS` is CHANNEL_WORKERS as JSON.
"""

import json
import os
from functools import cache

import redis

from channels_workers import Group, route
from channels_workers.message import Message
from chat_project.settings import *  # noqa: F403
from chat_project.settings import REDIS_URL

CHANNEL_ROUTING = "tests.processes.mirror.channel_routing"
LIMITS = {"HANDSHAKE_TIMEOUT": 60.0, "DRAIN_TIME": 0}
CHANNEL_WORKERS = {**LIMITS, **json.loads(os.environ.get("LIMITS", "{}"))}
ENDED, RUN, GO = "ended", "run", "go"

if os.environ.get("SERVER_PARTS_ARE_MISSING"):
    from channels_workers.interface.servers import parts

    parts.missing = lambda owner, names: list(names)


def connect(message: Message) -> None:
    if message["path"] == "/empty/":
        message.reply_channel.send({"text": ""})
    elif message["path"] == "/large/":
        message.reply_channel.send({"text": "é" * 250_000})
        message.reply_channel.send({"bytes": bytes(500_000)})
    elif message["path"] == "/other/":
        message.reply_channel.send({"accept": True, "subprotocol": "other"})
    else:
        if message["path"] == "/group/":
            Group("all").add(message.reply_channel)
        message.reply_channel.send({"accept": True})


def receive(message: Message) -> None:
    if message["path"] == "/stuck/":
        wait_until_told()
    note(RUN, message["path"])
    key = "text" if "text" in message else "bytes"
    if message["path"] == "/group/" and message[key][:3] not in ("own", b"own"):
        Group("all").send({key: message[key]})
    else:
        message.reply_channel.send({key: message[key]})


def disconnect(message: Message) -> None:
    note(ENDED, f"{message['path']} {message['code']}")


@cache
def client() -> redis.Redis:
    """One for all threads: a connection for each note would cost more than its frame."""
    return redis.Redis.from_url(REDIS_URL, socket_timeout=None)


def wait_until_told() -> None:
    client().blpop([GO], 60)
    client().rpush(GO, "on")  # for the next consumer


def note(name: str, what: str) -> None:
    if what != "/fast/":
        client().rpush(name, what)


channel_routing = [
    route("websocket.connect", connect),
    route("websocket.receive", receive),
    route("websocket.disconnect", disconnect),
]
